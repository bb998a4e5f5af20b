"""How a moment is written: one way, PostgreSQL's, so that two answers never spell one moment in two."""

from datetime import datetime


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC as PostgreSQL's to_json writes it: an offset in place of "Z", no zeros at the end of a fraction.

    `moment` is aware and in UTC. isoformat() alone writes .123450 for PostgreSQL's .12345, which comes about one time in ten.
    """
    text = moment.isoformat()
    head, point, fraction = text.partition(".")
    return f"{head}.{fraction[:6].rstrip('0')}{fraction[6:]}" if point else text
