"""When clients are reminded of a job or an invoice, and until when a late reminder is still worth sending (design 3, §5).

The rules are data, the tenant's or the ones here; the statements that write jobs and invoices read them (planning.py).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import time, timedelta
from typing import Any, Final, Literal

from clientway.errors import FieldError, Unprocessable

Type = Literal["job_upcoming", "invoice_due"]
Channel = Literal["email", "sms"]

CHANNELS: Final[tuple[Channel, ...]] = ("email", "sms")
INVOICE_HOUR: Final = time(9)
"""When an invoice is reminded of, by the tenant's clock."""
LEAST_NOTICE: Final = timedelta(minutes=15)
"""A job that is booked late is still reminded of at once when at least this long remains …"""
SHORT_NOTICE: Final = timedelta(hours=2)
"""… by the nearest rule, if that is no further ahead than this: what was to be said a day before is not said an hour before."""
BY_HAND: Final = "called off by hand"
"""The reason of a reminder that somebody called off: planning does not bring it back."""

MOST_RULES: Final = 10
"""Of a type."""
OFFSETS: Final[Mapping[Type, tuple[int, int]]] = {"job_upcoming": (15, 43_200), "invoice_due": (-30, 30)}


@dataclass(frozen=True, slots=True)
class ReminderRule:
    """One time at which clients are reminded.

    `offset`: of a job, minutes before its start; of an invoice, days after its due date, which are negative before it.
    `max_lateness`: minutes after its time that it is still sent.
    """

    type: Type
    name: str
    offset: int
    max_lateness: int
    channels: tuple[Channel, ...]
    enabled: bool = True


DEFAULTS: Final = (
    ReminderRule("job_upcoming", "before_24h", 1440, 360, CHANNELS),
    ReminderRule("job_upcoming", "before_2h", 120, 45, CHANNELS),
    ReminderRule("invoice_due", "due_minus_2d", -2, 360, CHANNELS),
    ReminderRule("invoice_due", "due_day", 0, 360, CHANNELS),
)


def parse(given: Sequence[Mapping[str, Any]], *, pointer: str = "#/reminder_rules") -> tuple[ReminderRule, ...]:
    """A tenant's rules, from what ReminderRuleInput let through. Raises Unprocessable (422) for what they are not together."""
    found = tuple(ReminderRule(**{**one, "channels": tuple(one["channels"])}) for one in given)
    errors, names, counts = [], set(), Counter(rule.type for rule in found)
    for number, rule in enumerate(found):
        least, most = OFFSETS[rule.type]
        if not least <= rule.offset <= most:
            unit = "minutes before the start" if rule.type == "job_upcoming" else "days after the due date"
            errors.append(FieldError(f"{pointer}/{number}/offset", "out_of_range", f"between {least} and {most} {unit}"))
        if len(set(rule.channels)) != len(rule.channels):
            errors.append(FieldError(f"{pointer}/{number}/channels", "duplicate", "each channel once"))
        if (rule.type, rule.name) in names:
            errors.append(FieldError(f"{pointer}/{number}/name", "duplicate", "another rule of this type has this name"))
        names.add((rule.type, rule.name))
    errors += [FieldError(pointer, "too_many", f"at most {MOST_RULES} rules of a type") for n in counts.values() if n > MOST_RULES]
    if errors:
        raise Unprocessable("The reminder rules cannot be like this.", errors=errors)
    return found


def as_rows(rules: Sequence[ReminderRule]) -> list[dict[str, Any]]:
    """The rules as messaging_settings.reminder_rules keeps them."""
    return [asdict(rule) for rule in rules]


BACKOFF: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))


def retry_after(attempts: int) -> timedelta:
    """How long after the failure of this attempt, counted from 1, the next one comes."""
    return BACKOFF[min(attempts, len(BACKOFF)) - 1]
