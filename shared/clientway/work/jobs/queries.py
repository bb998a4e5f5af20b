"""Jobs in the database. Whatever writes jobs writes their reminders in the same statement."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.moments import rfc3339
from clientway.work.reminders import planning


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """A row of jobs to come."""

    id: UUID
    organization_id: UUID
    contact_id: UUID
    title: str
    start_at: datetime
    end_at: datetime
    time_zone: str
    currency: str
    service_id: UUID | None = None
    address_id: UUID | None = None
    assignee_id: UUID | None = None
    series_id: UUID | None = None
    occurrence_local: datetime | None = None
    status: str = "scheduled"
    status_reason: str | None = None
    price_cents: int = 0
    notes: str | None = None
    overlap_forced: bool = False


_NAMES = tuple(field.name for field in fields(NewJob))
# A contact for whom a job stands is a client.
_ACTIVATED = """activated as (
  update contacts c set status = 'active', version = c.version + 1, updated_at = :now
   where c.tenant_id = app.tenant() and c.status = 'lead' and c.id in (select w.contact_id from written w)
  returning c.id)"""
_INSERT = text(f"""
with given as (select * from jsonb_populate_recordset(null::jobs, cast(:jobs as jsonb))),
-- First the contacts that are going to become active, then whose time it takes, as a booking does (people.hold, app.busy): two that
-- only met in the constraint would wait for one another.
leads as materialized (
  select c.id from contacts c
   where c.tenant_id = app.tenant() and c.status = 'lead' and c.id in (select g.contact_id from given g) order by c.id for no key update),
held as materialized (
  select r.id from reps r
   where r.tenant_id = app.tenant() and r.id in (select g.assignee_id from given g) and (select count(*) from leads) >= 0
   order by r.id for no key update),
written as (
  insert into jobs ({", ".join(_NAMES)}, created_at, updated_at)
  select {", ".join(f"g.{name}" for name in _NAMES)}, :now, :now
    from given g where (select count(*) from held) >= 0
  on conflict do nothing returning *),
{planning.PLANNED},
{_ACTIVATED}
select w.id from written w order by w.start_at, w.id
""")


def insert(tx: Tx, rows: Sequence[NewJob]) -> list[UUID]:
    """Insert jobs with their reminders, in one statement; their contacts become active. Returns the ids of those inserted.

    A job is left out, without an error, when its series already has its occurrence, or when its assignee is elsewhere at
    that time and neither job is forced. Whether a forced one is in the way, `busy` knows.
    """
    if not rows:
        return []
    given = {"jobs": as_json([asdict(row) for row in rows]), **planning.parameters(tx)}
    return list(tx.execute(_INSERT, given).scalars())


def update(tx: Tx, changes: Sequence[Mapping[str, Any]]) -> list[UUID]:
    """Write changed columns of jobs, with what becomes of their reminders, in one statement. Returns the ids changed.

    Each change names its `id` and, all of them, the same columns. Raises sqlalchemy's DatabaseError (23P01) where an
    assignee would be at two places.
    """
    if not changes:
        return []
    names = [name for name in changes[0] if name != "id"]
    assignments = "".join(f"{name} = g.{name}, " for name in names)
    statement = f"""
with written as (
  update jobs j set {assignments} version = j.version + 1, updated_at = :now
    from jsonb_populate_recordset(null::jobs, cast(:jobs as jsonb)) g
   where j.tenant_id = app.tenant() and j.id = g.id returning j.*),
{planning.CALLED_OFF},
{planning.PLANNED}
select w.id from written w"""
    given = {"jobs": as_json(changes), **planning.parameters(tx)}
    return list(tx.execute(text(statement), given).scalars())


@dataclass(frozen=True, kw_only=True)
class Span:
    """Somebody's time, wanted for a job; `job_id` is the one that may stand there already."""

    assignee_id: UUID
    start_at: datetime
    end_at: datetime
    job_id: UUID | None = None


_BUSY = text("""
select s.n, jsonb_agg(jsonb_build_object('id', b.job_id, 'title', b.title, 'start_at', b.start_at, 'end_at', b.end_at)
                      order by b.start_at) as jobs
  from jsonb_to_recordset(cast(:spans as jsonb)) as s(
    n integer, assignee_id uuid, start_at timestamptz, end_at timestamptz, job_id uuid)
 cross join lateral app.busy(s.assignee_id, s.start_at, s.end_at, s.job_id) b
 group by s.n
""")


def busy(tx: Tx, spans: Sequence[Span]) -> dict[int, list[dict[str, Any]]]:
    """What stands in the way of each span, by its number in the sequence; a span that nothing stands in the way of is not there.

    The assignees are locked until the end of the transaction, so that what is free stays free.
    """
    ordered = sorted(enumerate(spans), key=lambda one: (one[1].assignee_id, one[1].start_at))
    rows = [{"n": n, **asdict(span)} for n, span in ordered]
    return {row.n: row.jobs for row in tx.execute(_BUSY, {"spans": as_json(rows)})} if rows else {}


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of jobs as PostgreSQL reads them."""
    return json.dumps(list(rows), default=lambda value: rfc3339(value) if isinstance(value, datetime) else str(value))
