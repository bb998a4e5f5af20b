"""Reads what providers tell: SES's event publishing, plain, under EventBridge's envelope or in SNS', and End User Messaging's texts.

Sources: Amazon SES developer guide, "Contents of event data that Amazon SES publishes"; AWS End User Messaging SMS user guide,
"Event types" and "Two-way SMS messaging".
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from clientway import normalise
from clientway.messaging.delivery.message import Channel
from clientway.messaging.events import rules

_KINDS: Final = {
    "Send": "send", "Delivery": "delivery", "DeliveryDelay": "delay", "Bounce": "bounce", "Complaint": "complaint", "Reject": "reject",
    "Rendering Failure": "rendering_failure", "Open": "open", "Click": "click", "Subscription": "subscription",
}  # fmt: skip
# Where SES keeps what an event is about, where that is not its kind in lower case.
_PARTS: Final = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}
_TEXT_KINDS: Final = {
    "TEXT_QUEUED": None, "TEXT_PENDING": None, "TEXT_SENT": "send", "TEXT_SUCCESSFUL": "delivery", "TEXT_DELIVERED": "delivery",
    "TEXT_BLOCKED": "bounce", "TEXT_CARRIER_BLOCKED": "bounce", "TEXT_SPAM": "bounce", "TEXT_INVALID": "bounce",
    "TEXT_INVALID_MESSAGE": "reject", "TEXT_CARRIER_UNREACHABLE": "delay", "TEXT_UNREACHABLE": "delay", "TEXT_TTL_EXPIRED": "bounce",
    "TEXT_UNKNOWN": "delay", "TEXT_PROTECT_BLOCKED": "reject",
}  # fmt: skip
# A number that is none: nobody there will ever get a text.
_NO_SUCH_NUMBER: Final = {"TEXT_INVALID"}
_OURS: Final = frozenset({"campaign_send", "email_message", "reminder"})
# What SES says of a mail that it took and did not send, because it is known that somebody there complained once.
_NOT_TRIED: Final = "OnAccountSuppressionList"
_LONGEST: Final = 400


class UnreadableEventError(ValueError):
    """A message that is no provider's event: it is kept in the dead letter queue for somebody to look at."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a provider told of one of our messages, or an answer to a text.

    `addresses` are those it is about. `permanent`: there is no use in sending there again. For an answer, `text` is what it
    says, `sender` who wrote it and `to` the number it was written to; such a one names neither tenant nor message.
    """

    kind: str
    channel: Channel
    key: str
    occurred_at: datetime
    tenant_id: UUID | None = None
    subject: str | None = None
    subject_id: UUID | None = None
    provider_message_id: str | None = None
    addresses: tuple[str, ...] = ()
    permanent: bool = False
    machine: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
    text: str | None = None
    sender: str | None = None
    to: str | None = None


def read(body: str, *, now: datetime) -> Event | None:
    """The event in a queue's message, read `now`; None for one that is none of ours to tell of. Raises UnreadableEventError."""
    try:
        told = json.loads(body)
        while isinstance(told, dict):
            if told.get("Type") == "Notification" and "Message" in told:
                told = json.loads(told["Message"])
            elif "detail-type" in told and isinstance(told.get("detail"), dict):
                told = told["detail"]
            else:
                break
        if not isinstance(told, dict):
            raise UnreadableEventError("not an object")
        if "eventType" in told and "mail" in told:
            return _mail(told)
        if "inboundMessageId" in told:
            return _answer(told, now)
        if str(told.get("eventType", "")).startswith("TEXT_"):
            return _text(told)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, UnreadableEventError):
            raise
        raise UnreadableEventError(f"{type(error).__name__}: {error}") from error
    raise UnreadableEventError("neither SES's nor End User Messaging's")


def _mail(told: Mapping[str, Any]) -> Event | None:
    mail, kind = told["mail"], told["eventType"]
    tags = {name: values[0] for name, values in (mail.get("tags") or {}).items() if values}
    if "tenant_id" not in tags or tags.get("kind") not in _OURS:
        # Sign-in mail, or somebody else's who uses the same account.
        return None
    if kind not in _KINDS:
        return None
    part = told.get(_PARTS.get(kind, kind.lower())) or {}
    accepted = _moment(mail["timestamp"])
    occurred = _moment(part.get("timestamp") or mail["timestamp"])
    # It is no complaint about this mail: it reached nobody.
    known = kind if part.get("complaintSubType") != _NOT_TRIED else "Bounce"
    machine = kind in {"Open", "Click"} and rules.is_machine(part.get("userAgent"), after=occurred - accepted)
    return Event(
        kind=_KINDS[known],
        channel="email",
        key=_key(
            kind, mail["messageId"], part.get("feedbackId") or part.get("timestamp") or "", part.get("link", ""), part.get("userAgent", "")
        ),
        occurred_at=occurred,
        tenant_id=UUID(tags["tenant_id"]),
        subject=tags["kind"],
        subject_id=UUID(tags["id"]),
        provider_message_id=mail["messageId"],
        addresses=_about(mail.get("destination", ()), part),
        permanent=known == "Bounce" and (part.get("bounceType") == "Permanent" or known != kind),
        machine=machine,
        detail=_mail_detail(kind, part),
    )


def _about(sent_to: Sequence[str], part: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the addresses that a mail was sent to which its event is about: where it was forwarded to is none of ours."""
    named = {
        normalise.email(one["emailAddress"])
        for name in ("bouncedRecipients", "complainedRecipients", "delayedRecipients")
        for one in part.get(name, ())
    }
    # Sent to one, it can be about nobody else, wherever its report comes from.
    return tuple(one for one in sent_to if not named or len(sent_to) == 1 or normalise.email(one) in named)


def _mail_detail(kind: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """What staff may want to know of it; neither the opener's address on the net nor what they read it with."""
    if kind == "Bounce":
        said = next((one.get("diagnosticCode") for one in part.get("bouncedRecipients", ()) if one.get("diagnosticCode")), None)
        return _known(type=part.get("bounceType"), subtype=part.get("bounceSubType"), diagnostic=said)
    if kind == "Complaint":
        return _known(type=part.get("complaintFeedbackType"), subtype=part.get("complaintSubType"))
    if kind == "Click":
        return _known(link=part.get("link"))
    if kind == "DeliveryDelay":
        return _known(type=part.get("delayType"))
    return _known(reason=part.get("reason") or part.get("errorMessage"))


def _text(told: Mapping[str, Any]) -> Event | None:
    context = told.get("context") or {}
    kind = _TEXT_KINDS.get(told["eventType"])
    if kind is None or "tenant_id" not in context or context.get("kind") not in _OURS:
        return None
    return Event(
        kind=kind,
        channel="sms",
        key=_key(told["eventType"], told["messageId"], str(told.get("eventTimestamp", ""))),
        occurred_at=datetime.fromtimestamp(told["eventTimestamp"] / 1000, UTC),
        tenant_id=UUID(context["tenant_id"]),
        subject=context["kind"],
        subject_id=UUID(context["id"]),
        provider_message_id=told["messageId"],
        addresses=(told["destinationPhoneNumber"],),
        permanent=told["eventType"] in _NO_SUCH_NUMBER,
        detail=_known(type=told["eventType"], reason=told.get("messageStatusDescription")),
    )


def _answer(told: Mapping[str, Any], now: datetime) -> Event:
    said = str(told.get("messageBody") or "").replace("\0", "")
    return Event(
        kind=rules.keyword(said) or "reply",
        channel="sms",
        key=_key("answer", told["inboundMessageId"]),
        # It comes without a time of its own.
        occurred_at=now,
        text=said[: rules.LONGEST],
        sender=told["originationNumber"],
        to=told["destinationNumber"],
    )


def _key(*parts: str) -> str:
    """One event's own: a second delivery has the same, another event of the same message has another."""
    first, second, *rest = parts
    return f"{first}:{second}"[:220] + (":" + hashlib.sha256("\n".join(rest).encode()).hexdigest()[:32] if rest else "")


def _known(**named: Any) -> dict[str, Any]:
    return {name: str(value).replace("\0", "")[:_LONGEST] for name, value in named.items() if value}


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
