"""Recurring invoices in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.billing.recurring.schemas import RecurringInvoice, RecurringStatus
from clientway.billing.tables import recurring_invoices
from clientway.db import Tx
from clientway.paging import Request, one, page

Row = Mapping[str, Any]

_SHOWN = tuple(RecurringInvoice.model_fields)
_LAST = 10


def find(tx: Tx, request: Request, *, contact_id: UUID | None, status: RecurringStatus | None) -> Any:
    """A page of recurring invoices."""
    c = recurring_invoices.c
    statement = select(*(c[name] for name in _SHOWN)).where(c.tenant_id == func.app.tenant())
    if contact_id is not None:
        statement = statement.where(c.contact_id == contact_id)
    if status is not None:
        statement = statement.where(c.status == status)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


def _answer(source: str) -> str:
    return f"""
      select row_to_json(r)::text, r.version from (
        select {", ".join(f"s.{name}" for name in _SHOWN)},
               (select coalesce(json_agg(u order by u.recurring_on desc), '[]') from (
                  select i.id, i.recurring_on, i.number_text, i.status, i.total_cents, i.balance_cents from invoices i
                   where i.tenant_id = app.tenant() and i.recurring_invoice_id = s.id
                   order by i.recurring_on desc limit {_LAST}) u) as invoices
          from {source} s) r"""


_READ = text(_answer("(select x.* from recurring_invoices x where x.tenant_id = app.tenant() and x.id = :id)"))


def read(tx: Tx, recurring_invoice_id: UUID) -> Any:
    """One recurring invoice with its last invoices, or None."""
    return one(tx.execute(_READ, {"id": recurring_invoice_id}).one_or_none())


def insert(tx: Tx, row: Row) -> Any:
    """Insert a recurring invoice."""
    names = ", ".join(row)
    statement = f"""
      with written as (
        insert into recurring_invoices ({names}, created_at, updated_at)
        select {", ".join(f"g.{name}" for name in row)}, :now, :now
          from jsonb_populate_record(null::recurring_invoices, cast(:row as jsonb)) g returning *)
      {_answer("written")}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row), "now": tx.now}).one())


@dataclass(frozen=True)
class Locked:
    """A recurring invoice, locked, with the last day that an invoice was made for."""

    row: dict[str, Any]
    last_on: date | None
    gone: str | None
    """Why nobody bills this client any more."""


_LOCKED = """
select to_jsonb(s) as row,
       (select max(i.recurring_on) from invoices i where i.tenant_id = app.tenant() and i.recurring_invoice_id = s.id) as last_on,
       case when c.merged_into is not null then 'merged' when c.deleted_at is not null or o.deleted_at is not null then 'deleted'
            when o.lifecycle_stage = 'blacklist' then 'blacklisted' end as gone
  from recurring_invoices s
  join contacts c on c.tenant_id = app.tenant() and c.id = s.contact_id
  left join organizations o on o.tenant_id = app.tenant() and o.id = c.organization_id
 where s.tenant_id = app.tenant() and s.id = :id"""
_LOCK = text(f"{_LOCKED} for no key update of s")
_CLAIM = text(f"{_LOCKED} and s.status = 'active' for no key update of s skip locked")


def lock(tx: Tx, recurring_invoice_id: UUID) -> Locked | None:
    """Lock a recurring invoice."""
    return _locked(tx.execute(_LOCK, {"id": recurring_invoice_id}).one_or_none())


def claim(tx: Tx, recurring_invoice_id: UUID) -> Locked | None:
    """Lock an active recurring invoice unless somebody else is at it."""
    return _locked(tx.execute(_CLAIM, {"id": recurring_invoice_id}).one_or_none())


def _locked(row: Any) -> Locked | None:
    return None if row is None else Locked(row.row, row.last_on, row.gone)


def update(tx: Tx, recurring_invoice_id: UUID, changes: Row) -> Any:
    """Write columns of a locked recurring invoice. Returns the answer."""
    assignments = "".join(f"{name} = g.{name}, " for name in changes)
    statement = f"""
      with written as (
        update recurring_invoices s set {assignments} version = s.version + 1, updated_at = :now
          from jsonb_populate_record(null::recurring_invoices, cast(:changes as jsonb)) g
         where s.tenant_id = app.tenant() and s.id = :id returning s.*)
      {_answer("written")}"""
    given = {"changes": json.dumps(changes, default=str), "id": recurring_invoice_id, "now": tx.now}
    return one(tx.execute(text(statement), given).one())


@dataclass(frozen=True)
class Due:
    """A recurring invoice whose day may have come."""

    id: UUID
    next_on: date
    time_zone: str


_DUE = text("""
select s.id, s.next_on, s.time_zone from recurring_invoices s
 where s.tenant_id = app.tenant() and s.status = 'active' and s.next_on <= :latest order by s.next_on, s.id limit :most
""")


def due(tx: Tx, latest: date, most: int) -> Sequence[Due]:
    """Active recurring invoices whose next day is no later than `latest`."""
    return [Due(*row) for row in tx.execute(_DUE, {"latest": latest, "most": most})]
