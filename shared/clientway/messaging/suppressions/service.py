"""Addresses that nothing is sent to: bounced for good, complained about, stopped by their owner, or put there by hand."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from clientway import effects, normalise
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, Forbidden, Malformed, NotFound, Unprocessable
from clientway.identity.settings import service as settings
from clientway.ids import uuid7
from clientway.messaging.delivery.message import Channel
from clientway.messaging.suppressions import queries
from clientway.messaging.suppressions.schemas import Reason, SuppressionCreate
from clientway.moments import rfc3339
from clientway.paging import Request

OWN_WORD: Final = ("complaint", "stop")
"""What a recipient said: a colleague's opinion does not lift it."""


class AlreadyLifted(Conflict):
    """409: the address was taken off the list before."""

    code, title = "already_lifted", "Already lifted"


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The entry that stands for an address and a reason; `changed`: there was none before."""

    id: UUID
    changed: bool


def suppress(
    tx: Tx, channel: Channel, address: str, reason: Reason, *, contact_id: UUID | None = None, detail: str | None = None
) -> Suppressed | None:
    """Send nothing to an address any more; None when it is no address, which nothing is sent to anyway. Repeating changes nothing.

    A number is expected with its country's code, as providers write it. `contact_id` is to be one of the tenant's.
    """
    normal = normalised(channel, address)
    if normal is None:
        return None
    row = {"id": uuid7(), "channel": channel, "address": normal, "reason": reason, "detail": detail and detail[:500]}
    found = queries.suppress(tx, {**row, "contact_id": contact_id})
    if found.changed:
        # The audit trail outlives an erasure: the address is not in it.
        effects.audit(tx, "suppression.created", "suppression", found.id, {"channel": channel, "reason": reason, "contact_id": contact_id})
    return Suppressed(found.id, found.changed)


def normalised(channel: Channel, address: str, region: str = "US") -> str | None:
    """An address as it is compared; None where it is none."""
    return normalise.email(address) if channel == "email" else normalise.phone(address, region)


def find(tx: Tx, request: Request, *, channel: Channel | None, reason: Reason | None, address: str | None, standing: bool) -> Any:
    """A page of entries. Raises Malformed (400) for an address that is none."""
    known: tuple[str, str] | None = None
    if address is not None:
        kind: Channel = channel or ("email" if "@" in address else "sms")
        normal = _read(tx, kind, address)
        if normal is None:
            raise Malformed("This is not a valid address.", errors=[FieldError("#/query/address", f"invalid_{_WORDS[kind]}", "is not one")])
        known = (kind, normal)
    return queries.find(tx, request, channel=channel, reason=reason, address=known, standing=standing)


def read(tx: Tx, suppression_id: UUID) -> Any:
    """One entry, standing or lifted. Raises NotFound (404)."""
    answer = queries.read(tx, suppression_id)
    if answer is None:
        raise _absent()
    return answer


def add(tx: Tx, given: SuppressionCreate) -> tuple[Any, bool]:
    """Put an address on the list by hand; the entry, and whether it is new. Raises Unprocessable (422) for what is no address."""
    address = _read(tx, given.channel, given.address)
    found = None if address is None else suppress(tx, given.channel, address, "manual", detail=given.detail)
    if found is None:
        pointer = FieldError("#/address", f"invalid_{_WORDS[given.channel]}", "is not one")
        raise Unprocessable("The suppression breaks a rule.", errors=[pointer])
    return read(tx, found.id), found.changed


def remove(tx: Tx, suppression_id: UUID, reason: str) -> Any:
    """Write to an address again; the entry as it is then. Raises NotFound (404), AlreadyLifted (409), Forbidden (403).

    What a recipient said themselves, by a complaint or a STOP, only an admin lifts: they answer for it.
    """
    row = queries.lock(tx, suppression_id)
    if row is None:
        raise _absent()
    if row.reason in OWN_WORD and tx.actor.role != "admin":
        raise Forbidden("The recipient asked for this suppression: only an admin may lift it.")
    if row.lifted_at is not None:
        raise AlreadyLifted("This suppression has already been lifted.", lifted_at=rfc3339(row.lifted_at))
    _lift(tx, suppression_id, row.channel, row.reason, reason)
    return read(tx, suppression_id)


def lift(tx: Tx, channel: Channel, address: str, *, reason: Reason, why: str) -> bool:
    """The recipient took their word back (START after STOP): lift what stands for this reason, and no other; whether there was any."""
    normal = normalised(channel, address)
    found = None if normal is None else queries.standing(tx, channel, normal, reason)
    if found is None:
        return False
    _lift(tx, found, channel, reason, why)
    return True


def _lift(tx: Tx, suppression_id: UUID, channel: str, reason: str, why: str) -> None:
    queries.lift(tx, suppression_id, why)
    effects.audit(tx, "suppression.lifted", "suppression", suppression_id, {"channel": channel, "reason": reason, "lift_reason": why})


_WORDS: Final[dict[Channel, str]] = {"email": "email", "sms": "phone"}


def _read(tx: Tx, channel: Channel, address: str) -> str | None:
    if channel == "email" or address.lstrip().startswith("+"):
        return normalised(channel, address)
    return normalised(channel, address, settings.conventions(tx).phone_region)


def _absent() -> NotFound:
    return NotFound("There is no such suppression.")
