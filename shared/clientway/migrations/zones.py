"""What the clocks of every time zone show, told to the database.

A zone that somebody chose is never PostgreSQL's business (design 2, decision 14): it may know it otherwise than Python does, or
not at all. But what day it is for a tenant is asked in the very statement that first learns who the tenant is.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from clientway.moments import clock_change, rfc3339, time_zones

_BEHIND, _AHEAD = 1, 11
"""Years. Whoever does not deploy for longer has the clocks stay as they are then."""
# No place puts its clocks twice within as long; what comes nearest is a summer time that pauses for Ramadan.
_STEP: Final = timedelta(days=14)

_WRITE: Final = text("""
with told as materialized (
  select z.zone, z.since, z.east from jsonb_to_recordset(cast(:told as jsonb)) as z(zone text, since timestamptz, east integer)),
gone as (delete from app.zone_offsets z where not exists (select from told t where t.zone = z.zone and t.since = z.since))
insert into app.zone_offsets as z (zone, since, east) select t.zone, t.since, t.east from told t
on conflict (zone, since) do update set east = excluded.east where z.east <> excluded.east
""")


def write(connection: Connection) -> None:
    """Have `app.zone_offsets` be what Python's time zone database says today; what is so already stays untouched."""
    connection.exec_driver_sql("set local role clientway_owner")
    connection.execute(_WRITE, {"told": _told(datetime.now(UTC).year)})


@lru_cache(maxsize=1)
def _told(year: int) -> str:
    return json.dumps([line for name in sorted(time_zones()) for line in _offsets(name, year)])


def _offsets(name: str, year: int) -> Iterator[dict[str, str | int]]:
    place = ZoneInfo(name)
    moment, last = (datetime(then, 1, 1, tzinfo=UTC) for then in (year - _BEHIND, year + _AHEAD))
    shown = _east(moment, place)
    yield {"zone": name, "since": "-infinity", "east": shown}
    while moment < last:
        following = moment + _STEP
        if (east := _east(following, place)) != shown:
            shown = east
            yield {"zone": name, "since": rfc3339(clock_change(moment, following, place)), "east": east}
        moment = following


def _east(moment: datetime, place: ZoneInfo) -> int:
    """Seconds east of UTC; a zone always has an offset."""
    return int((moment.astimezone(place).utcoffset() or timedelta()).total_seconds())
