"""Moments are written in one way, PostgreSQL's, so that two answers never spell one in two. Clocks: which there are, when they change."""

from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

# Files beside the zones: what this machine is set to, and a stand-in for a zone nobody has chosen yet.
_NO_PLACE: Final = {"Factory", "localtime"}


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC as PostgreSQL's to_json writes it: an offset in place of "Z", no zeros at the end of a fraction.

    `moment` is aware and in UTC. isoformat() alone writes .123450 for PostgreSQL's .12345, which comes about one time in ten.
    """
    text = moment.isoformat()
    head, point, fraction = text.partition(".")
    return f"{head}.{fraction[:6].rstrip('0')}{fraction[6:]}" if point else text


@lru_cache(maxsize=1)
def time_zones() -> frozenset[str]:
    """The names that a time zone may have."""
    return frozenset(available_timezones() - _NO_PLACE)


def clock_change(low: datetime, high: datetime, place: tzinfo) -> datetime:
    """The first whole second at which the clock of a place has been put forward or back, of two moments in UTC between which it is."""
    before = low.astimezone(place).utcoffset()
    lower, upper = 0, int((high - low).total_seconds())
    while upper - lower > 1:
        middle = (lower + upper) // 2
        if (low + timedelta(seconds=middle)).astimezone(place).utcoffset() == before:
            lower = middle
        else:
            upper = middle
    return low + timedelta(seconds=upper)
