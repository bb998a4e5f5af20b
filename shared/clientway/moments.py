"""Moments: written in one way, PostgreSQL's, so that two answers never spell one in two; and when a clock is put forward or back."""

from datetime import datetime, timedelta, tzinfo


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC as PostgreSQL's to_json writes it: an offset in place of "Z", no zeros at the end of a fraction.

    `moment` is aware and in UTC. isoformat() alone writes .123450 for PostgreSQL's .12345, which comes about one time in ten.
    """
    text = moment.isoformat()
    head, point, fraction = text.partition(".")
    return f"{head}.{fraction[:6].rstrip('0')}{fraction[6:]}" if point else text


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
