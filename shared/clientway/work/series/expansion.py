"""A series' rule, its zone and its exceptions, as the times of the jobs to come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from clientway.moments import rfc3339
from clientway.recurrence import first, occurrences, parse_days, to_local, to_utc, zone_named
from clientway.work.series.plan import HORIZON, Occurrence
from clientway.work.series.queries import Row


@dataclass(frozen=True)
class Expansion:
    """The occurrences of a series up to the horizon, and the first beyond it."""

    occurrences: list[Occurrence]
    beyond: datetime | None
    zone: ZoneInfo
    until: datetime

    def progress(self, most: int, wanted: Sequence[datetime] | None = None) -> dict[str, Any]:
        """How far the series has come when the first `most` of the wanted occurrences (all, when left out) have their jobs."""
        waiting = [one.local for one in self.occurrences] if wanted is None else list(wanted)
        following = waiting[most] if len(waiting) > most else self.beyond
        return {
            "next_local": following.isoformat() if following else None,
            "materialized_until": rfc3339(to_utc(following, self.zone)) if following else None,
        }


def expand(series: Row, now: datetime, *, since: datetime | None = None) -> Expansion:
    """The occurrences of a series from now (or a later local time) on; `series` is its row, its duration may be open still.

    Raises RecurrenceRefused, UnknownTimeZone (422) for a row that says neither.
    """
    zone, rule, start = zone_of(series), parse_days(series["rrule"]), datetime.fromisoformat(series["starts_local"])
    excluded = {datetime.fromisoformat(one) for one in series["excluded_local"]}
    begins = max(to_local(now, zone), since or datetime.min)  # noqa: DTZ901  (a local time)
    until = now + HORIZON
    horizon = to_local(until, zone)
    lasts = timedelta(minutes=series["duration_minutes"] or 60)
    found = [
        Occurrence(local, to_utc(local, zone), to_utc(local, zone) + lasts)
        for local in occurrences(rule, start, zone=zone, since=begins, before=horizon)
        if local not in excluded
    ]
    return Expansion(found, first(rule, start, zone=zone, since=max(begins, horizon)), zone, until)


def zone_of(series: Row) -> ZoneInfo:
    """The time zone of a series. Raises UnknownTimeZone (422) for one that this machine does not know any more."""
    return zone_named(series["time_zone"])
