"""Read and keep the tenant's own records of people."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import db, effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.contacts import queries
from clientway.lifecycle.contacts.queries import Keys
from clientway.lifecycle.contacts.schemas import ContactCreate, ContactPatch, Filters
from clientway.lifecycle.organizations import existence, rules, slugs
from clientway.lifecycle.organizations.dossier import Dossier, Row
from clientway.lifecycle.stages import service as stages
from clientway.paging import Request

_STAGE_FACTS = ("phone_e164", "email_norm")
_SOMEBODY = ("first_name", "last_name", "email", "phone")
_CONSTRAINTS = {"contacts_email": "email", "contacts_hubspot": "hubspot_contact_id"}


class ContactExists(Conflict):
    """409: another live contact has the same e-mail or HubSpot id; `existing_id` names it."""

    code, title = "contact_exists", "Contact exists"


class OrganizationDeleted(Conflict):
    """409: the contact's organization is deleted and has to be restored first; that brings the contact back."""

    code, title = "organization_deleted", "Organization deleted"


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of all contacts, each with its organization."""
    return queries.find(tx, request, filters)


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of an organization's contacts. Raises NotFound (404)."""
    answer = queries.of_organization(tx, organization_id, request, include_deleted=include_deleted)
    if not answer.rows:
        existence.require(tx, organization_id)
    return answer


def read(tx: Tx, contact_id: UUID, *, include_deleted: bool = False) -> Any:
    """One contact. Raises NotFound (404)."""
    answer = queries.read(tx, contact_id, include_deleted=include_deleted)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, organization_id: UUID, contact: ContactCreate) -> Any:
    """Add somebody at an organization; the first becomes its primary contact.

    Raises NotFound (404), ContactExists (409) with the contact who has the e-mail, Unprocessable (422).
    """
    given = contact.model_dump(mode="json")
    email_norm = _check(given, given)
    keys = Keys(email_norm=email_norm, hubspot_contact_id=contact.hubspot_contact_id, location_id=contact.location_id)
    dossier = queries.lock_organization(tx, organization_id, keys)
    if dossier is None or not dossier.is_live:
        raise NotFound("There is no such organization.")
    _check_keys(dossier.probes or {}, None, str(organization_id) if contact.location_id else None)

    given["is_primary"] = contact.is_primary or not dossier.contacts
    contact_id = uuid7()
    row = {"id": str(contact_id), "organization_id": str(organization_id), **given, "slug": _slug(given)}
    row |= _facts(row, email_norm, dossier.region) | {"created_at": tx.now.isoformat(), "updated_at": tx.now.isoformat()}
    derived, person = _derived(dossier, row), Reachable(contact_id, email_norm, row["phone_e164"])
    for _ in range(slugs.TRIES):
        answer = queries.insert(tx, dossier, row, derived, person)
        if answer is not None:
            break
        _check_keys(queries.same_keys(tx, keys), None, None)
    else:
        raise slugs.SlugRace
    if any(row[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [organization_id])
    effects.audit(tx, "contact.created", "contact", contact_id, contact.model_dump(mode="json", exclude_unset=True))
    return answer


def change(tx: Tx, contact_id: UUID, patch: ContactPatch, *, version: int) -> Any:
    """Replace what was sent; the slug stays as it is.

    Raises NotFound (404), PreconditionFailed (412), ContactExists (409), Unprocessable (422).
    """
    sent = patch.model_dump(mode="json", exclude_unset=True)
    email_norm = normalise.email(patch.email) if patch.email else None
    keys = Keys(email_norm=email_norm, hubspot_contact_id=patch.hubspot_contact_id, location_id=patch.location_id)
    dossier, target = _lock(tx, contact_id, keys)
    check_version(target["version"], version)
    _check_keys(dossier.probes or {}, contact_id, target["organization_id"] or "none" if patch.location_id else None)
    if sent.get("is_primary") is False and target["is_primary"]:
        pointer = FieldError("#/is_primary", "needs_a_successor", "make another contact primary instead")
        raise Unprocessable("An organization with contacts has a primary one.", errors=[pointer])

    row = {name: target[name] for name in ContactPatch.model_fields} | sent
    row |= _facts(row, _check(row, sent), dossier.region)
    derived = _derived(dossier, {**target, **row})
    answer = _update(tx, dossier, contact_id, row, derived)
    if dossier.organization and any(row[name] and row[name] != target[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [dossier.id])
    effects.audit(tx, "contact.updated", "contact", contact_id, {name: value for name, value in sent.items() if value != target[name]})
    return answer


def delete(tx: Tx, contact_id: UUID, *, version: int) -> None:
    """Hide a contact; if it was the primary one, the oldest that stays follows. Raises NotFound (404), PreconditionFailed (412)."""
    dossier, target = _lock(tx, contact_id, Keys())
    check_version(target["version"], version)
    follower = dossier.primary("contacts", without=contact_id)
    derived = dossier.derived(location=dossier.primary("locations"), contact=follower) if dossier.organization else {}
    next_primary = follower["id"] if follower and target["is_primary"] else None
    queries.delete(tx, dossier, contact_id, derived, next_primary=next_primary)
    effects.audit(tx, "contact.deleted", "contact", contact_id)


def restore(tx: Tx, contact_id: UUID) -> Any:
    """Bring a contact back, primary only if nobody else is; a live one stays as it is.

    Raises NotFound (404), ContactExists (409) when another has its e-mail by now, OrganizationDeleted (409).
    """
    dossier = queries.lock(tx, contact_id, Keys())
    if dossier is None or dossier.target is None:
        raise _absent()
    target = dossier.target
    if target["deleted_at"] is not None:
        if dossier.organization and not dossier.is_live:
            raise OrganizationDeleted("The organization is deleted; restore it first.", organization_id=dossier.id)
        keys = Keys(email_norm=target["email_norm"], hubspot_contact_id=target["hubspot_contact_id"])
        _check_keys(queries.same_keys(tx, keys), contact_id, None)
        is_primary = bool(dossier.organization) and not dossier.contacts
        row = {"deleted_at": None, "is_primary": is_primary, "email_norm": target["email_norm"], "phone_e164": target["phone_e164"]}
        answer = _update(tx, dossier, contact_id, row, _derived(dossier, {**target, **row}))
        if dossier.organization and any(target[name] for name in _STAGE_FACTS):
            stages.reconsider(tx, [dossier.id])
        effects.audit(tx, "contact.restored", "contact", contact_id)
        return answer
    return queries.read(tx, contact_id)


def _lock(tx: Tx, contact_id: UUID, keys: Keys) -> tuple[Dossier, Row]:
    dossier = queries.lock(tx, contact_id, keys)
    if dossier is None or dossier.target is None or dossier.target["deleted_at"] is not None:
        raise _absent()
    return dossier, dossier.target


def _update(tx: Tx, dossier: Dossier, contact_id: UUID, row: Row, derived: Row) -> Any:
    person = Reachable(contact_id, row["email_norm"], row["phone_e164"])
    try:
        return queries.update(tx, dossier, row, derived, person)
    except DatabaseError as error:
        # Somebody took it between the look and the write; the transaction is lost, so nobody can be asked who.
        field = _CONSTRAINTS.get(db.constraint_name(error) or "")
        if field is None:
            raise
        raise ContactExists(f"Another contact has this {field}.", errors=[FieldError(f"#/{field}", "taken", "is another's")]) from None


def _check(row: Row, sent: Row) -> str | None:
    """The normalised e-mail. Raises Unprocessable (422) for an e-mail that is none, or nothing to know somebody by."""
    email_norm = normalise.email(row["email"]) if row["email"] else None
    if sent.get("email") and not email_norm:
        raise Unprocessable("The contact breaks a rule.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])
    if not any(row[name] for name in _SOMEBODY):
        pointers = [FieldError(f"#/{name}", "missing", "nothing given") for name in _SOMEBODY]
        raise Unprocessable("A contact has at least one of them.", errors=pointers)
    return email_norm or None


def _check_keys(probes: Mapping[str, Any], contact_id: UUID | None, organization_id: str | None) -> None:
    """Raise unless the keys are free, or the contact's own, and the location (if one is asked for) is the organization's."""
    for probe, field in (("same_email", "email"), ("same_hubspot", "hubspot_contact_id")):
        holder = probes.get(probe)
        if holder is not None and holder != str(contact_id):
            pointer = FieldError(f"#/{field}", "taken", "is another's")
            raise ContactExists(f"Another contact has this {field}.", errors=[pointer], existing_id=holder)
    if organization_id is not None and probes.get("location_of") != organization_id:
        pointer = FieldError("#/location_id", "unknown_location", "no location of this organization")
        raise Unprocessable("The location is not the organization's.", errors=[pointer])


def _facts(row: Row, email_norm: str | None, region: str) -> dict[str, Any]:
    """The columns that follow from what was given."""
    full_name = " ".join(name for name in (row["first_name"], row["last_name"]) if name)
    phone_e164 = (row["phone"] and normalise.phone(row["phone"], region)) or None
    return {
        "email_norm": email_norm,
        "phone_e164": phone_e164,
        "name_norm": rules.name_norm(full_name, row["email"], row["phone"]),
        "search_text": rules.search_text([full_name], [rules.reach(row["phone"], phone_e164, email_norm)]),
    }


def _slug(row: Row) -> str:
    full_name = " ".join(name for name in (row["first_name"], row["last_name"]) if name)
    return normalise.slug(full_name, fallback="") or normalise.slug((row["email"] or "").partition("@")[0], fallback="contact")


def _derived(dossier: Dossier, row: Row) -> dict[str, Any]:
    """The organization's columns once this contact is written; a private client has none."""
    if not dossier.organization:
        return {}
    return dossier.derived(location=dossier.primary("locations"), contact=row if row["is_primary"] else dossier.primary("contacts"))


def _absent() -> NotFound:
    return NotFound("There is no such contact.")
