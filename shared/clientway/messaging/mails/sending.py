"""Sends single mails: claimed and looked at in one transaction, handed over outside any, settled in another.

At least once: a mail whose answer was lost is sent again, and may be read twice without harm.
"""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from clientway import db, effects
from clientway.db import Tx
from clientway.messaging.delivery import providers
from clientway.messaging.delivery.message import Outgoing, Refused, Unclear
from clientway.messaging.mails import queries
from clientway.messaging.mails.queries import Result
from clientway.messaging.settings import service as messaging_settings
from clientway.schemas import Id, Schema

logger = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
"""Longer than the provider may take, both times that it is asked."""


class _Payload(Schema):
    email_message_id: Id


class Asked(Schema):
    """The queue's message: an outbox row."""

    id: Id
    tenant_id: Id
    topic: str
    payload: _Payload


class NotYet(Exception):  # noqa: N818  (keeps the message in the queue)
    """The provider could not be asked, or did not answer: the queue delivers again."""


def work(body: str, *, last: bool = False, now: datetime | None = None) -> str:
    """Send the mail that a message names; returns what became of it: `sent`, `failed`, or `nothing` when it is no longer to be sent.

    Raises NotYet while trying again may help; the last time that counts as failed and is shown. Raises ValidationError for a
    message that nobody understands, and what the database raises: then the next delivery finds what this one left.
    """
    asked = Asked.model_validate_json(body)
    message_id = asked.payload.email_message_id
    with db.job_transaction(asked.tenant_id, now=now) as tx:
        claimed = _claim(tx, message_id)
    if claimed is None:
        return "nothing"
    message, token, left_out = claimed
    if message is None:
        return "failed"
    try:
        result = Result("sent", left_out, providers.send(message, once=False))
    except Refused as refused:
        later = refused.retryable and not last
        result = Result("pending" if later else "failed", f"{refused.code}: {refused.detail}"[:500])
    except Unclear as unclear:
        result = Result("failed" if last else "pending", f"no answer: {unclear}"[:500])
    with db.job_transaction(asked.tenant_id, now=now) as tx:
        if not _settle(tx, message_id, token, result):
            # Our lease was over and somebody else has it: what becomes of it is theirs to tell.
            return "nothing"
    if result.status == "pending":
        raise NotYet(result.error)
    return result.status


def _claim(tx: Tx, message_id: UUID) -> tuple[Outgoing | None, UUID, str | None] | None:
    """The mail, for those who may get it; without one where nobody may: it has failed then. None when there is nothing to do."""
    row = queries.claim(tx, message_id, LEASE)
    if row is None:
        return None
    found = queries.excluded(tx, row.to_addresses, row.contact_id)
    to = tuple(address for address, reason in found if reason is None)
    left_out = "; ".join(f"{address}: {reason}" for address, reason in found if reason is not None)
    token = UUID(str(row.lease_token))
    if not to:
        _settle(tx, message_id, token, Result("failed", f"not sent to {left_out}"[:500]))
        return None, token, left_out
    of = messaging_settings.of(tx)
    message = Outgoing(
        kind="email_message", id=message_id, tenant_id=tx.tenant_id, channel="email", to=to, text=row.body_text, subject=row.subject,
        html=row.body_html, from_name=of.sender_name, reply_to=of.reply_to,
    )  # fmt: skip
    return message, token, f"left out {left_out}"[:500] if left_out else None


def _settle(tx: Tx, message_id: UUID, token: UUID, result: Result) -> bool:
    row = queries.settle(tx, message_id, token, result)
    if row is None:
        return False
    if result.status == "sent" and row.contact_id is not None:
        effects.record(
            tx, "email_sent", row.subject, organization_id=row.organization_id, contact_id=row.contact_id,
            metadata={"message": "email_message", "message_id": message_id, "template": row.template}, event_key=f"{message_id}:sent",
        )  # fmt: skip
    logger.info("single mail", extra={"email_message_id": str(message_id), "outcome": result.status})
    return True
