"""Where contacts are to be found."""

from typing import Any
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.addresses import queries
from clientway.lifecycle.addresses.schemas import AddressInput, AddressPatch
from clientway.lifecycle.contacts import existence
from clientway.lifecycle.organizations import rules
from clientway.moments import time_zones
from clientway.paging import Request, one

MOST = 50
"""Addresses that a contact has at most."""


class TooManyAddresses(Conflict):
    """409: a contact has as many addresses as there may be."""

    code, title = "limit_reached", "Limit reached"


def find(tx: Tx, contact_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of a contact's addresses. Raises NotFound (404)."""
    answer = queries.find(tx, contact_id, request, include_deleted=include_deleted)
    if not answer.rows:
        existence.require(tx, contact_id)
    return answer


def read(tx: Tx, address_id: UUID) -> Any:
    """One address, deleted or not: jobs there still name it. Raises NotFound (404)."""
    answer = queries.read(tx, address_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, contact_id: UUID, address: AddressInput) -> Any:
    """Add an address; the first becomes the default. Raises NotFound (404), ContactMerged, TooManyAddresses (409), Unprocessable (422)."""
    address_id = uuid7()
    given = address.model_dump(exclude={"is_default"})
    row = queries.insert(tx, contact_id, {"id": address_id, **given, **kept(given, given)}, is_default=address.is_default, most=MOST)
    if row is None:
        raise existence.refuse(tx, contact_id)
    if row[0] is None:
        raise TooManyAddresses(f"A contact has {MOST} addresses at most.", limit=MOST)
    effects.audit(
        tx, "contact_address.created", "contact_address", address_id, {"contact_id": contact_id, **address.model_dump(mode="json")}
    )
    return one(row)


def change(tx: Tx, address_id: UUID, patch: AddressPatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), Unprocessable (422)."""
    row = _lock(tx, address_id, version)
    sent = patch.model_dump(exclude_unset=True)
    is_default = bool(sent.pop("is_default", None))
    after = {name: row[name] for name in AddressPatch.model_fields if name != "is_default"} | sent
    answer = queries.update(tx, address_id, after | kept(after, sent), contact_id=row["contact_id"] if is_default else None)
    effects.audit(tx, "contact_address.updated", "contact_address", address_id, patch.model_dump(mode="json", exclude_unset=True))
    return answer


def delete(tx: Tx, address_id: UUID, *, version: int) -> None:
    """Hide an address; if it was the default, the oldest remaining one takes over. Raises NotFound (404), PreconditionFailed (412)."""
    row = _lock(tx, address_id, version)
    queries.delete(tx, address_id, UUID(row["contact_id"]))
    effects.audit(tx, "contact_address.deleted", "contact_address", address_id, {"contact_id": row["contact_id"]})


def _lock(tx: Tx, address_id: UUID, version: int) -> dict[str, Any]:
    row = queries.lock(tx, address_id)
    if row is None or row["deleted_at"] is not None:
        raise _absent()
    check_version(row["version"], version)
    return row


def kept(row: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """The columns as they are kept. Raises Unprocessable (422) for a postal code or a time zone that is none."""
    errors = []
    postal = row["postal"] and normalise.postal_code(row["postal"], row["country"])
    if row["postal"] and not postal and ("postal" in sent or "country" in sent):
        errors.append(FieldError("#/postal", "invalid_postal", "not a postal code of this country"))
    if sent.get("time_zone") and sent["time_zone"] not in time_zones():
        errors.append(FieldError("#/time_zone", "unknown_time_zone", "not a time zone of the IANA database"))
    if errors:
        raise Unprocessable("The address breaks a rule.", errors=errors)
    state = rules.us_state(row["state"]) if row["country"] == "US" else row["state"]
    key = normalise.address_key(row["address1"], row["city"], state, postal)
    return {"postal": postal or row["postal"], "state": state, "address_key": key}


def _absent() -> NotFound:
    return NotFound("There is no such address.")
