"""What contacts allowed: a ledger of evidence that nothing is taken out of."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.consents import queries
from clientway.lifecycle.consents.schemas import Channel, ConsentCreate, Purpose, State
from clientway.lifecycle.contacts import existence
from clientway.lifecycle.records import CLOCK_SKEW
from clientway.paging import Request, one

_CHANNELS = {"email": "e-mail", "phone": "phone", "sms": "text message"}


def find(tx: Tx, contact_id: UUID, request: Request, *, channel: str | None, purpose: str | None, current: bool | None) -> Any:
    """A page of a contact's ledger, or of what counts of it. Raises NotFound (404)."""
    answer = queries.find(tx, contact_id, request, channel=channel, purpose=purpose, current=current)
    if not answer.rows:
        existence.require(tx, contact_id)
    return answer


def add(tx: Tx, contact_id: UUID, consent: ConsentCreate) -> Any:
    """Write down that somebody allowed or forbade something; it counts unless something later is known already.

    Raises NotFound (404), ContactMerged (409), Unprocessable (422) for what lies in the future.
    """
    occurred_at: datetime = consent.occurred_at or tx.now
    if occurred_at > tx.now + CLOCK_SKEW:
        raise Unprocessable("The consent breaks a rule.", errors=[FieldError("#/occurred_at", "in_the_future", "lies in the future")])
    event_id = uuid7()
    given = consent.model_dump(exclude={"ip", "occurred_at"})
    row = queries.insert(tx, event_id, contact_id, {**given, "ip_hash": _hash(consent.ip), "occurred_at": occurred_at})
    if row is None:
        raise existence.refuse(tx, contact_id)
    told = {"channel": consent.channel, "purpose": consent.purpose, "state": consent.state, "source": consent.source}
    _tell(tx, contact_id, row.organization_id, {"consent_event_id": event_id, **told}, occurred_at)
    return one(row)


@dataclass(frozen=True, slots=True)
class Settled:
    """Whom somebody's own word was written down for, and the new lines of the ledger; none where it stood already."""

    contact_id: UUID
    organization_id: UUID | None
    event_ids: tuple[UUID, ...]


def settle(
    tx: Tx,
    contact_id: UUID,
    channel: Channel,
    purposes: Iterable[Purpose],
    state: State,
    *,
    source: str,
    evidence: Mapping[str, Any],
    occurred_at: datetime,
) -> Settled | None:
    """Write down what somebody said themselves: of one who was merged, for the survivor; of one deleted too. What holds adds nothing.

    What was said later counts, in whichever order it is heard. None when there is no such contact.
    """
    lines = [{"id": uuid7(), "purpose": purpose} for purpose in purposes]
    moment = min(occurred_at, tx.now)
    given = {"channel": channel, "state": state, "source": source, "evidence": dict(evidence), "occurred_at": moment}
    # Once more, where it was merged between the look and the lock: it is then another's.
    held = queries.hold(tx, contact_id) or queries.hold(tx, contact_id)
    if held is None:
        return None
    new = queries.settle(tx, held.id, lines, given)
    for row in new:
        told = {"consent_event_id": row.event_id, "channel": channel, "purpose": row.purpose, "state": state, "source": source}
        _tell(tx, held.id, held.organization_id, told, moment)
    return Settled(held.id, held.organization_id, tuple(row.event_id for row in new))


def _tell(tx: Tx, contact_id: UUID, organization_id: UUID | None, told: dict[str, Any], occurred_at: datetime) -> None:
    title = f"Consent {told['state']}: {told['purpose']} by {_CHANNELS[told['channel']]}"
    effects.record(
        tx, "consent_changed", title, organization_id=organization_id, contact_id=contact_id, metadata=told, occurred_at=occurred_at
    )
    effects.audit(tx, "consent.recorded", "contact", contact_id, told)


def _hash(ip: str | None) -> str | None:
    # Keyed: there are so few addresses that a bare hash of one is no secret.
    return ip and hmac.digest(settings().identity_key, f"ip:{ip}".encode(), "sha256").hex()
