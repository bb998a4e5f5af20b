"""When it is the hour of invoices where a tenant is.

Told to the database as offsets: a time zone that somebody chose is never its business (design 2, decision 14).
"""

import json
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from clientway.work.reminders import rules

_BEHIND, _AHEAD = 2, 11
"""Years. An invoice is due within ten (billing.invoices.rules.FURTHEST); beyond, the nearest offset known counts."""

# Of `:nine`, which `offsets` makes.
NINE: Final = """nine as materialized (
  select n.day, n.east from jsonb_to_recordset(cast(:nine as jsonb)) as n(day date, east integer))"""


def moment(day: str) -> str:
    """The SQL of the invoice hour on a local day, where `NINE` is at hand."""
    offset = f"(select n.east from nine n where n.day <= {day} order by n.day desc limit 1)"
    return f"(({day} + time '{rules.INVOICE_HOUR.isoformat()}') at time zone 'UTC' - {offset} * interval '1 second')"


def hour_on(day: date, zone: str) -> datetime:
    """The invoice hour on a local day: one that the clocks skip is as much later, of one that comes twice it is the first."""
    return datetime.combine(day, rules.INVOICE_HOUR, _place(zone)).astimezone(UTC)


def offsets(zone: str, now: datetime) -> str:
    """How many seconds east of UTC a zone is at the invoice hour: JSON of the days from which on that is so."""
    return _offsets(zone, now.year)


@lru_cache(maxsize=128)
def _offsets(zone: str, year: int) -> str:
    place = _place(zone)
    day, last = (datetime.combine(date(then, 1, 1), rules.INVOICE_HOUR, place) for then in (year - _BEHIND, year + _AHEAD + 1))
    found = [{"day": "-infinity", "east": _east(day)}]
    while day < last:
        if (east := _east(day)) != found[-1]["east"]:
            found.append({"day": day.date().isoformat(), "east": east})
        day += timedelta(days=1)
    return json.dumps(found)


def _east(moment: datetime) -> int:
    offset = moment.utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _place(zone: str) -> tzinfo:
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        # A zone that the time zone database of this machine has no longer: a reminder a few hours off is better than none.
        return UTC
