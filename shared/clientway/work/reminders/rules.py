"""When clients are reminded of a job or an invoice, and until when a late reminder is still worth sending (design 3, §5)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

CHANNELS: Final = ("email", "sms")

DAY_BEFORE: Final = timedelta(hours=24)
HOURS_BEFORE: Final = timedelta(hours=2)
LEAST_NOTICE: Final = timedelta(minutes=15)
"""A job that is booked within two hours is still reminded of when at least this long remains."""
_DAY_LATENESS: Final = timedelta(hours=6)
_HOURS_LATENESS: Final = timedelta(minutes=45)
_INVOICE_AHEAD: Final = timedelta(days=2)
INVOICE_HOUR: Final = time(9)


@dataclass(frozen=True, slots=True)
class Planned:
    """One message due: `anchor_at` is the time it is about as it stood when this was planned."""

    rule: str
    anchor_at: datetime
    send_at: datetime
    expires_at: datetime


def of_job(start_at: datetime, now: datetime) -> tuple[Planned, ...]:
    """The reminders of a job that starts at `start_at`, planned at `now`: a day before and two hours before.

    What would have gone out already is left out, except that the second one goes at once while LEAST_NOTICE remains.
    None is worth sending once the job has begun.
    """
    found = []
    if now <= start_at - DAY_BEFORE:
        send_at = start_at - DAY_BEFORE
        found.append(Planned("before_24h", start_at, send_at, send_at + _DAY_LATENESS))
    if now <= start_at - LEAST_NOTICE:
        send_at = max(start_at - HOURS_BEFORE, now)
        found.append(Planned("before_2h", start_at, send_at, min(send_at + _HOURS_LATENESS, start_at)))
    return tuple(found)


def of_invoice(due_on: date, zone: tzinfo, now: datetime) -> tuple[Planned, ...]:
    """The reminders of an invoice due on a day, at nine in the morning of the zone: two days before, and on the day."""
    anchor = invoice_anchor(due_on, zone)
    moments = (("due_minus_2d", invoice_anchor(due_on - _INVOICE_AHEAD, zone)), ("due_day", anchor))
    return tuple(Planned(rule, anchor, at, at + _DAY_LATENESS) for rule, at in moments if now <= at)


def invoice_anchor(day: date, zone: tzinfo) -> datetime:
    """Nine in the morning of a day in a zone."""
    return datetime.combine(day, INVOICE_HOUR, zone).astimezone(UTC)
