"""What contacts allowed: a ledger of evidence that nothing is taken out of."""

import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.consents import queries
from clientway.lifecycle.consents.schemas import ConsentCreate
from clientway.lifecycle.contacts import existence
from clientway.lifecycle.records import CLOCK_SKEW
from clientway.paging import Request, one


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
    effects.record(
        tx, "consent_changed", f"{consent.purpose} by {consent.channel} {consent.state}", organization_id=row.organization_id,
        contact_id=contact_id, metadata={"consent_event_id": event_id, **told}, occurred_at=occurred_at,
    )  # fmt: skip
    effects.audit(tx, "consent.recorded", "contact", contact_id, {"consent_event_id": event_id, **told})
    return one(row)


def _hash(ip: str | None) -> str | None:
    # Keyed: there are so few addresses that a bare hash of one is no secret.
    return ip and hmac.digest(settings().identity_key, f"ip:{ip}".encode(), "sha256").hex()
