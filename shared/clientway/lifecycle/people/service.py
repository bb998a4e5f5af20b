"""Who somebody is to this tenant, and the contact that a job or an invoice is for."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.exc import DatabaseError

from clientway import effects, normalise
from clientway.db import SerializationConflict, Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.contacts.existence import ContactMerged
from clientway.lifecycle.duplicates import rules as duplicates
from clientway.lifecycle.organizations import rules as names
from clientway.lifecycle.organizations import slugs
from clientway.lifecycle.organizations.dossier import Dossier
from clientway.lifecycle.people import queries, rules
from clientway.lifecycle.people.queries import Row
from clientway.lifecycle.people.schemas import Holder, Known, PersonInput, UpsertedPerson
from clientway.lifecycle.reach import service as reach
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.rules import Facts, Stage
from clientway.lifecycle.stages.schemas import Rung
from clientway.moments import rfc3339

OPENED_AS = {"entity_type": "individual", "industry": "private", "source": "client"}
"""What a private client's own organization is opened with."""


class ContactBlacklisted(Conflict):
    """409: nobody works for, or bills, somebody on the blacklist."""

    code, title = "contact_blacklisted", "Contact blacklisted"


@dataclass(frozen=True)
class _Given:
    """What was said of somebody, ready to be looked for."""

    email: str | None
    email_norm: str | None
    phone: str | None
    phone_e164: str | None
    first_name: str | None
    last_name: str | None
    ignored: tuple[Literal["email", "phone"], ...]


def upsert_by_reach(tx: Tx, person: PersonInput) -> UpsertedPerson:
    """Find or make the contact that an e-mail or a phone belongs to. Raises Unprocessable (422) without either, else as upsert."""
    if person.email is None and person.phone is None:
        pointers = [FieldError(f"#/{name}", "missing", "nothing given") for name in ("email", "phone")]
        raise Unprocessable("Give an e-mail address or a phone number to find somebody by.", errors=pointers)
    known = upsert(tx, person)
    return UpsertedPerson(
        person_id=known.contact_id,
        contact_id=known.contact_id,
        organization_id=known.organization_id,
        is_new=known.is_new,
        matched_by=known.matched_by,
        deleted_contact_id=known.deleted_contact_id,
        suggested_contact_ids=list(known.suggested),
        ignored=list(known.ignored),
        version=known.version,
    )


def upsert(tx: Tx, person: PersonInput) -> Known:
    """Find the contact that somebody is, or make one; what is new of them is added to it as long as it is nobody else's.

    Somebody with neither e-mail nor phone is always new. Raises Unprocessable (422) for an e-mail that is none, and where
    nothing is left to know them by; ContactExists or SerializationConflict (409) when others were faster.
    """
    given = _read(tx, person)
    for _ in range(slugs.TRIES):
        found, deleted = queries.holders(tx, email=given.email_norm, phone=given.phone_e164)
        decision = rules.decide([_candidate(row) for row in found], given.first_name)
        others = [row for row in found if UUID(row["id"]) in {one.id for one in decision.suggest}]
        suggested = tuple(UUID(row["id"]) for row in others)
        if decision.match is not None:
            row = next(row for row in found if row["id"] == str(decision.match.id))
            if others:
                queries.suggest(tx, _suggestions(tx, row, others))
            version = _add(tx, row, given, phone_is_free=decision.phone_is_free)
            if version is None:
                continue
            organization_id = UUID(row["organization_id"]) if row["organization_id"] else None
            return Known(
                decision.match.id, organization_id, is_new=False, version=version, matched_by=decision.by, suggested=suggested,
                ignored=given.ignored,
            )  # fmt: skip
        contact_id = uuid7()
        made = _insert(tx, contact_id, given, others)
        if made is not None:
            effects.audit(tx, "contact.created", "contact", contact_id, person.model_dump(mode="json", exclude_none=True))
            return Known(
                contact_id, None, is_new=True, version=1, deleted_contact_id=deleted, suggested=suggested, ignored=given.ignored, made=made
            )
    raise SerializationConflict("Two changes collided; try again.", headers={"Retry-After": "1"})


def hold(tx: Tx, contact_id: UUID) -> Holder:
    """Lock a live contact, with an organization of its own if it had none, for a job or an invoice.

    Raises NotFound (404), ContactMerged or ContactBlacklisted (409).
    """
    held = queries.hold(tx, contact_id)
    if held is None:
        raise NotFound("There is no such contact.")
    contact = held.contact
    if contact["merged_into"] is not None:
        raise ContactMerged(contact["merged_into"])
    if contact["deleted_at"] is not None:
        raise NotFound("There is no such contact.")
    if held.organization is not None and held.organization["lifecycle_stage"] == Stage.BLACKLIST:
        raise ContactBlacklisted("The contact's organization is on the blacklist.", organization_id=held.organization["id"])
    opened: Rung | None = None
    if held.organization is not None:
        organization_id, is_live = UUID(held.organization["id"]), held.organization["deleted_at"] is None
    else:
        opened = _open(tx, contact)
        organization_id, is_live = opened.organization_id, True
    return Holder(
        contact_id=contact_id,
        organization_id=organization_id,
        organization_is_live=is_live,
        name=_name(contact) or contact["email"] or contact["phone"] or "Client",
        email=contact["email"],
        currency=held.tenant["currency"],
        time_zone=held.tenant["time_zone"],
        default_address_id=UUID(contact["default_address_id"]) if contact["default_address_id"] else None,
        tax_rate_bps=contact["tax_rate_bps"],
        pricing_tier=contact["pricing_tier"],
        do_not_contact=contact["do_not_contact"],
        opened=opened,
    )


def hold_new(tx: Tx, known: Known) -> UUID:
    """The organization, now opened, of a contact that `upsert` has just made: nobody else can see it yet, so one flight will do."""
    if known.made is None:
        message = "only a contact that this transaction made is held without a look at it"
        raise ValueError(message)
    return _open(tx, known.made).organization_id


def _read(tx: Tx, person: PersonInput) -> _Given:
    email_norm = normalise.email(person.email) if person.email else None
    if person.email and email_norm is None:
        raise Unprocessable("The person breaks a rule.", errors=[FieldError("#/email", "invalid_email", "not an e-mail address")])
    phone_e164 = None
    if person.phone and not normalise.sentinel(person.phone):
        # A country code says where a number is from; only without one does it take the tenant's region, which costs a flight.
        phone_e164 = normalise.phone(person.phone, "US" if person.phone.startswith("+") else queries.region(tx))
    ignored: list[Literal["email", "phone"]] = []
    email, phone = person.email, person.phone
    if email_norm is not None and normalise.blocked_email(email_norm):
        email = email_norm = None
        ignored.append("email")
    if phone is not None and normalise.sentinel(phone):
        phone = None
        ignored.append("phone")
    if not any((email, phone_e164, person.first_name, person.last_name)):
        pointers = [FieldError(f"#/{name}", "nobodys", "belongs to nobody in particular") for name in ignored]
        pointers = pointers or [FieldError("#/phone", "invalid_phone", "not a phone number of this region")]
        raise Unprocessable("The person would have no name, e-mail address or phone number left.", errors=pointers)
    return _Given(email, email_norm, phone, phone_e164, person.first_name, person.last_name, tuple(ignored))


def _candidate(row: Row) -> rules.Candidate:
    return rules.Candidate(UUID(row["id"]), row["first_name"], by_email=row["by_email"], verified=row["verified"], by_phone=row["by_phone"])


def _insert(tx: Tx, contact_id: UUID, given: _Given, others: Sequence[Row]) -> Row | None:
    row = {
        "id": str(contact_id), "first_name": given.first_name, "last_name": given.last_name, "email": given.email, "phone": given.phone,
        "email_norm": given.email_norm, "phone_e164": given.phone_e164, "status": "lead",
    }  # fmt: skip
    moment = rfc3339(tx.now)
    row |= contacts.found_by(row) | {"slug": contacts.slug(row), "created_at": moment, "updated_at": moment}
    own = {**row, "birth_date": None, "emails": [given.email_norm] if given.email_norm else [], "phones": [given.phone_e164]}
    person = Reachable(contact_id, given.email_norm)
    try:
        return row if queries.insert(tx, row, person, _suggestions(tx, own, others)) else None
    except DatabaseError as error:
        raise contacts.explained(error) from None


def _add(tx: Tx, row: Row, given: _Given, *, phone_is_free: bool) -> int | None:
    """Add to a contact what it did not have: blanks are filled, further addresses become secondary ones.

    Returns its version, None when it changed since it was found: it has to be looked at again.
    """
    wanted = {"first_name": given.first_name, "last_name": given.last_name}
    email = given.email if given.email_norm and not row["by_email"] else None
    phone = given.phone if given.phone_e164 and phone_is_free else None
    wanted |= {"email": email, "phone": phone}
    nameless = not (row["first_name"] or row["last_name"])
    blanks = {name: value for name, value in wanted.items() if value and not row[name] and (nameless or not name.endswith("_name"))}
    version: int = row["version"]
    if blanks:
        version = contacts.fill(tx, UUID(row["id"]), blanks)
    email_norm = given.email_norm if email and "email" not in blanks else None
    phone_e164 = given.phone_e164 if phone and "phone" not in blanks else None
    return reach.add_secondary(
        tx, UUID(row["id"]), version, known=row["emails"],
        email=(email or "", email_norm) if email_norm and len(row["emails"]) < reach.MOST else None,
        phone=(phone or "", phone_e164) if phone_e164 and len(row["phones"]) < reach.MOST else None,
    )  # fmt: skip


def _suggestions(tx: Tx, row: Row, others: Iterable[Row]) -> list[dict[str, Any]]:
    return [_pair(tx, row, other) for other in others]


def _pair(tx: Tx, one: Row, other: Row) -> dict[str, Any]:
    verdict = duplicates.compare(_compared(one), _compared(other))
    first, second = sorted((UUID(one["id"]), UUID(other["id"])))
    return {
        "id": str(uuid7()), "contact_id": str(first), "other_id": str(second), "score": verdict.score,
        "reasons": [asdict(reason) for reason in verdict.reasons], "at": rfc3339(tx.now),
    }  # fmt: skip


def _compared(row: Row) -> duplicates.Person:
    phones = [phone for phone in row["phones"] if phone]
    return duplicates.person(row["first_name"], row["last_name"], born=row["birth_date"], emails=row["emails"], phones=phones)


def _open(tx: Tx, contact: Row) -> Rung:
    """Open a private client's own organization; its stage is where the contact's e-mail and phone put it."""
    organization_id = uuid7()
    legal_name = _name(contact) or contact["email"] or contact["phone"] or "Client"
    blank = dict.fromkeys(("dba_name", "hubspot_company_id", "stripe_customer_id"))
    own = {**OPENED_AS, "legal_name": legal_name[:300]}
    dossier = Dossier(
        organization={**own, **blank, "deleted_at": None}, region="", currency="", tags=[], places={}, locations=[], contacts=[]
    )
    born = stages.born(tx, organization_id, Facts(email_valid=bool(contact["email_norm"]), has_phone=bool(contact["phone_e164"])))
    moment = rfc3339(tx.now)
    row = {
        "id": str(organization_id), **own, "slug": normalise.slug(legal_name), "name_norm": names.name_norm(legal_name),
        **dossier.derived(contact=contact), "lifecycle_stage": born.stage, "lifecycle_sequence": len(born.transitions),
        "lifecycle_changed_at": moment, "lifecycle_changed_by": (tx.actor.name or tx.actor.kind) if born.transitions else None,
        "created_at": moment, "updated_at": moment,
    }  # fmt: skip
    for _ in range(slugs.TRIES):
        if queries.open_organization(tx, UUID(contact["id"]), row, born.transitions):
            break
    else:
        raise slugs.SlugRace
    effects.audit(tx, "organization.created", "organization", organization_id, {**own, "contact_id": contact["id"]})
    return Rung(organization_id, born.stage, len(born.transitions), tx.now)


def _name(contact: Row) -> str:
    return " ".join(name for name in (contact["first_name"], contact["last_name"]) if name)
