"""What settings may say. Pure."""

from datetime import time, timedelta
from typing import Final

from clientway.errors import FieldError

EARLIEST: Final = time(8)
LATEST: Final = time(21)
"""The federal hours of telephone solicitation (47 CFR 64.1200(c)(1)): a tenant may only narrow them."""
SHORTEST: Final = timedelta(hours=2)


def of_day(written: str) -> time:
    """The time of "09:30"."""
    return time.fromisoformat(written)


def hours(until: time, quiet_from: time) -> list[FieldError]:
    """What is wrong with the hours between quiet ones."""
    errors = []
    if until < EARLIEST:
        errors.append(FieldError("#/quiet_until", "too_early", f"no earlier than {EARLIEST:%H:%M}"))
    if quiet_from > LATEST:
        errors.append(FieldError("#/quiet_from", "too_late", f"no later than {LATEST:%H:%M}"))
    if not errors and _since_midnight(quiet_from) - _since_midnight(until) < SHORTEST:
        errors.append(FieldError("#/quiet_from", "too_short", "leaves less than two hours of a day"))
    return errors


def _since_midnight(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute)
