"""What becomes of a reminder that is due, and of one that a provider was asked to send."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from clientway.messaging.campaigns.content import variables as person
from clientway.messaging.delivery.message import Outgoing
from clientway.messaging.policy import rules as policy
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.templates import rules as templates
from clientway.messaging.templates.filters import date as in_words
from clientway.messaging.templates.filters import money
from clientway.work.reminders import rules
from clientway.work.reminders.claiming import Due


@dataclass(frozen=True, slots=True)
class Decision:
    """What is written about a due reminder: to send it now (`claimed`), later (`scheduled`), or not at all."""

    state: Literal["claimed", "scheduled", "canceled", "skipped", "failed"]
    reason: str | None = None
    next_at: datetime | None = None


_CLAIMED = Decision("claimed")


def decide(row: Due, now: datetime) -> Decision:
    """What becomes of a reminder that is due now."""
    if row.over is not None:
        return Decision("canceled", row.over)
    if now > row.expires_at:
        return Decision("failed", row.state_reason or "it could not be sent in time") if row.attempts else Decision("skipped", "expired")
    if row.rule_off:
        return Decision("skipped", "rule switched off")
    if row.exclusion is not None:
        return Decision("skipped", row.exclusion)
    zones = policy.zones(row.contact_zone, row.address_zone, row.tenant_zone, row.phone)
    hours = policy.hours(row.channel, "transactional", quiet_hours=False)
    opening = policy.opening(now, zones, hours, row.address_state, row.phone)
    if opening is None or opening > row.expires_at:
        return Decision("skipped", "quiet hours until it expires")
    return _CLAIMED if opening <= now else Decision("scheduled", "quiet hours", opening)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking the provider."""

    id: UUID
    state: Literal["sent", "scheduled", "failed", "skipped"]
    reason: str | None = None
    next_at: datetime | None = None
    provider_message_id: str | None = None
    untried: bool = False
    """Whether the provider was not asked after all, or only that it is too much for now."""
    opted_out: bool = False
    """Whether the provider has been told that nothing more is wanted there."""


def again(row: Any, reason: str, now: datetime) -> Outcome:
    """It did not go out, or nobody knows: once more in a while, as long as that is worth something."""
    next_at = now + rules.retry_after(row.attempts)
    if next_at > row.expires_at:
        return Outcome(row.id, "failed", reason)
    return Outcome(row.id, "scheduled", reason, next_at)


def message(row: Any, source: templates.Source, of: MessagingSettings, tenant_id: UUID) -> Outgoing | None:
    """The reminder as the provider takes it, by its row of `claiming.look`; None for one that would say nothing. Raises TemplateRefused."""
    about = {"job": _job(row)} if row.type == "job_upcoming" else {"invoice": _invoice(row)}
    rendered = templates.render(source, {**person(row._mapping), **about, "tenant": of.variables})  # noqa: SLF001  (SQLAlchemy's name)
    if rendered.empty:
        return None
    return Outgoing(
        kind="reminder", id=row.id, tenant_id=tenant_id, channel=row.channel, to=(row.address,), text=rendered.text,
        subject=rendered.subject, html=rendered.html, from_name=of.sender_name, reply_to=of.reply_to, sms_sender=of.sms_sender,
    )  # fmt: skip


def _job(row: Any) -> dict[str, str | None]:
    try:
        start = row.job_start_at.astimezone(ZoneInfo(row.job_time_zone))
    except (KeyError, ValueError, OSError):
        start = row.job_start_at
    return {
        "title": row.job_title, "date": f"{start:%A, %B} {start.day}, {start.year}", "time": f"{start.hour % 12 or 12}:{start:%M %p}",
        "address": row.job_address or None, "assignee": row.job_assignee,
    }  # fmt: skip


def _invoice(row: Any) -> dict[str, str | None]:
    return {
        "number": row.number_text, "balance": money(row.balance_cents, row.currency), "due_date": in_words(row.due_on.isoformat()),
        "payment_url": row.payment_url,
    }  # fmt: skip
