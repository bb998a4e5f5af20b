"""Invoices in the database. Whoever writes one has locked its organization first and its row second, as all do who move money."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from clientway import db
from clientway.billing.gateway import GATEWAY_JSON, Gateway, of_row
from clientway.billing.invoices.answers import I, answer, listing, overdue
from clientway.db import Tx
from clientway.paging import DatabaseJson, Request, one, page

Row = Mapping[str, Any]
SORTS = {"updated_at": I.c.updated_at, "created_at": I.c.created_at, "due_on": I.c.due_on}
_STORED = "(select x.* from invoices x where x.tenant_id = app.tenant() and x.id = :id)"
_READ = text(answer(_STORED))


def find(tx: Tx, request: Request, equal: Row, *, is_overdue: bool | None, due_before: date | None, updated_since: Any) -> Any:
    """A page of invoices; `equal` are columns and the values asked for."""
    statement = listing(tx.now).where(*(I.c[name] == value for name, value in equal.items() if value is not None))
    if is_overdue is not None:
        statement = statement.where(overdue(tx.now) if is_overdue else ~overdue(tx.now))
    if due_before is not None:
        statement = statement.where(I.c.due_on < due_before)
    if updated_since is not None:
        statement = statement.where(I.c.updated_at >= updated_since)
    if request.sort.removeprefix("-") == "due_on":
        # A draft may have no due date; a row without a place in the order has no page.
        statement = statement.where(I.c.due_on.is_not(None))
    return page(tx, statement, request, SORTS, I.c.id)


def read(tx: Tx, invoice_id: UUID) -> Any:
    """One invoice with its lines, or None."""
    return one(tx.execute(_READ, {"id": invoice_id, "now": tx.now}).one_or_none())


@dataclass(frozen=True)
class Terms:
    """What an invoice takes where it leaves something open, and what it refers to, each by id."""

    currency: str
    time_zone: str
    terms_days: int
    tax_rate_bps: int
    contact: Row | None
    services: Mapping[UUID, Row]
    jobs: Mapping[UUID, Row]
    quote_organization_id: str | None


_TERMS = text("""
select t.currency, t.time_zone, coalesce(b.terms_days, 14) as terms_days, coalesce(b.tax_rate_bps, 0) as tax_rate_bps,
       (select json_build_object('id', c.id, 'tax_rate_bps', c.tax_rate_bps, 'organization_id', c.organization_id) from contacts c
         where c.tenant_id = app.tenant()
           and c.id = coalesce(cast(:contact_id as uuid), (select j.contact_id from jobs j
                                                            where j.tenant_id = app.tenant() and j.id = cast(:job_id as uuid)))) as contact,
       (select json_agg(json_build_object('id', s.id, 'name', s.name, 'price_cents', s.price_cents, 'currency', s.currency,
                                          'tax_rate_bps', s.tax_rate_bps))
          from services s where s.tenant_id = app.tenant()
           and (s.id = any (cast(:services as uuid[]))
                or s.id = (select j.service_id from jobs j where j.tenant_id = app.tenant() and j.id = cast(:job_id as uuid)))) as services,
       (select json_agg(json_build_object('id', j.id, 'contact_id', j.contact_id, 'organization_id', j.organization_id, 'title', j.title,
                                          'price_cents', j.price_cents, 'currency', j.currency, 'service_id', j.service_id))
          from jobs j where j.tenant_id = app.tenant() and j.id = any (cast(:jobs as uuid[]))) as jobs,
       (select cast(q.organization_id as text) from quotes q
         where q.tenant_id = app.tenant() and q.id = cast(:quote_id as uuid)) as quote_organization_id
  from tenants t left join billing_settings b on b.tenant_id = t.tenant_id where t.tenant_id = app.tenant()
""")


def terms(
    tx: Tx, *, contact_id: UUID | None, job_id: UUID | None, quote_id: UUID | None, services: Sequence[UUID], jobs: Sequence[UUID]
) -> Terms:
    """Read what an invoice refers to and what it takes its defaults from; what is not the tenant's is not there."""
    given = {
        "contact_id": contact_id,
        "job_id": job_id,
        "quote_id": quote_id,
        "services": _array(services),
        "jobs": _array([*jobs, *([job_id] if job_id else [])]),
    }
    row = tx.execute(_TERMS, given).one()
    by_id = [{UUID(each["id"]): each for each in rows or ()} for rows in (row.services, row.jobs)]
    defaults = (row.currency, row.time_zone, row.terms_days, row.tax_rate_bps)
    return Terms(*defaults, row.contact, services=by_id[0], jobs=by_id[1], quote_organization_id=row.quote_organization_id)


# The number is given out by the statement that opens: whoever opens next waits for the row of settings until this is committed.
# What the client has paid in advance is locked along with it: it is about to pay this invoice. That is what was paid for the deal
# whose quote it bills; where it names none, what was paid for the one deal that there is. A recurring invoice is none of a deal's,
# and what was paid for a lost one is to be given back.
_OPENING = f"""
numbered as (
  insert into billing_settings as b (last_number, created_at, updated_at) values (1, :now, :now)
  on conflict (tenant_id) do update set last_number = b.last_number + 1
  returning b.last_number as number, b.invoice_prefix || b.last_number as number_text),
waiting as materialized (
  select p.id, q.deal_id from payments p
    join quotes q on q.tenant_id = app.tenant() and q.id = p.quote_id
    join deals d on d.tenant_id = app.tenant() and d.id = q.deal_id and d.status <> 'lost'
   where p.tenant_id = app.tenant() and p.organization_id = :organization_id and p.currency = :currency
     and p.quote_id is not null and p.status = 'succeeded' and p.unapplied_cents > 0),
deposits as materialized (
  select p.* from payments p
   where p.tenant_id = app.tenant() and p.status = 'succeeded' and p.unapplied_cents > 0
     and p.id = any (array(select w.id from waiting w
                            where case when cast(:quote_id as uuid) is null
                                       then not :recurring and (select count(distinct x.deal_id) from waiting x) = 1
                                       else w.deal_id = (select q.deal_id from quotes q
                                                          where q.tenant_id = app.tenant() and q.id = cast(:quote_id as uuid)) end))
   order by p.id for no key update of p),
opening as (
  select n.number, n.number_text, {GATEWAY_JSON} as gateway, (select json_agg(d) from deposits d) as deposits from numbered n)"""
# What a deposit will pay in part gets its page once that is known.
_OPENED = {
    "status": "case when {i}.total_cents = 0 then 'paid' else 'open' end",
    "paid_at": "case when {i}.total_cents = 0 then cast(:now as timestamptz) end",
    "number": "o.number",
    "number_text": "o.number_text",
    "opened_at": "cast(:now as timestamptz)",
    "issued_on": "cast(:issued_on as date)",
    "due_on": "cast(:due_on as date)",
    "payment_page_status": "case when {i}.total_cents > 0 and o.gateway is not null and o.deposits is null then 'pending' else 'none' end",
    "payment_page_cents": "case when {i}.total_cents > 0 and o.gateway is not null and o.deposits is null then {i}.total_cents end",
}
_NOTICE = """o.number_text, o.gateway, o.deposits,
       (select c.email from contacts c where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid)) as email"""


@dataclass(frozen=True)
class Opening:
    """What opening an invoice writes that its row does not say yet."""

    organization_id: UUID
    contact_id: UUID | None
    currency: str
    issued_on: date
    due_on: date
    quote_id: UUID | None
    recurring: bool


@dataclass(frozen=True)
class Opened:
    """An invoice that has just been opened."""

    answer: DatabaseJson
    number_text: str
    gateway: Gateway | None
    deposits: Sequence[Row]
    """What the client has left of deposits in its currency: payments, locked."""
    email: str | None


@dataclass(frozen=True)
class Written:
    """A new invoice."""

    answer: DatabaseJson
    billed: Row | None
    """Another invoice of the same job, if there is one that is not void."""
    opened: Opened | None


def insert(tx: Tx, row: Row, lines: Sequence[Row], opening: Opening | None) -> Written:
    """Insert an invoice with its lines, as a draft or numbered and open."""
    opened = {name: sql.format(i="g") for name, sql in _OPENED.items()} if opening else {}
    names = [name for name in row if name not in opened]
    values = [f"g.{name}" for name in names] + list(opened.values())
    statement = f"""
with g as (select * from jsonb_populate_record(null::invoices, cast(:row as jsonb))){"," + _OPENING if opening else ""},
written as (
  insert into invoices ({", ".join([*names, *opened])}) select {", ".join(values)} from g{", opening o" if opening else ""} returning *),
lined as ({_LINED})
select x.answer, x.version, {_NOTICE if opening else "null"},
       (select json_build_object('id', y.id, 'number_text', y.number_text) from invoices y
         where y.tenant_id = app.tenant() and y.job_id = cast(:job_id as uuid) and y.status <> 'void' limit 1) as billed
  from ({answer("written", "lined")}) as x(answer, version){", opening o" if opening else ""}"""
    given = {"row": _json(row), "lines": _json(lines), "job_id": row["job_id"], "now": tx.now, **_opening(opening)}
    found = tx.execute(text(statement), given).one()
    shown = DatabaseJson(found.answer, found.version)
    return Written(shown, found.billed, _opened(shown, found) if opening else None)


_LINE_NAMES = (
    "id", "invoice_id", "position", "description", "service_id", "job_id", "quantity_thousandths", "unit_price_cents", "discount_bps",
    "tax_rate_bps", "amount_cents", "tax_cents",
)  # fmt: skip
_LINED = f"""
  insert into invoice_lines ({", ".join(_LINE_NAMES)})
  select {", ".join(f"n.{name}" for name in _LINE_NAMES)}
    from jsonb_populate_recordset(null::invoice_lines, cast(:lines as jsonb)) n returning *"""


def open_(tx: Tx, invoice_id: UUID, opening: Opening) -> Opened:
    """Number a locked draft and open it."""
    assignments = ", ".join(f"{name} = {sql.format(i='i')}" for name, sql in _OPENED.items())
    statement = f"""
with{_OPENING},
written as (
  update invoices i set {assignments}, version = i.version + 1, updated_at = :now
    from opening o where i.tenant_id = app.tenant() and i.id = :id returning i.*)
select x.answer, x.version, {_NOTICE} from ({answer("written")}) as x(answer, version), opening o"""
    found = tx.execute(text(statement), {"id": invoice_id, "now": tx.now, **_opening(opening)}).one()
    return _opened(DatabaseJson(found.answer, found.version), found)


def _opening(opening: Opening | None) -> dict[str, Any]:
    return {} if opening is None else vars(opening)


def _opened(shown: DatabaseJson, found: Any) -> Opened:
    return Opened(shown, found.number_text, of_row(found.gateway), found.deposits or (), found.email)


@dataclass(frozen=True)
class Locked:
    """An invoice whose organization and row are locked, with what a change has to know."""

    row: Row
    lines: Sequence[Row]
    time_zone: str
    terms_days: int
    is_live: bool
    """Whether its organization is."""
    is_blacklisted: bool


_LOCK = text("""
with o as materialized (
  select o.id, o.deleted_at, o.lifecycle_stage from organizations o where o.tenant_id = app.tenant()
     and o.id = (select x.organization_id from invoices x where x.tenant_id = app.tenant() and x.id = :id)
     for no key update)
select to_jsonb(i) as row, t.time_zone, o.deleted_at is null as is_live, o.lifecycle_stage = 'blacklist' as is_blacklisted,
       coalesce((select b.terms_days from billing_settings b where b.tenant_id = app.tenant()), 14) as terms_days,
       (select json_agg(to_jsonb(l) order by l.position) from invoice_lines l
         where l.tenant_id = app.tenant() and l.invoice_id = i.id) as lines
  from invoices i join o on o.id = i.organization_id join tenants t on t.tenant_id = i.tenant_id
 where i.tenant_id = app.tenant() and i.id = :id for no key update of i
""")


def lock(tx: Tx, invoice_id: UUID) -> Locked | None:
    """Lock an invoice and, before it, its organization."""
    row = tx.execute(_LOCK, {"id": invoice_id}).one_or_none()
    return None if row is None else Locked(row.row, row.lines or (), row.time_zone, row.terms_days, row.is_live, row.is_blacklisted)


def update(tx: Tx, invoice_id: UUID, changes: Row, lines: Sequence[Row] | None = None) -> Any:
    """Write columns of a locked invoice and, where given, lines in place of those it has. Returns the answer."""
    assignments = "".join(f"{name} = g.{name}, " for name in changes)
    # The new lines wait for the old ones to be gone: both have their places in one index.
    replaced = f""",
gone as (delete from invoice_lines l where l.tenant_id = app.tenant() and l.invoice_id = :id returning l.id),
lined as ({_LINED.replace("cast(:lines as jsonb)) n", "cast(:lines as jsonb)) n where (select count(*) from gone) >= 0")})"""
    statement = f"""
with written as (
  update invoices i set {assignments} version = i.version + 1, updated_at = :now
    from jsonb_populate_record(null::invoices, cast(:row as jsonb)) g
   where i.tenant_id = app.tenant() and i.id = :id returning i.*){replaced if lines is not None else ""}
{answer("written", "lined") if lines is not None else answer("written")}"""
    given = {"id": invoice_id, "row": _json(changes), "now": tx.now} | ({"lines": _json(lines)} if lines is not None else {})
    return one(tx.execute(text(statement), given).one())


_REFERRED_TO = "23503"
_DELETE = text("""
with lines as (delete from invoice_lines l where l.tenant_id = app.tenant() and l.invoice_id = :id returning l.id)
delete from invoices i where i.tenant_id = app.tenant() and i.id = :id and (select count(*) from lines) >= 0
""")


def delete(tx: Tx, invoice_id: UUID) -> bool:
    """Delete a locked draft: nobody has seen it. False if something refers to it all the same."""
    try:
        tx.execute(_DELETE, {"id": invoice_id})
    except DBAPIError as error:
        if db.sqlstate(error) != _REFERRED_TO:
            raise
        return False
    return True


def _json(value: Any) -> str:
    return json.dumps(value, default=str)


def _array(ids: Sequence[UUID]) -> str:
    return "{" + ",".join(str(each) for each in ids) + "}"
