"""Taking in a client with the first thing that is done for them: found or made, with an organization and an address, in few flights."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.addresses import service as addresses
from clientway.lifecycle.addresses.service import TooManyAddresses
from clientway.lifecycle.intake.schemas import ClientAddress, ClientIntake, TakenIn
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.moments import rfc3339

_COLUMNS = "id, contact_id, label, address1, address2, city, state, postal, country, time_zone, address_key, created_at, updated_at"
# Parts of a statement that takes the parameter :home: `same_home` is the address as the contact has it already (an
# address without a place, or of nothing but signs, has no key: it is compared as it is written), `home` the row of
# it if it is new, `place` the id and zone of either; no place is one address too many. The contact is locked: nobody adds one beside us.
HOME_SQL = f"""told_home as (select * from jsonb_populate_record(null::contact_addresses, cast(:home as jsonb))),
same_home as (
  select a.id, a.time_zone from told_home t
    join contact_addresses a on a.tenant_id = app.tenant() and a.contact_id = t.contact_id and a.deleted_at is null
     and a.country = t.country and a.address_key is not distinct from t.address_key
     and lower(a.address2) is not distinct from lower(t.address2)
     and (t.address_key is not null or (lower(a.address1), lower(a.city), lower(a.state), a.postal) is not distinct from
                                       (lower(t.address1), lower(t.city), lower(t.state), t.postal))
   order by a.created_at, a.id limit 1),
home as (
  insert into contact_addresses ({_COLUMNS})
  select {_COLUMNS} from told_home t where not exists (select from same_home)
     and (select count(*) from contact_addresses x
           where x.tenant_id = app.tenant() and x.contact_id = t.contact_id and x.deleted_at is null) < {addresses.MOST}
  returning *),
place as (select h.id, h.time_zone from home h union all select s.id, s.time_zone from same_home s)"""


def take_in(tx: Tx, client: ClientIntake) -> TakenIn:
    """Find or make a client and hold them for a job. Three flights for somebody new.

    Raises Unprocessable (422) with pointers below #/client, ContactBlacklisted (409).
    """
    given = client.model_dump(exclude={"address"})
    try:
        known = people.upsert(tx, PersonInput(**given))
    except Unprocessable as refusal:
        raise _below("#/client", refusal) from None
    address = None if client.address is None else _row(tx, known.contact_id, client.address)
    found: dict[str, Any] = {"matched_by": known.matched_by, "suggested": known.suggested, "address": address}
    if known.is_new:
        return TakenIn(
            known.contact_id, people.hold_new(tx, known), organization_is_live=True, default_address_id=None, is_new=True, **found
        )
    return replace(hold(tx, known.contact_id), **found)


def hold(tx: Tx, contact_id: UUID) -> TakenIn:
    """Hold a client who is known. Raises NotFound (404), ContactMerged, ContactBlacklisted (409)."""
    holder = people.hold(tx, contact_id)
    return TakenIn(contact_id, holder.organization_id, holder.organization_is_live, holder.default_address_id)


def crowded() -> TooManyAddresses:
    """409 for an address that found no place, to be raised."""
    return TooManyAddresses(f"A contact has {addresses.MOST} addresses at most.", limit=addresses.MOST)


def tell_home(tx: Tx, address: dict[str, Any]) -> None:
    """Write into the audit trail that an address was added."""
    shown = {
        name: value
        for name, value in address.items()
        if value is not None and name not in {"id", "created_at", "updated_at", "address_key"}
    }
    effects.audit(tx, "contact_address.created", "contact_address", UUID(address["id"]), shown)


def _row(tx: Tx, contact_id: UUID, address: ClientAddress) -> dict[str, Any]:
    given, moment = address.model_dump(mode="json"), rfc3339(tx.now)
    try:
        kept = addresses.kept(given, given)
    except Unprocessable as refusal:
        raise _below("#/client/address", refusal) from None
    return {**given, **kept, "id": str(uuid7()), "contact_id": str(contact_id), "created_at": moment, "updated_at": moment}


def _below(place: str, refusal: Unprocessable) -> Unprocessable:
    errors = [FieldError(f"{place}{one.pointer.removeprefix('#')}", one.code, one.message) for one in refusal.errors]
    return type(refusal)(refusal.detail, errors=errors)
