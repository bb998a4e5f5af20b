"""What becomes of a series' jobs when its rule or its times change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

OVERLAP: Final = "overlap"
"""The reason of a job that is blocked because its assignee is elsewhere."""
UNSCHEDULED: Final = "series changed"
"""The reason of a job that was canceled because the rule names its day no longer; it comes back when the rule does so again."""
ENDED: Final = "series ended"

HORIZON: Final = timedelta(days=60)
"""How far ahead jobs are made."""
MOST_AT_ONCE: Final = 50
"""How many jobs a request makes; the schedule makes the rest."""


@dataclass(frozen=True)
class Occurrence:
    """One time of a rule."""

    local: datetime
    start_at: datetime
    end_at: datetime


@dataclass(frozen=True)
class Existing:
    """A job of the series, as its row is."""

    row: Mapping[str, Any]
    passed: bool
    """Whether it should have begun by now."""

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row["id"])

    @property
    def local(self) -> datetime:
        """Which occurrence it is."""
        return datetime.fromisoformat(self.row["occurrence_local"])

    def follows(self, *, include_detached: bool) -> bool:
        """Whether it goes where the series goes: nobody has canceled, begun or changed it by hand."""
        status, reason = self.row["status"], self.row["status_reason"]
        if self.passed or (self.row["detached"] and not include_detached):
            return False
        return status == "scheduled" or (status, reason) in {("blocked", OVERLAP), ("canceled", UNSCHEDULED)}


@dataclass(frozen=True)
class Plan:
    """Which job takes which occurrence."""

    follow: Sequence[tuple[Existing, Occurrence]]
    """Jobs that go where their occurrence is."""
    stay: Sequence[tuple[Existing, Occurrence]]
    """Jobs that hold their occurrence as they are."""
    cancel: Sequence[Existing]
    """Jobs whose occurrence is no more."""
    create: Sequence[Occurrence]
    """Occurrences that no job stands for."""


def replan(jobs: Iterable[Existing], occurrences: Sequence[Occurrence], *, include_detached: bool) -> Plan:
    """Give each occurrence its job: the one that has its local time already, or the one of its day.

    A job that was canceled, begun or changed by hand keeps the occurrence of its day from being made anew. An occurrence is
    alone on its day.
    """
    waiting = sorted(jobs, key=lambda job: (job.follows(include_detached=include_detached), job.local, job.id))
    taken: dict[datetime, Existing] = {}
    for same in (_by_time, _by_day):
        free = {same(one.local): one.local for one in occurrences if one.local not in taken}
        left = []
        for job in waiting:
            local = free.pop(same(job.local), None)
            if local is None:
                left.append(job)
            else:
                taken[local] = job
        waiting = left
    pairs = [(taken[one.local], one) for one in occurrences if one.local in taken]
    return Plan(
        follow=[pair for pair in pairs if pair[0].follows(include_detached=include_detached)],
        stay=[pair for pair in pairs if not pair[0].follows(include_detached=include_detached)],
        cancel=[job for job in waiting if job.follows(include_detached=include_detached) and job.row["status"] != "canceled"],
        create=[one for one in occurrences if one.local not in taken],
    )


def crossing(spans: Sequence[Occurrence]) -> set[int]:
    """The numbers of the spans that begin while an earlier one that has its place lasts."""
    found: set[int] = set()
    end: datetime | None = None
    for number, span in sorted(enumerate(spans), key=lambda one: one[1].start_at):
        if end is not None and span.start_at < end:
            found.add(number)
        else:
            end = span.end_at
    return found


def _by_time(local: datetime) -> datetime:
    return local


def _by_day(local: datetime) -> date:
    return local.date()
