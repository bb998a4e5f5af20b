"""The schedule of series: jobs are made as their time comes nearer, tenant by tenant."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Unprocessable
from clientway.moments import rfc3339
from clientway.rounds import go_round
from clientway.work.jobs import queries as work
from clientway.work.jobs.queries import NewJob, Span
from clientway.work.series import jobs, queries
from clientway.work.series.expansion import expand
from clientway.work.series.plan import HORIZON
from clientway.work.series.queries import Due

CHUNK = 25
"""Series in one transaction: at most 60 jobs each."""
STUCK = "cannot go on: "


def materialize(tx: Tx) -> int:
    """Make the jobs of the next weeks for some of the tenant's series; returns of how many, CHUNK as long as more may wait.

    Made again they are the same: a series' occurrence has one job. A series whose client is gone ends, with the reason.
    """
    due = queries.claim(tx, tx.now + HORIZON, CHUNK)
    if not due:
        return 0
    wanted: list[NewJob] = []
    progress: list[dict[str, Any]] = []
    for one in due:
        rows, row = _next(one, tx.now)
        wanted += rows
        progress.append(row)
    made = {*jobs.make(tx, _placed(tx, wanted, {UUID(one.row["id"]) for one in due if one.row["overlap_forced"]})).ids}
    queries.advance(tx, progress)
    for one, row in zip(due, progress, strict=True):
        _tell(tx, one, row, [str(new.id) for new in wanted if str(new.series_id) == row["id"] and str(new.id) in made])
    return len(due)


def materialize_all(tenants: list[UUID], transaction: Callable[[UUID], Any], *, until: Callable[[], bool]) -> int:
    """Go round the tenants, a chunk each, until nobody has anything left or `until` says stop; returns the series done.

    A tenant whose chunk fails is left for the next run and keeps nobody else waiting; all failures are raised at the end.
    """
    return go_round(tenants, transaction, materialize, batch=CHUNK, until=until, failed="jobs were not made for every tenant")


def _next(one: Due, now: datetime) -> tuple[list[NewJob], dict[str, Any]]:
    """The jobs of a series that are due, and how far it has come with them."""
    reason = one.row["status_reason"]
    kept = {"id": one.row["id"], "status": "active", "status_reason": None if (reason or "").startswith(STUCK) else reason}
    if one.gone:
        return [], {**kept, "status": "ended", "status_reason": f"client {one.gone}", "next_local": None, "materialized_until": None}
    try:
        ahead = expand(one.row, now, since=datetime.fromisoformat(one.row["next_local"]))
    except Unprocessable as refused:
        # A rule or a time zone that was known when it was written and is no longer, on this machine: the next day's run tries again.
        waits = {"next_local": one.row["next_local"], "materialized_until": rfc3339(now + HORIZON)}
        return [], {**kept, **waits, "status_reason": f"{STUCK}{refused.detail}"}
    # Somebody who is no longer there is not sent: the job waits for whoever takes it. Nor is anybody sent where the client no longer is.
    series = {**one.row, **{name: str(found) if (found := getattr(one, name)) else None for name in ("assignee_id", "address_id")}}
    rows = jobs.new(series, one.terms, ahead.occurrences, busy=[])
    return rows, {**kept, **ahead.progress(len(ahead.occurrences))}


def _placed(tx: Tx, rows: list[NewJob], forced: set[UUID | None]) -> list[NewJob]:
    """The jobs as they can be where their assignee is elsewhere; `forced` are the series that go there all the same."""
    spans = {row.id: Span(assignee_id=row.assignee_id, start_at=row.start_at, end_at=row.end_at) for row in rows if row.assignee_id}
    ids = list(spans)
    taken = {ids[number] for number in work.busy(tx, list(spans.values()))}
    return [jobs.placed(row, taken=row.id in taken and row.status == "scheduled", forced=row.series_id in forced) for row in rows]


def _tell(tx: Tx, one: Due, row: dict[str, Any], made: list[str]) -> None:
    series_id = UUID(one.row["id"])
    if row["status"] == "ended":
        effects.audit(tx, "job_series.ended", "job_series", series_id, {"reason": row["status_reason"]})
    if made:
        effects.audit(tx, "job_series.materialized", "job_series", series_id, {"jobs": len(made), "next_local": row["next_local"]})
        whose = {name: one.row[name] for name in ("organization_id", "contact_id")}
        effects.publish(tx, "job_series.materialized", {**whose, "series_id": series_id, "job_ids": made})
