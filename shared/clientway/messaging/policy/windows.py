"""Hours of the day in which messages go, by the clock on the recipient's wall. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Final

SATURDAY, SUNDAY = 5, 6
Span = tuple[time, time]


@dataclass(frozen=True, slots=True)
class Window:
    """From `opens` until before `closes`; over midnight where it closes earlier than it opens, all day where both are one.

    `other_days` has what differs by weekday, None for a day without any; `holidays`: whether it opens on federal ones.
    """

    opens: time
    closes: time
    other_days: tuple[tuple[int, Span | None], ...] = ()
    holidays: bool = True

    def admits(self, day: date, at: time) -> bool:
        """Whether a message may go then."""
        span = self._span(day)
        if span is None:
            return False
        opens, closes = span
        return opens <= at < closes if opens < closes else at >= opens or at < closes

    def starts(self, day: date) -> Iterator[time]:
        """The times of that day at which it may become open."""
        span = self._span(day)
        if span is not None:
            yield span[0]
            if span[0] >= span[1]:
                yield time()

    def _span(self, day: date) -> Span | None:
        if not self.holidays and day in _holidays(day.year):
            return None
        for weekday, span in self.other_days:
            if weekday == day.weekday():
                return span
        return self.opens, self.closes


# Month, weekday and which of them; minus one is the last.
_NTH: Final = ((1, 0, 3), (2, 0, 3), (5, 0, -1), (9, 0, 1), (10, 0, 2), (11, 3, 4))
_FIXED: Final = ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    """The federal holidays (5 U.S.C. 6103): both the day and the one on which it is observed."""
    found = {_nth(year, *rule) for rule in _NTH}
    for one in (*(date(year, *day) for day in _FIXED), date(year + 1, 1, 1)):
        shift = {SATURDAY: -1, SUNDAY: 1}.get(one.weekday(), 0)
        found |= {one, one + timedelta(days=shift)}
    return frozenset(found)


def _nth(year: int, month: int, weekday: int, which: int) -> date:
    if which < 0:
        last = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))
