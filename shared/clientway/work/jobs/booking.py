"""The statements of the API of jobs: a list, one, a new one, a change. Who may be where is asked in the flight of the write."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clientway import db
from clientway.db import Tx
from clientway.lifecycle.intake.service import HOME_SQL
from clientway.paging import DatabaseJson, Request, one, page
from clientway.work.jobs.answers import J, answer, listing
from clientway.work.jobs.queries import Span, busy
from clientway.work.jobs.rules import JobOverlaps
from clientway.work.reminders import planning

SORTS = {"start_at": J.c.start_at, "updated_at": J.c.updated_at}


def find(tx: Tx, request: Request, equal: Mapping[str, Any], *, times: Mapping[str, datetime | None]) -> Any:
    """A page of jobs; `equal` are columns and the values asked for, `times` start_from, start_before and updated_since."""
    statement = listing().where(*(J.c[name] == value for name, value in equal.items() if value is not None))
    if (start_from := times.get("start_from")) is not None:
        statement = statement.where(J.c.start_at >= start_from)
    if (start_before := times.get("start_before")) is not None:
        statement = statement.where(J.c.start_at < start_before)
    if (updated_since := times.get("updated_since")) is not None:
        statement = statement.where(J.c.updated_at >= updated_since)
    return page(tx, statement, request, SORTS, J.c.id)


def read(tx: Tx, job_id: UUID) -> Any:
    """One job, or None."""
    source = "(select x.* from jobs x where x.tenant_id = app.tenant() and x.id = :id)"
    return one(tx.execute(text(answer(source)), {"id": job_id}).one_or_none())


# What a job may refer to, as `found`; `{g}` holds the row that names it.
_FOUND = """
  left join services s on s.tenant_id = app.tenant() and s.id = {g}.service_id and s.active
  left join contact_addresses a on a.tenant_id = app.tenant() and a.id = {g}.address_id and a.contact_id = {g}.contact_id
   and a.deleted_at is null
  left join reps e on e.tenant_id = app.tenant() and e.id = {g}.assignee_id and e.active"""
_MISSING = """array_remove(array[
           case when {g}.service_id is not null and s.id is null then 'service_id' end,
           case when {g}.address_id is not null and a.id is null then 'address_id' end,
           case when {g}.assignee_id is not null and e.id is null then 'assignee_id' end], null)"""
_BUSY_JSON = """(select coalesce(json_agg(json_build_object('id', b.job_id, 'title', b.title, 'start_at', b.start_at, 'end_at', b.end_at)
                                   order by b.start_at, b.job_id), '[]') from busy b)"""
_BOOKED = (
    "id", "organization_id", "contact_id", "service_id", "address_id", "assignee_id", "title", "start_at", "end_at", "time_zone",
    "price_cents", "currency", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class Booked:
    """A job, or why there is none: what it refers to and is not there, or what is in the way."""

    answer: DatabaseJson | None
    missing: list[str]
    busy: list[dict[str, Any]]
    activated: bool
    """Whether its contact was a lead before."""
    home_added: bool = False
    """Whether its address is new."""
    crowded: bool = False
    """Whether it is one address too many."""


def book(tx: Tx, row: Mapping[str, Any], *, force: bool, home: Mapping[str, Any] | None = None) -> Booked:
    """Insert a job with its reminders unless something is missing or, without `force`, in the way; its contact becomes active.

    What the row leaves open comes from its service, its address and the tenant. `home` is an address of the contact to
    write down if it is new, and to do the job at.
    """
    place = HOME_SQL if home else "place as (select null::uuid as id, null::text as time_zone where false)"
    home_id = "(select h.id from home h)" if home else "null::uuid"
    values = ", ".join(f"t.{name}" for name in _BOOKED)
    statement = f"""
with given as (select * from jsonb_populate_record(null::jobs, cast(:row as jsonb))),
{place},
terms as (
  select g.id, g.organization_id, g.contact_id, g.service_id, coalesce(p.id, g.address_id) as address_id, g.assignee_id,
         coalesce(g.title, s.name, 'Job') as title,
         g.start_at, coalesce(g.end_at, g.start_at + coalesce(s.duration_minutes, 60) * interval '1 minute') as end_at,
         coalesce(g.time_zone, p.time_zone, a.time_zone, n.time_zone) as time_zone,
         coalesce(g.price_cents, s.price_cents, 0) as price_cents,
         coalesce(s.currency, n.currency) as currency, g.notes, {_MISSING.format(g="g")} as missing
    from given g
    join tenants n on n.tenant_id = app.tenant(){_FOUND.format(g="g")}
    left join place p on true),
busy as materialized (
  select b.* from terms t cross join lateral app.busy(t.assignee_id, t.start_at, t.end_at) b
   where t.assignee_id is not null and t.missing = '{{}}'),
written as (
  insert into jobs ({", ".join(_BOOKED)}, overlap_forced, created_at, updated_at)
  select {values}, exists (select from busy), :now, :now
    from terms t where t.missing = '{{}}' and (:force or not exists (select from busy))
  on conflict do nothing returning *),
{planning.PLANNED},
activated as (
  update contacts c set status = case c.status when 'lead' then 'active' else c.status end,
                        default_address_id = coalesce(c.default_address_id, {home_id}), version = c.version + 1, updated_at = :now
    from written w
   where c.tenant_id = app.tenant() and c.id = w.contact_id
     and (c.status = 'lead' or (c.default_address_id is null and {home_id} is not null)))
select x.answer, x.version, t.start_at, t.end_at, t.missing, {_BUSY_JSON} as busy,
       {home_id} is not null as home_added, not exists (select from place) as placeless,
       exists (select from contacts c where c.tenant_id = app.tenant() and c.id = t.contact_id and c.status = 'lead') as activated
  from terms t left join ({answer("written", with_home=home is not None)}) as x(answer, version) on true"""
    given = {
        "row": json.dumps(row, default=str), "force": force, **planning.parameters(tx),
        **({"home": json.dumps(home)} if home else {}),
    }  # fmt: skip
    found = tx.execute(text(statement), given).one()
    if found.answer is not None:
        shown, crowded = DatabaseJson(found.answer, found.version), home is not None and found.placeless
        return Booked(shown, found.missing, found.busy, found.activated, found.home_added, crowded)
    if found.missing or found.busy:
        return Booked(None, found.missing, found.busy, activated=False)
    # The constraint alone kept it out: somebody books without asking first.
    span = Span(assignee_id=row["assignee_id"], start_at=found.start_at, end_at=found.end_at)
    return Booked(None, [], busy(tx, [span]).get(0, []), activated=False)


@dataclass(frozen=True)
class Locked:
    """A job whose row is locked, after its organization and the assignee that it has or is to have."""

    row: Mapping[str, Any]
    missing: list[str]
    busy: list[dict[str, Any]]
    """What is in the way of the job as it is to be."""
    last_of_ended: bool
    """Whether nothing but this open job keeps its organization from churning."""


# The organization first, as everybody does who needs both. What is to be, as far as it decides whether somebody has the time.
_LOCK = text(f"""
with o as materialized (
  select o.id, o.lifecycle_stage from organizations o where o.tenant_id = app.tenant()
     and o.id = (select x.organization_id from jobs x where x.tenant_id = app.tenant() and x.id = :id)
     for no key update),
j as materialized (
  select r.* from jobs r join o on o.id = r.organization_id where r.tenant_id = app.tenant() and r.id = :id for no key update of r),
wanted as (
  select j.id, case when jsonb_exists(cast(:sent as jsonb), 'assignee_id') then w.assignee_id else j.assignee_id end as assignee_id,
         coalesce(w.start_at, j.start_at) as start_at,
         coalesce(w.end_at, coalesce(w.start_at, j.start_at) + (j.end_at - j.start_at)) as end_at, coalesce(w.status, j.status) as status
    from j, jsonb_populate_record(null::jobs, cast(:sent as jsonb)) w),
busy as materialized (
  select b.* from wanted w cross join lateral app.busy(w.assignee_id, w.start_at, w.end_at, w.id) b
   where w.assignee_id is not null and w.status in ('scheduled', 'in_progress') and w.start_at < w.end_at and :asks),
named as (
  select j.contact_id, w.service_id, w.address_id, w.assignee_id from j, jsonb_populate_record(null::jobs, cast(:sent as jsonb)) w)
select to_jsonb(j) as row, {_MISSING.format(g="g")} as missing, {_BUSY_JSON} as busy,
       o.lifecycle_stage = 'client'
         and exists (select from client_accounts q
                      where q.tenant_id = app.tenant() and q.organization_id = o.id and q.status in ('cancelled', 'churned'))
         and not exists (select from jobs q
                          where q.tenant_id = app.tenant() and q.organization_id = o.id and q.id <> j.id
                            and q.status in ('scheduled', 'in_progress')) as last_of_ended
  from j join o on true cross join named g{_FOUND.format(g="g")}
""")


def lock(tx: Tx, job_id: UUID, sent: Mapping[str, Any], *, asks: bool) -> Locked | None:
    """Lock a job and see whether what is sent can be; with `asks`, whether its assignee has the time."""
    row = tx.execute(_LOCK, {"id": job_id, "sent": json.dumps(sent), "asks": asks}).one_or_none()
    return None if row is None else Locked(row.row, row.missing, row.busy, row.last_of_ended)


def write(tx: Tx, job_id: UUID, columns: Mapping[str, Any]) -> Any:
    """Replace columns of a locked job, with what becomes of its reminders. Raises JobOverlaps (409).

    Reminders for another time are called off, and all of them unless it is scheduled.
    """
    assignments = "".join(f"{name} = g.{name}, " for name in columns)
    statement = f"""
with written as (
  update jobs j set {assignments} version = j.version + 1, updated_at = :now
    from jsonb_populate_record(null::jobs, cast(:row as jsonb)) g
   where j.tenant_id = app.tenant() and j.id = :id returning j.*),
{planning.CALLED_OFF},
{planning.PLANNED}
{answer("written")}"""
    given = {"row": json.dumps(columns), "id": job_id, **planning.parameters(tx)}
    try:
        return one(tx.execute(text(statement), given).one())
    except DBAPIError as error:
        if db.constraint_name(error) != "jobs_overlap":
            raise
        raise JobOverlaps([]) from error
