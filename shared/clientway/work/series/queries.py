"""Job series in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.paging import Request, one, page
from clientway.work.series.schemas import JobSeries, SeriesStatus
from clientway.work.tables import job_series

Row = Mapping[str, Any]

_SHOWN = tuple(JobSeries.model_fields)
UPCOMING = 10
# Wherever a time zone lies, its clocks show no more than this before UTC's; and what is of today is of interest too.
_BEHIND_UTC = timedelta(hours=38)


def find(tx: Tx, request: Request, *, contact_id: UUID | None, status: SeriesStatus | None) -> Any:
    """A page of series."""
    c = job_series.c
    statement = select(*(c[name] for name in _SHOWN)).where(c.tenant_id == func.app.tenant())
    if contact_id is not None:
        statement = statement.where(c.contact_id == contact_id)
    if status is not None:
        statement = statement.where(c.status == status)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


_READ = text(f"""
select row_to_json(r)::text, r.version from (
  select {", ".join(f"s.{name}" for name in _SHOWN)},
         (select coalesce(json_agg(u order by u.start_at, u.id), '[]') from (
            select j.id, j.occurrence_local, j.start_at, j.end_at, j.status, j.detached from jobs j
             where j.tenant_id = app.tenant() and j.series_id = s.id and j.start_at >= :now
             order by j.start_at, j.id limit {UPCOMING}) u) as upcoming
    from job_series s where s.tenant_id = app.tenant() and s.id = :id) r
""")


def read(tx: Tx, series_id: UUID) -> Any:
    """One series with its next jobs, or None."""
    return one(tx.execute(_READ, {"id": series_id, "now": tx.now}).one_or_none())


# What a series refers to: services and reps that are active, the client's addresses. `{g}` names it.
_FOUND = """
  left join services v on v.tenant_id = app.tenant() and v.id = {g}.service_id
  left join contact_addresses a on a.tenant_id = app.tenant() and a.id = {g}.address_id and a.contact_id = {g}.contact_id
   and a.deleted_at is null
  left join reps e on e.tenant_id = app.tenant() and e.id = {g}.assignee_id and e.active"""
_MISSING = """array_remove(array[
         case when {g}.service_id is not null and not coalesce(v.active, false) then 'service_id' end,
         case when {g}.address_id is not null and a.id is null then 'address_id' end,
         case when {g}.assignee_id is not null and e.id is null then 'assignee_id' end], null)"""
_WRITTEN = (
  "id", "organization_id", "contact_id", "service_id", "address_id", "assignee_id", "title", "notes", "price_cents", "currency", "rrule",
  "starts_local", "time_zone", "duration_minutes", "overlap_forced", "excluded_local", "status", "status_reason", "next_local",
  "materialized_until", "split_from",
)  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """What a job of a series begins as, where the series leaves it to its service."""

    title: str
    price_cents: int


@dataclass(frozen=True)
class Opened:
    """A new series, or what it refers to and is not there."""

    row: dict[str, Any]
    missing: list[str]
    terms: Terms
    busy: set[int]
    """The numbers of the starts at which the assignee is elsewhere."""


_GIVEN = {"duration_minutes": "t.lasts", "currency": "coalesce(t.service_currency, t.currency)"}
_OPEN = text(f"""
with given as (select * from jsonb_populate_record(null\\:\\:job_series, cast(:row as jsonb))),
terms as (
  select g.*, coalesce(g.duration_minutes, v.duration_minutes, 60) as lasts, coalesce(g.title, v.name, 'Job') as job_title,
         coalesce(g.price_cents, v.price_cents, 0) as job_price, {_MISSING.format(g="g")} as missing, v.currency as service_currency
    from given g{_FOUND.format(g="g")}),
written as (
  insert into job_series ({", ".join(_WRITTEN)}, created_at, updated_at)
  select {", ".join(_GIVEN.get(name, f"t.{name}") for name in _WRITTEN)}, :now, :now
    from terms t where t.missing = '{{}}' returning *),
busy as materialized (
  select distinct s.n from terms t
   cross join lateral (
     select row_number() over () - 1 as n, x.start_at from unnest(cast(:starts as timestamptz[])) x(start_at)) s
   cross join lateral app.busy(t.assignee_id, s.start_at, s.start_at + t.lasts * interval '1 minute') b
   where t.assignee_id is not null and t.missing = '{{}}')
select (select to_jsonb(w) from written w) as row, t.missing, t.job_title, t.job_price,
       (select coalesce(jsonb_agg(b.n), '[]') from busy b) as busy
  from terms t
""")


def insert(tx: Tx, row: Row, starts: Sequence[datetime]) -> Opened:
    """Insert a series unless what it refers to is missing; tells when its assignee is elsewhere, who is locked from here on."""
    given = {"row": _as_json(row), "starts": [one.isoformat() for one in starts], "now": tx.now}
    found = tx.execute(_OPEN, given).one()
    return Opened(found.row or {}, found.missing, Terms(found.job_title, found.job_price), set(found.busy))


@dataclass(frozen=True)
class Locked:
    """A series and its jobs to come, locked."""

    row: dict[str, Any]
    jobs: list[dict[str, Any]]
    missing: list[str]
    terms: Terms
    gone: str | None
    """Why nobody works for this client any more."""
    churning: bool
    """Whether nothing but open jobs keeps the organization a client."""
    instead: dict[str, str | None]
    """What new jobs have in place of an assignee or an address that is there no longer: nobody, and the client's default one."""


# `n` is the series as it is to be, as far as what it refers to goes.
_GONE = """case when c.merged_into is not null then 'merged' when c.deleted_at is not null then 'deleted'
              when o.lifecycle_stage = 'blacklist' then 'blacklisted' end"""
# The organization first, as everybody does who needs both.
_LOCK = text(f"""
with o as materialized (
  select y.id, y.lifecycle_stage from organizations y
   where y.tenant_id = app.tenant()
     and y.id = (select x.organization_id from job_series x where x.tenant_id = app.tenant() and x.id = :id) for no key update),
s as materialized (
  select x.* from job_series x join o on o.id = x.organization_id where x.tenant_id = app.tenant() and x.id = :id for no key update of x),
j as materialized (
  select y.* from jobs y join s on s.id = y.series_id
   where y.tenant_id = app.tenant() and (y.start_at >= :now or y.occurrence_local >= cast(:today as timestamp))
   order by y.id for no key update of y)
select to_jsonb(s) as row, (select coalesce(jsonb_agg(j), '[]') from j) as jobs, {_MISSING.format(g="n")} as missing,
       coalesce(n.title, v.name, 'Job') as title, coalesce(n.price_cents, v.price_cents, 0) as price_cents, {_GONE} as gone,
       o.lifecycle_stage = 'client' and exists (
         select from client_accounts q
          where q.tenant_id = app.tenant() and q.organization_id = o.id and q.status in ('cancelled', 'churned')) as churning,
       c.default_address_id, (s.version, s.materialized_until) is distinct from (
         select row(q.version, q.materialized_until) from job_series q where q.tenant_id = app.tenant() and q.id = s.id) as stale
  from s join o on true
  cross join lateral jsonb_populate_record(cast(row(s.*) as job_series), cast(:changes as jsonb)) n{_FOUND.format(g="n")}
  join contacts c on c.tenant_id = app.tenant() and c.id = s.contact_id
""")


def lock(tx: Tx, series_id: UUID, changes: Row) -> Locked | None:
    """Lock a series and its jobs of today and later; looks for what `changes` would have it refer to."""
    today = (tx.now - _BEHIND_UTC).astimezone(UTC).replace(tzinfo=None)
    given = {"id": series_id, "changes": _as_json(changes), "now": tx.now, "today": today.isoformat()}
    found = tx.execute(_LOCK, given).one_or_none()
    if found is not None and found.stale:
        # Who waited for the lock has not seen the jobs that were made meanwhile; now there is no wait.
        found = tx.execute(_LOCK, given).one_or_none()
    if found is None:
        return None
    default = None if found.default_address_id is None else str(found.default_address_id)
    instead = {name: one for name, one in (("assignee_id", None), ("address_id", default)) if name in found.missing}
    return Locked(found.row, found.jobs, found.missing, Terms(found.title, found.price_cents), found.gone, found.churning, instead)


def update(tx: Tx, before: Row, changes: Row, successor: Row | None = None) -> dict[str, Any]:
    """Write columns of a locked series, and the series that goes on from it, if any. Returns the row of the latter, or of itself."""
    assignments = "".join(f"{name} = g.{name}, " for name in changes)
    statement = f"""
      with written as (
        update job_series s set {assignments} version = s.version + 1, updated_at = :now
          from jsonb_populate_record(null::job_series, cast(:changes as jsonb)) g
         where s.tenant_id = app.tenant() and s.id = :id returning s.*),
      followed as (
        insert into job_series ({", ".join(_WRITTEN)}, created_at, updated_at)
        select {", ".join(f"g.{name}" for name in _WRITTEN)}, :now, :now
          from jsonb_populate_recordset(null::job_series, cast(:successors as jsonb)) g returning *)
      select to_jsonb(r) from (select * from followed union all select * from written where not exists (select from followed)) r"""
    successors = _as_json([successor] if successor else [])
    given = {"id": before["id"], "changes": _as_json(changes), "successors": successors, "now": tx.now}
    row: dict[str, Any] = tx.execute(text(statement), given).scalar_one()
    return row


@dataclass(frozen=True)
class Due:
    """A series, locked, whose next jobs are to be made."""

    row: dict[str, Any]
    terms: Terms
    assignee_id: UUID | None
    """None as well for somebody who is no longer active."""
    address_id: UUID | None
    """The client's default one in place of an address that they have no longer."""
    gone: str | None


_CLAIM = text(f"""
select to_jsonb(s) as row, coalesce(s.title, v.name, 'Job') as title, coalesce(s.price_cents, v.price_cents, 0) as price_cents,
       e.id as assignee_id, coalesce(a.id, case when s.address_id is not null then c.default_address_id end) as address_id, {_GONE} as gone
  from job_series s
  join contacts c on c.tenant_id = app.tenant() and c.id = s.contact_id
  join organizations o on o.tenant_id = app.tenant() and o.id = s.organization_id
  left join services v on v.tenant_id = app.tenant() and v.id = s.service_id
  left join contact_addresses a on a.tenant_id = app.tenant() and a.id = s.address_id and a.deleted_at is null
  left join reps e on e.tenant_id = app.tenant() and e.id = s.assignee_id and e.active
 where s.tenant_id = app.tenant() and s.status = 'active' and s.materialized_until < :horizon
 order by s.materialized_until, s.id limit :most for no key update of s skip locked
""")


def claim(tx: Tx, horizon: datetime, most: int) -> list[Due]:
    """Lock series of which an occurrence before `horizon` has no job yet; those that another run holds are left to it."""
    rows = tx.execute(_CLAIM, {"horizon": horizon, "most": most})
    return [Due(row.row, Terms(row.title, row.price_cents), row.assignee_id, row.address_id, row.gone) for row in rows]


_ADVANCE = text("""
update job_series s
   set status = g.status, status_reason = g.status_reason, next_local = g.next_local, materialized_until = g.materialized_until,
       version = s.version + case when g.status <> s.status then 1 else 0 end,
       updated_at = case when g.status <> s.status then :now else s.updated_at end
  from jsonb_populate_recordset(null\\:\\:job_series, cast(:rows as jsonb)) g
 where s.tenant_id = app.tenant() and s.id = g.id
""")


def advance(tx: Tx, rows: Sequence[Row]) -> None:
    """Write down how far series have come; that is no change of theirs, unless they end by it."""
    tx.execute(_ADVANCE, {"rows": _as_json(rows), "now": tx.now})


def _as_json(value: Any) -> str:
    return json.dumps(value, default=lambda one: one.isoformat() if isinstance(one, datetime) else str(one))
