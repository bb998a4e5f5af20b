"""What repeats: RFC 5545 recurrence rules over local times, and local times as moments.

A rule speaks of wall clocks: it is expanded in local time, and each occurrence becomes a moment by itself, so that 09:00
stays 09:00 when clocks change. python-dateutil expands; this module says what is accepted, and bounds the work: a rule
that never yields is looked through up to the year 9999 there, and one that yields every second has no end.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, SECONDLY, WEEKLY, YEARLY, rrule, weekdays

from clientway.errors import Conflict, FieldError, Unprocessable

PATIENCE: Final = 1200
"""After so many months without an occurrence there will be no further one."""
YEARS_PATIENCE: Final = 120
"""The same of a yearly rule, in its years."""
MOST_STEPS: Final = 100_000
"""So many occurrences are counted from the start of a rule: every day for 270 years."""
MOST_INTERVAL: Final = 1000
MOST_COUNT: Final = 100_000
MOST_POSITIONS: Final = 12
"""Each position of BYSETPOS looks through its whole period."""

# A start further off than this is a slip of the pen, and would be counted through day by day.
_EARLIEST, _LATEST = timedelta(days=5 * 366), timedelta(days=10 * 366)
_FREQUENCIES: Final = {
    "YEARLY": YEARLY, "MONTHLY": MONTHLY, "WEEKLY": WEEKLY, "DAILY": DAILY,
    "HOURLY": HOURLY, "MINUTELY": MINUTELY, "SECONDLY": SECONDLY,
}  # fmt: skip
_WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# Part -> dateutil's name, the least and the greatest number, and whether it may count from the end.
_LISTS: Final[Mapping[str, tuple[str, int, int, bool]]] = {
    "BYSECOND": ("bysecond", 0, 59, False),
    "BYMINUTE": ("byminute", 0, 59, False),
    "BYHOUR": ("byhour", 0, 23, False),
    "BYMONTHDAY": ("bymonthday", 1, 31, True),
    "BYYEARDAY": ("byyearday", 1, 366, True),
    "BYWEEKNO": ("byweekno", 1, 53, True),
    "BYMONTH": ("bymonth", 1, 12, False),
    "BYSETPOS": ("bysetpos", 1, 366, True),
}
_BYDAY = re.compile(r"(?P<nth>[+-]?[0-9]{1,2})?(?P<day>MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_UNTIL = re.compile(r"(?P<day>[0-9]{8})(T(?P<time>[0-9]{6})(?P<utc>Z)?)?")
_END_OF_DAY = time(23, 59, 59)
# What a part needs around it, where RFC 5545 forbids it elsewhere; dateutil would read something into the rest.
_ONLY_WITH: Final[Mapping[str, frozenset[str]]] = {
    "BYYEARDAY": frozenset({"YEARLY"}),
    "BYMONTHDAY": frozenset({"DAILY", "MONTHLY", "YEARLY"}),
}
# A day's occurrence has the time of its start. Week numbers: dateutil and RFC 5545 part where a week spans two years.
_NOT_OF_DAYS: Final = ("BYSECOND", "BYMINUTE", "BYHOUR", "BYWEEKNO")
_DAYS: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})


class RecurrenceRefused(Unprocessable):
    """422: a recurrence rule that is none, is not for days, never yields, or yields without end."""

    code, title = "recurrence_refused", "Recurrence rule refused"


class UnknownTimeZone(Unprocessable):
    """422: no zone of the IANA time zone database."""

    code, title = "unknown_time_zone", "Unknown time zone"


class ClientGone(Conflict):
    """409: whom something repeats for is deleted, merged into another or on the blacklist."""

    code, title = "client_gone", "Client gone"


@dataclass(frozen=True)
class Rule:
    """A recurrence rule, read: the value of an RRULE property without its name."""

    parts: Mapping[str, str]
    """Its parts as they were written, upper-case."""

    @property
    def text(self) -> str:
        """The rule as it is stored."""
        return ";".join(f"{name}={value}" for name, value in self.parts.items())

    @property
    def frequency(self) -> str:
        """DAILY, WEEKLY and so on."""
        return self.parts["FREQ"]

    @property
    def count(self) -> int | None:
        """How many occurrences it has at most."""
        return int(self.parts["COUNT"]) if "COUNT" in self.parts else None

    def until(self, zone: ZoneInfo | None = None) -> datetime | None:
        """The last local time it reaches; the last second of a day that is given without a time.

        An end in UTC is a local time of the zone; without a zone its Z says nothing.
        """
        if "UNTIL" not in self.parts:
            return None
        found = _UNTIL.fullmatch(self.parts["UNTIL"])
        if found is None:
            raise _refused("UNTIL", "is a date or a date with a time")
        if found["time"] is None:
            return datetime.combine(datetime.strptime(found["day"], "%Y%m%d").date(), _END_OF_DAY)  # noqa: DTZ007  (local by nature)
        moment = datetime.strptime(found["day"] + found["time"], "%Y%m%d%H%M%S")  # noqa: DTZ007  (local by nature)
        if found["utc"] and zone is not None:
            return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
        return moment

    def ending_before(self, local: datetime) -> Self:
        """The same rule with nothing at or after a local time."""
        kept = {name: value for name, value in self.parts.items() if name not in {"COUNT", "UNTIL"}}
        kept["UNTIL"] = (local - timedelta(seconds=1)).strftime("%Y%m%dT%H%M%S")
        return replace(self, parts=MappingProxyType(kept))

    def without_first(self, occurrences: int) -> Self:
        """The same rule for a start after its first `occurrences`; a COUNT goes down by them."""
        if self.count is None:
            return self
        return replace(self, parts=MappingProxyType({**self.parts, "COUNT": str(max(1, self.count - occurrences))}))


def parse(raw: str) -> Rule:
    """Read a rule of any frequency. Raises RecurrenceRefused (422) for what RFC 5545 does not know or we do not bound."""
    parts: dict[str, str] = {}
    # Google Calendar is known to end a rule with a semicolon.
    for part in raw.strip().upper().removesuffix(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value:
            raise _refused("rrule", "is parts like FREQ=WEEKLY;BYDAY=MO, joined by semicolons", code="malformed_rrule")
        if name in parts:
            raise _refused(name, "stands there twice", code="malformed_rrule")
        parts[name] = value
    if "FREQ" not in parts:
        raise _refused("FREQ", "is missing", code="malformed_rrule")
    for name, value in parts.items():
        _check_part(name, value)
    if "COUNT" in parts and "UNTIL" in parts:
        raise _refused("COUNT", "and UNTIL exclude each other")
    rule = Rule(MappingProxyType(parts))
    _check_positions(rule)
    try:
        rule.until()
    except ValueError:
        raise _refused("UNTIL", "is no date") from None
    return rule


def parse_days(raw: str) -> Rule:
    """Read a rule with at most one occurrence a day, which is what jobs and invoices repeat by. Raises RecurrenceRefused (422)."""
    rule = parse(raw)
    if rule.frequency not in _DAYS:
        raise _refused("FREQ", "is DAILY, WEEKLY, MONTHLY or YEARLY here")
    for name in _NOT_OF_DAYS:
        if name in rule.parts:
            raise _refused(name, "is not supported")
    for name, frequencies in _ONLY_WITH.items():
        if name in rule.parts and rule.frequency not in frequencies:
            raise _refused(name, f"does not go with FREQ={rule.frequency}")
    if rule.frequency in {"DAILY", "WEEKLY"} and any(_BYDAY.fullmatch(one)["nth"] for one in _values(rule, "BYDAY")):  # type: ignore[index]
        raise _refused("BYDAY", f"counts no weekdays with FREQ={rule.frequency}")
    if "BYSETPOS" in rule.parts and rule.frequency == "DAILY":
        raise _refused("BYSETPOS", "does not go with FREQ=DAILY")
    if "BYSETPOS" in rule.parts and not any(name.startswith("BY") and name != "BYSETPOS" for name in rule.parts):
        raise _refused("BYSETPOS", "needs another BY part to choose from")
    return rule


def occurrences(
    rule: Rule,
    start: datetime,
    *,
    zone: ZoneInfo | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    limit: int = 1000,
) -> list[datetime]:
    """The local times of a rule that starts at a local time, from `since` on and before `before`, at most `limit`.

    The start itself is one of them only if the rule says so. Nothing within PATIENCE is the end of the rule. Raises
    RecurrenceRefused (422) when more than MOST_STEPS lie between the start and what is asked for.
    """
    found: list[datetime] = []
    if limit < 1:
        return found
    for steps, local in enumerate(_expand(rule, start, zone)):
        if before is not None and local >= before:
            break
        if steps >= MOST_STEPS:
            raise _refused("rrule", "has too many occurrences", code="rrule_explodes")
        if since is None or local >= since:
            found.append(local)
            if len(found) == limit:
                break
    return found


def first(rule: Rule, start: datetime, *, zone: ZoneInfo | None = None, since: datetime | None = None) -> datetime | None:
    """The first local time of a rule from `since` on, or None where it has ended."""
    return next(iter(occurrences(rule, start, zone=zone, since=since, limit=1)), None)


def wrong_start(pointer: str, start: datetime, now: datetime) -> FieldError | None:
    """The error of a start that is too far from now, both local times; None where it may begin then."""
    if now - _EARLIEST <= start <= now + _LATEST:
        return None
    return FieldError(pointer, "too_far", "more than five years ago, or more than ten years from now")


def to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """The moment of a local time: one that clocks skip is as much later, of one that comes twice it is the first."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def to_local(moment: datetime, zone: ZoneInfo) -> datetime:
    """What clocks of a zone show at a moment."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def zone_named(name: str) -> ZoneInfo:
    """A time zone by its IANA name. Raises UnknownTimeZone (422)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pointer = FieldError("#/time_zone", "unknown_time_zone", "not a time zone such as America/New_York")
        raise UnknownTimeZone("There is no such time zone.", errors=[pointer]) from None


class _GaveUp(Exception):  # noqa: N818  (how an expansion ends, no error)
    """No occurrence for PATIENCE steps."""


class _Bounded(rrule):
    """dateutil's rule, which gives up in good time.

    Its iterator turns to `_byeaster` (Easter is none of RFC 5545's parts and never set) once for every month or year it
    goes on to: the one place from which a search that finds nothing can be ended.
    """

    steps = 0
    patience = PATIENCE

    @property
    def _byeaster(self) -> None:
        self.steps += 1
        if self.steps > self.patience:
            raise _GaveUp

    @_byeaster.setter
    def _byeaster(self, value: None) -> None:
        pass


def _expand(rule: Rule, start: datetime, zone: ZoneInfo | None) -> Iterator[datetime]:
    try:
        expanding = _Bounded(**_arguments(rule, start, zone))
        expanding.patience = YEARS_PATIENCE if rule.frequency == "YEARLY" else PATIENCE
        for local in expanding:
            expanding.steps = 0
            yield local
    except (ValueError, OverflowError):
        # dateutil's word for parts that exclude each other, and the calendar's for its end.
        return
    except _GaveUp:
        return


def _arguments(rule: Rule, start: datetime, zone: ZoneInfo | None) -> dict[str, Any]:
    given: dict[str, Any] = {
        "freq": _FREQUENCIES[rule.frequency],
        "dtstart": start,
        "interval": int(rule.parts.get("INTERVAL", 1)),
        "wkst": _WEEKDAYS.index(rule.parts.get("WKST", "MO")),
        "count": rule.count,
        "until": rule.until(zone),
    }
    for name, (theirs, *_) in _LISTS.items():
        if name in rule.parts:
            given[theirs] = [int(one) for one in _values(rule, name)]
    if "BYDAY" in rule.parts:
        given["byweekday"] = [_weekday(one) for one in _values(rule, "BYDAY")]
    return given


def _weekday(value: str) -> Any:
    found = _BYDAY.fullmatch(value)
    assert found is not None
    day = weekdays[_WEEKDAYS.index(found["day"])]
    return day(int(found["nth"])) if found["nth"] else day


def _values(rule: Rule, name: str) -> list[str]:
    return rule.parts[name].split(",") if name in rule.parts else []


def _check_positions(rule: Rule) -> None:
    positions = [abs(int(one)) for one in _values(rule, "BYSETPOS")]
    if len(positions) > MOST_POSITIONS:
        raise _refused("BYSETPOS", f"takes {MOST_POSITIONS} positions at most")
    within = {"HOURLY": ("BYMINUTE", "BYSECOND"), "MINUTELY": ("BYSECOND",), "SECONDLY": ()}.get(rule.frequency)
    # A second has one second: looking for its second one would take a step for each.
    if positions and within is not None and min(positions) > math.prod(max(1, len(_values(rule, name))) for name in within):
        raise _refused("BYSETPOS", f"chooses from more than there is in FREQ={rule.frequency}")


def _check_part(name: str, value: str) -> None:
    checks: Mapping[str, Callable[[str], bool]] = {
        "FREQ": lambda one: one in _FREQUENCIES,
        "WKST": lambda one: one in _WEEKDAYS,
        "INTERVAL": lambda one: _is_number(one, 1, MOST_INTERVAL),
        "COUNT": lambda one: _is_number(one, 1, MOST_COUNT),
        "UNTIL": lambda one: _UNTIL.fullmatch(one) is not None,
        "BYDAY": lambda one: all(map(_is_weekday, one.split(","))),
    }
    if name in _LISTS:
        _, least, greatest, backwards = _LISTS[name]
        right = all(_is_listed(one, least, greatest, backwards=backwards) for one in value.split(","))
    elif name in checks:
        right = checks[name](value)
    else:
        raise _refused(name[:40], "is no part of a rule", code="malformed_rrule")
    if not right:
        raise _refused(name, "has no such value")


def _is_number(value: str, least: int, greatest: int) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 6 and least <= int(value) <= greatest  # noqa: PLR2004  (digits of MOST_COUNT)


def _is_listed(value: str, least: int, greatest: int, *, backwards: bool) -> bool:
    if not _NUMBER.fullmatch(value):
        return False
    number = int(value)
    return least <= (abs(number) if backwards else number) <= greatest


def _is_weekday(value: str) -> bool:
    found = _BYDAY.fullmatch(value)
    return found is not None and (found["nth"] is None or 1 <= abs(int(found["nth"])) <= 53)  # noqa: PLR2004  (weeks of a year)


def _refused(part: str, message: str, *, code: str = "unsupported_rrule") -> RecurrenceRefused:
    said = f"{part} {message}"
    return RecurrenceRefused("The recurrence rule is refused.", errors=[FieldError("#/rrule", code, said)])
