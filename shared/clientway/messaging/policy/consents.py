"""What recipients say themselves: a line of the ledger that lifecycle keeps, with its evidence."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.lifecycle.consents import service as ledger
from clientway.lifecycle.consents.service import Settled
from clientway.messaging.delivery.message import Channel
from clientway.messaging.policy.sql import Purpose


def revoke(
    tx: Tx,
    contact_id: UUID,
    channel: Channel,
    purposes: Iterable[Purpose],
    *,
    source: str,
    evidence: Mapping[str, Any],
    occurred_at: datetime,
) -> Settled | None:
    """Somebody wants no more of these; None when there is no such contact. Of one who was merged it holds for the survivor."""
    return ledger.settle(tx, contact_id, channel, purposes, "denied", source=source, evidence=evidence, occurred_at=occurred_at)


def grant(
    tx: Tx,
    contact_id: UUID,
    channel: Channel,
    purposes: Iterable[Purpose],
    *,
    source: str,
    evidence: Mapping[str, Any],
    occurred_at: datetime,
) -> Settled | None:
    """Somebody wants them again."""
    return ledger.settle(tx, contact_id, channel, purposes, "granted", source=source, evidence=evidence, occurred_at=occurred_at)
