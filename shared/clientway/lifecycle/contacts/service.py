"""Read and keep the tenant's own records of people."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import db, effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.contacts import queries
from clientway.lifecycle.contacts.existence import ContactMerged, absent
from clientway.lifecycle.contacts.queries import Keys, Write
from clientway.lifecycle.contacts.schemas import ClientCreate, ContactCreate, ContactPatch, Filters
from clientway.lifecycle.custom_fields import values
from clientway.lifecycle.organizations import existence, rules, slugs
from clientway.lifecycle.organizations.dossier import Dossier, Row
from clientway.lifecycle.reach import rules as reach
from clientway.lifecycle.stages import service as stages
from clientway.moments import rfc3339, time_zones
from clientway.paging import Request

_STAGE_FACTS = ("phone_e164", "email_norm")
_SOMEBODY = ("first_name", "last_name", "email", "phone")
_ELSEWHERE = {"tags", "custom_fields"}
_CONSTRAINTS = {"contacts_email": "email", "contact_emails_live": "email", "contacts_hubspot": "hubspot_contact_id"}


class ContactExists(Conflict):
    """409: another live contact has the same e-mail or HubSpot id; `existing_id` names it."""

    code, title = "contact_exists", "Contact exists"


class LastReach(Conflict):
    """409: a contact has at least a name, an e-mail or a phone."""

    code, title = "last_reach", "Last identifier"


class OrganizationDeleted(Conflict):
    """409: a contact's organization is deleted and has to be restored first; that brings the contact back."""

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
    """One contact; of one that was merged the survivor, with its id as `merged_into`. Raises NotFound (404)."""
    answer = queries.read(tx, contact_id, include_deleted=include_deleted)
    if answer is None:
        raise absent()
    return answer


def create(tx: Tx, organization_id: UUID, contact: ContactCreate) -> Any:
    """Add somebody at an organization; the first becomes its primary contact.

    Raises NotFound (404), ContactExists (409) with the contact who has the e-mail, Unprocessable (422).
    """
    given = contact.model_dump(mode="json", exclude=_ELSEWHERE)
    email_norm = _check(tx, given, given)
    keys = Keys(email_norm=email_norm, hubspot_contact_id=contact.hubspot_contact_id, location_id=contact.location_id)
    dossier = queries.lock_organization(tx, organization_id, keys)
    if dossier is None or not dossier.is_live:
        raise NotFound("There is no such organization.")
    probes = dossier.probes or {}
    _check_keys(probes, None, str(organization_id) if contact.location_id else None)

    given["is_primary"] = contact.is_primary or not dossier.contacts
    write = _new(tx, contact, {"organization_id": str(organization_id), **given}, email_norm, dossier.region, probes)
    answer = _insert(tx, write, keys, dossier, _derived(dossier, write.row))
    if any(write.row[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [organization_id])
    effects.audit(tx, "contact.created", "contact", write.person.contact_id, contact.model_dump(mode="json", exclude_unset=True))
    return answer


def create_client(tx: Tx, client: ClientCreate) -> Any:
    """Add a private client; an organization of their own opens with their first job or invoice.

    Raises ContactExists (409) with the contact who has the e-mail, Unprocessable (422).
    """
    given = client.model_dump(mode="json", exclude=_ELSEWHERE)
    email_norm = _check(tx, given, given)
    keys = Keys(email_norm=email_norm, hubspot_contact_id=client.hubspot_contact_id)
    probes = queries.probe(tx, keys)
    _check_keys(probes, None, None)
    write = _new(tx, client, given, email_norm, probes["region"], probes)
    answer = _insert(tx, write, keys)
    effects.audit(tx, "contact.created", "contact", write.person.contact_id, client.model_dump(mode="json", exclude_unset=True))
    return answer


def change(tx: Tx, contact_id: UUID, patch: ContactPatch, *, version: int | None) -> Any:
    """Replace what was sent, whatever the version if none is expected; the slug stays as it is.

    Raises NotFound (404), PreconditionFailed (412), ContactExists or ContactMerged (409), Unprocessable (422).
    """
    sent = patch.model_dump(mode="json", exclude_unset=True)
    email_norm = normalise.email(patch.email) if patch.email else None
    keys = Keys(
        email_norm=email_norm, hubspot_contact_id=patch.hubspot_contact_id, location_id=patch.location_id,
        default_address_id=patch.default_address_id,
    )  # fmt: skip
    dossier, target = _lock(tx, contact_id, keys)
    if version is not None:
        check_version(target["version"], version)
    probes = dossier.probes or {}
    _check_keys(probes, contact_id, target["organization_id"] or "none" if patch.location_id else None)
    if patch.default_address_id is not None and probes["address_of"] != str(contact_id):
        pointer = FieldError("#/default_address_id", "unknown_address", "not an address of this contact")
        raise Unprocessable("The address is not the contact's.", errors=[pointer])
    if sent.get("is_primary") is False and target["is_primary"]:
        pointer = FieldError("#/is_primary", "needs_a_successor", "make another contact primary instead")
        raise Unprocessable("An organization with contacts always has a primary one.", errors=[pointer])

    row = {name: target[name] for name in ContactPatch.model_fields if name not in _ELSEWHERE}
    row |= {name: value for name, value in sent.items() if name not in _ELSEWHERE}
    row |= _facts(row, _check(tx, row, sent), dossier.region, probes["reach"])
    answer = _update(tx, dossier, contact_id, row, sent=sent)
    if dossier.organization and any(row[name] and row[name] != target[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [dossier.id])
    before = {**target, "tags": probes["tags"], "custom_fields": probes["custom"]}
    effects.audit(tx, "contact.updated", "contact", contact_id, {name: value for name, value in sent.items() if value != before[name]})
    return answer


def fill(tx: Tx, contact_id: UUID, blanks: Mapping[str, str]) -> int:
    """Fill in of a name, an e-mail and a phone (valid ones) what a contact has not got; it may have got it meanwhile. Returns its version.

    Raises NotFound (404), ContactMerged (409), ContactExists (409) for somebody else's e-mail.
    """
    dossier, target = lock(tx, contact_id, email=blanks.get("email"))
    given = {name: value for name, value in blanks.items() if not target[name]}
    if given:
        rewrite(tx, dossier, given)
        effects.audit(tx, "contact.updated", "contact", contact_id, given)
    return int(target["version"]) + bool(given)


def lock(tx: Tx, contact_id: UUID, *, email: str | None = None) -> tuple[Dossier, Row]:
    """Lock a live contact with its organization; `probes["reach"]` of the dossier has its e-mails and phones.

    Raises NotFound (404), ContactMerged (409), ContactExists (409) where the e-mail is somebody else's.
    """
    dossier, target = _lock(tx, contact_id, Keys(email_norm=normalise.email(email)))
    _check_keys(dossier.probes or {}, contact_id, None)
    return dossier, target


def rewrite(tx: Tx, dossier: Dossier, given: Row, *, keys: Row | None = None) -> None:
    """Replace of a locked contact what somebody is known by: names, e-mail, phone. `keys` are its e-mails and phones if others by now."""
    target, probes = dossier.target or {}, dossier.probes or {}
    row = {name: target[name] for name in _SOMEBODY} | dict(given)
    if not any(row.values()):
        raise LastReach("The contact would have no name, e-mail address or phone number left.")
    row |= _facts(row, normalise.email(row["email"]) if row["email"] else None, dossier.region, keys or probes["reach"])
    _update(tx, dossier, UUID(target["id"]), row, keys=keys)
    if dossier.organization and any(row[name] and row[name] != target[name] for name in _STAGE_FACTS):
        stages.reconsider(tx, [dossier.id])


def delete(tx: Tx, contact_id: UUID, *, version: int) -> None:
    """Hide a contact; if it was the primary one, the oldest remaining one takes over.

    Raises NotFound (404), PreconditionFailed (412), ContactMerged (409).
    """
    dossier, target = _lock(tx, contact_id, Keys())
    check_version(target["version"], version)
    follower = dossier.primary("contacts", without=contact_id)
    derived = dossier.derived(location=dossier.primary("locations"), contact=follower) if dossier.organization else {}
    next_primary = follower["id"] if follower and target["is_primary"] else None
    queries.delete(tx, dossier, contact_id, derived, next_primary=next_primary)
    effects.audit(tx, "contact.deleted", "contact", contact_id)


def restore(tx: Tx, contact_id: UUID) -> Any:
    """Bring a contact back, primary only if nobody else is; a live one stays as it is.

    Raises NotFound (404), ContactExists (409) when another has one of its e-mails by now, OrganizationDeleted, ContactMerged (409).
    """
    dossier = queries.lock(tx, contact_id, Keys())
    if dossier is None or dossier.target is None:
        raise absent()
    target = dossier.target
    if target["merged_into"] is not None:
        raise ContactMerged(target["merged_into"])
    if target["deleted_at"] is not None:
        if dossier.organization and not dossier.is_live:
            raise OrganizationDeleted("The organization is deleted; restore it first.", organization_id=dossier.id)
        taken = queries.probe(tx, Keys(hubspot_contact_id=target["hubspot_contact_id"]))
        _check_keys({**taken, "same_email": (dossier.probes or {})["successor"]}, contact_id, None)
        is_primary = bool(dossier.organization) and not dossier.contacts
        row = {"deleted_at": None, "is_primary": is_primary, "email_norm": target["email_norm"], "phone_e164": target["phone_e164"]}
        answer = _update(tx, dossier, contact_id, row)
        if dossier.organization and any(target[name] for name in _STAGE_FACTS):
            stages.reconsider(tx, [dossier.id])
        effects.audit(tx, "contact.restored", "contact", contact_id)
        return answer
    return queries.read(tx, contact_id)


def _new(tx: Tx, body: ClientCreate, given: Row, email_norm: str | None, region: str, probes: Row) -> Write:
    contact_id, moment = uuid7(), rfc3339(tx.now)
    row = {"id": str(contact_id), **given, "slug": slug(given)}
    row |= _facts(row, email_norm, region) | {"created_at": moment, "updated_at": moment}
    custom = values.settle(probes["fields"], body.custom_fields, {}, complete=True)
    return Write(row, Reachable(contact_id, email_norm), body.tags, custom)


def _insert(tx: Tx, write: Write, keys: Keys, dossier: Dossier | None = None, derived: Row | None = None) -> Any:
    for _ in range(slugs.TRIES):
        try:
            answer = queries.insert(tx, write, dossier, derived)
        except DatabaseError as error:
            raise explained(error) from None
        if answer is not None:
            return answer
        _check_keys(queries.probe(tx, keys), None, None)
    raise slugs.SlugRace


def _lock(tx: Tx, contact_id: UUID, keys: Keys) -> tuple[Dossier, Row]:
    dossier = queries.lock(tx, contact_id, keys)
    if dossier is None or dossier.target is None:
        raise absent()
    if dossier.target["merged_into"] is not None:
        raise ContactMerged(dossier.target["merged_into"])
    if dossier.target["deleted_at"] is not None:
        raise absent()
    return dossier, dossier.target


def _update(tx: Tx, dossier: Dossier, contact_id: UUID, row: Row, *, sent: Row | None = None, keys: Row | None = None) -> Any:
    probes, sent = dossier.probes or {}, sent or {}
    custom = values.settle(probes["fields"], sent.get("custom_fields", {}), probes["custom"], complete=False)
    person = Reachable(contact_id, row["email_norm"], reach.further_emails(keys or probes["reach"], row["email_norm"]))
    write = Write(row, person, sent.get("tags", probes["tags"]), custom)
    try:
        return queries.update(tx, dossier, write, _derived(dossier, {**(dossier.target or {}), **row}))
    except DatabaseError as error:
        raise explained(error) from None


def explained(error: DatabaseError) -> Exception:
    """Somebody took it between the look and the write; the transaction is lost, so nobody can be asked who."""
    field = _CONSTRAINTS.get(db.constraint_name(error) or "")
    if field is None:
        return error
    return ContactExists(f"Another contact has this {field}.", errors=[FieldError(f"#/{field}", "taken", "already taken")])


def _check(tx: Tx, row: Row, sent: Row) -> str | None:
    """The normalised e-mail. Raises Unprocessable (422) for what is none, or nothing to know somebody by."""
    email_norm = normalise.email(row["email"]) if row["email"] else None
    errors = []
    if sent.get("email") and not email_norm:
        errors.append(FieldError("#/email", "invalid_email", "not an e-mail address"))
    if sent.get("time_zone") and sent["time_zone"] not in time_zones():
        errors.append(FieldError("#/time_zone", "unknown_time_zone", "not a time zone of the IANA database"))
    if (sent.get("birth_date") or "") > (tx.now + _AHEAD).date().isoformat():
        errors.append(FieldError("#/birth_date", "in_the_future", "lies in the future"))
    if errors:
        raise Unprocessable("The contact breaks a rule.", errors=errors)
    if not any(row[name] for name in _SOMEBODY):
        pointers = [FieldError(f"#/{name}", "missing", "nothing given") for name in _SOMEBODY]
        raise Unprocessable("A contact needs a name, an e-mail address or a phone number.", errors=pointers)
    return email_norm or None


# It is tomorrow already at the other end of the world.
_AHEAD = timedelta(hours=14)


def _check_keys(probes: Mapping[str, Any], contact_id: UUID | None, organization_id: str | None) -> None:
    """Raise unless the keys are free, or the contact's own, and the location (if one is asked for) is the organization's."""
    for probe, field in (("same_email", "email"), ("same_hubspot", "hubspot_contact_id")):
        holder = probes.get(probe)
        if holder is not None and holder != str(contact_id):
            pointer = FieldError(f"#/{field}", "taken", "already taken")
            raise ContactExists(f"Another contact has this {field}.", errors=[pointer], existing_id=holder)
    if organization_id is not None and probes.get("location_of") != organization_id:
        pointer = FieldError("#/location_id", "unknown_location", "not a location of this organization")
        raise Unprocessable("The location is not the organization's.", errors=[pointer])


def _facts(row: Row, email_norm: str | None, region: str, keys: Row | None = None) -> dict[str, Any]:
    """The columns that follow from what was given; `keys` are of what the contact was reached at before."""
    phone_e164 = (row["phone"] and normalise.phone(row["phone"], region)) or None
    facts = {"email_norm": email_norm, "phone_e164": phone_e164}
    secondary = reach.others(keys, email=email_norm, phone=phone_e164 or row["phone"]) if keys else []
    return facts | found_by({**row, **facts}, secondary)


def found_by(row: Row, secondary: list[str] | None = None) -> dict[str, Any]:
    """What a contact is sorted and searched by; `secondary` are its further e-mails and phones."""
    full_name = " ".join(name for name in (row["first_name"], row["last_name"]) if name)
    reaches = [rules.reach(row["phone"], row["phone_e164"], row["email_norm"]), *(secondary or [])]
    return {"name_norm": rules.name_norm(full_name, row["email"], row["phone"]), "search_text": rules.search_text([full_name], reaches)}


def slug(row: Row) -> str:
    """What a contact's slug begins with."""
    full_name = " ".join(name for name in (row["first_name"], row["last_name"]) if name)
    return normalise.slug(full_name, fallback="") or normalise.slug((row["email"] or "").partition("@")[0], fallback="contact")


def _derived(dossier: Dossier, row: Row) -> dict[str, Any]:
    """The organization's columns once this contact is written; a private client has none."""
    if not dossier.organization:
        return {}
    return dossier.derived(location=dossier.primary("locations"), contact=row if row["is_primary"] else dossier.primary("contacts"))
