"""The jobs of a series: made, moved and canceled together, a statement for each kind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from clientway import db
from clientway.db import SerializationConflict, Tx
from clientway.ids import uuid7
from clientway.moments import rfc3339
from clientway.work.jobs import queries
from clientway.work.jobs.queries import NewJob, Span
from clientway.work.series.plan import OVERLAP, UNSCHEDULED, Existing, Occurrence, Plan, crossing
from clientway.work.series.queries import Row, Terms

# What a change of a series writes to the jobs that follow it: a column of the series -> one of the job.
_CONTENT = ("title", "notes", "price_cents", "service_id", "address_id", "assignee_id")
_WRITTEN = (
  "id", "series_id", "occurrence_local", "start_at", "end_at", "time_zone", *_CONTENT, "overlap_forced", "status", "status_reason",
  "canceled_at", "detached",
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """Jobs that were made, and those of them and of others that their assignee has no time for."""

    ids: list[str] = field(default_factory=list)
    scheduled: int = 0
    overlapping: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Done:
    """What became of a series' jobs."""

    made: Made
    moved: list[str]
    canceled: list[str]


def new(series: Row, terms: Terms, occurrences: Sequence[Occurrence], *, busy: Iterable[int]) -> list[NewJob]:
    """Jobs of a series for occurrences, of which those numbered in `busy` find their assignee elsewhere."""
    taken = {*busy, *crossing(occurrences)} if series["assignee_id"] else set()
    rows = [
        NewJob(
            id=uuid7(),
            organization_id=UUID(series["organization_id"]),
            contact_id=UUID(series["contact_id"]),
            title=terms.title,
            start_at=one.start_at,
            end_at=one.end_at,
            time_zone=series["time_zone"],
            currency=series["currency"],
            service_id=_id(series["service_id"]),
            address_id=_id(series["address_id"]),
            assignee_id=_id(series["assignee_id"]),
            series_id=UUID(series["id"]),
            occurrence_local=one.local,
            price_cents=terms.price_cents,
            notes=series["notes"],
        )
        for one in occurrences
    ]
    return [placed(row, taken=number in taken, forced=series["overlap_forced"]) for number, row in enumerate(rows)]


def placed(row: NewJob, *, taken: bool, forced: bool) -> NewJob:
    """A job as it can be when its assignee is elsewhere: blocked, or there all the same."""
    if not taken:
        return row
    return replace(row, overlap_forced=True) if forced else _blocked(row)


def make(tx: Tx, rows: Sequence[NewJob]) -> Made:
    """Insert jobs with their reminders; what has become impossible this moment is blocked, what was made before is left."""
    inserted = {*queries.insert(tx, rows)}
    left = [row for row in rows if row.id not in inserted and row.status == "scheduled"]
    blocked = [_blocked(row) for row in left]
    late = {*queries.insert(tx, blocked)}
    written = [row for row in rows if row.id in inserted] + [row for row in blocked if row.id in late]
    return Made(
        ids=[str(row.id) for row in written],
        scheduled=sum(row.status == "scheduled" for row in written),
        overlapping=[_shown(vars(row)) for row in written if row.status == "blocked"],
    )


def carry_out(tx: Tx, plan: Plan, series: Row, terms: Terms, *, changed: set[str], instead: Row, most: int) -> Done:
    """Write what a plan says: `changed` are the columns of the series that the jobs are to take over, `most` how many are made.

    Those that are made have `instead` in place of what the series has; the others stay with whom and where they are.
    """
    wanted = plan.create[:most]
    targets = [one for _, one in plan.follow] + list(wanted)
    busy = _busy(tx, series, plan, targets)
    content = _content(series, terms, changed)
    changes = [_followed(job, one, series, content, taken=number in busy) for number, (job, one) in enumerate(plan.follow)]
    changes += [_stayed(job, one, series) for job, one in plan.stay]
    moved = [change for change in changes if change is not None]
    canceled = [_canceled(job, tx.now, UNSCHEDULED) for job in plan.cancel]
    _write(tx, [*moved, *canceled], {job.id: job for job in (*(job for job, _ in plan.follow), *plan.cancel)})
    taken = [number - len(plan.follow) for number in busy if number >= len(plan.follow) and "assignee_id" not in instead]
    made = make(tx, new({**series, **instead}, terms, wanted, busy=taken))
    blocked = [_shown(change) for change in moved if (change["status"], change["status_reason"]) == ("blocked", OVERLAP)]
    followed = {job.id for job, _ in plan.follow}
    overlapping = sorted([*blocked, *made.overlapping], key=lambda one: one["start_at"])
    return Done(
        Made(made.ids, made.scheduled, overlapping),
        moved=[change["id"] for change in moved if change["id"] in followed],
        canceled=[change["id"] for change in canceled],
    )


def cancel(tx: Tx, jobs: Sequence[Existing], reason: str) -> list[str]:
    """Cancel jobs, with their reminders. Returns their ids."""
    return [str(one) for one in queries.update(tx, [_canceled(job, tx.now, reason) for job in jobs])]


def _busy(tx: Tx, series: Row, plan: Plan, targets: Sequence[Occurrence]) -> set[int]:
    """The numbers of the targets at which the assignee is elsewhere; where the jobs of the plan are now is no matter."""
    assignee_id = _id(series["assignee_id"])
    if assignee_id is None:
        return set()
    leaving = {job.id for job, _ in plan.follow} | {job.id for job in plan.cancel}
    spans = [Span(assignee_id=assignee_id, start_at=one.start_at, end_at=one.end_at) for one in targets]
    found = {number for number, others in queries.busy(tx, spans).items() if any(str(other["id"]) not in leaving for other in others)}
    return found | crossing(targets)


def _content(series: Row, terms: Terms, changed: set[str]) -> dict[str, Any]:
    effective = {**{name: series[name] for name in _CONTENT}, "title": terms.title, "price_cents": terms.price_cents}
    # What the series leaves to its service changes with the service.
    left = {name for name in ("title", "price_cents") if series[name] is None} if "service_id" in changed else set()
    return {name: effective[name] for name in _CONTENT if name in changed or name in left}


def _followed(job: Existing, one: Occurrence, series: Row, content: Row, *, taken: bool) -> dict[str, Any] | None:
    forced = series["overlap_forced"]
    blocked = taken and not forced
    status = {"status": "blocked" if blocked else "scheduled", "status_reason": OVERLAP if blocked else None, "canceled_at": None}
    times = {"start_at": one.start_at, "end_at": one.end_at, "time_zone": series["time_zone"]}
    whose = {"series_id": series["id"], "occurrence_local": one.local, "detached": False, "overlap_forced": taken and forced}
    return _changed(job, {**content, **status, **times, **whose})


def _stayed(job: Existing, one: Occurrence, series: Row) -> dict[str, Any] | None:
    return _changed(job, {"series_id": series["id"], "occurrence_local": one.local})


def _canceled(job: Existing, now: datetime, reason: str) -> dict[str, Any]:
    return {**_row(job), "status": "canceled", "status_reason": reason, "canceled_at": now}


def _changed(job: Existing, change: Mapping[str, Any]) -> dict[str, Any] | None:
    """The row as it is to be, or None if that is what it is."""
    before, after = _row(job), {**_row(job), **change}
    return after if any(_value(name, before[name]) != _value(name, after[name]) for name in _WRITTEN) else None


def _row(job: Existing) -> dict[str, Any]:
    return {name: job.row[name] for name in _WRITTEN}


def _value(name: str, value: Any) -> Any:
    return (
        datetime.fromisoformat(value)
        if isinstance(value, str) and name in {"start_at", "end_at", "canceled_at", "occurrence_local"}
        else value
    )


def _write(tx: Tx, changes: Sequence[Mapping[str, Any]], jobs: Mapping[str, Existing]) -> None:
    if _in_each_others_way(changes, jobs):
        # Row by row one may come to where another still is: first they all step aside.
        queries.update(tx, [{"id": one, "status": "blocked"} for one, job in jobs.items() if job.row["status"] == "scheduled"])
    try:
        queries.update(tx, changes)
    except DBAPIError as error:
        if db.sqlstate(error) != "23P01":
            raise
        raise SerializationConflict("Somebody booked the assignee at this moment; try again.", headers={"Retry-After": "1"}) from error


def _in_each_others_way(changes: Sequence[Mapping[str, Any]], jobs: Mapping[str, Existing]) -> bool:
    standing = sorted(
        (_moment(job.row["start_at"]), _moment(job.row["end_at"]), one) for one, job in jobs.items() if job.row["status"] == "scheduled"
    )
    going = [(_moment(one["start_at"]), _moment(one["end_at"]), one["id"]) for one in changes if one["status"] == "scheduled"]
    return any(
        begin < other_end and other_begin < end and one != other for begin, end, one in going for other_begin, other_end, other in standing
    )


def _blocked(row: NewJob) -> NewJob:
    return replace(row, status="blocked", status_reason=OVERLAP)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {"id": str(row["id"]), "status": row["status"], "detached": row.get("detached", False)}
    times = {name: rfc3339(_moment(row[name])) for name in ("occurrence_local", "start_at", "end_at")}
    return {**found, **times}


def _moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _id(value: str | None) -> UUID | None:
    return UUID(value) if value else None
