"""Money in the database: what is locked before it moves, and the one statement that moves it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Executable, text

from clientway.billing.ledger.rules import Allocation, Books, Invoice, Payment
from clientway.db import SerializationConflict, Tx
from clientway.lifecycle.stages.rules import Stage
from clientway.lifecycle.stages.schemas import Rung

Row = Mapping[str, Any]
_ATTEMPTS = 3

# The order in which everybody locks: organization, invoices, payment. A row that was waited for is read as it is then, but
# what hangs on it (allocations, refunds, disputes) as it was when the statement began: the payment's version tells the two
# apart, because whatever changes one of them counts it up.
_LOCK = text("""
with wanted as materialized (
  select p.id from payments p
   where p.tenant_id = app.tenant()
     and (p.id = cast(:payment_id as uuid) or (p.provider = cast(:provider as text) and p.provider_id = cast(:provider_id as text)))
), owners as materialized (
  select cast(:organization_id as uuid) as id
  union select p.organization_id from payments p join wanted w on w.id = p.id where p.tenant_id = app.tenant()
  union select i.organization_id from invoices i where i.tenant_id = app.tenant() and i.id = any (cast(:invoice_ids as uuid[]))
  union select i.organization_id from allocations x join invoices i on i.tenant_id = app.tenant() and i.id = x.invoice_id
         where x.tenant_id = app.tenant() and x.payment_id = any (array(select id from wanted)) and x.released_at is null
  union select c.organization_id from contacts c where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid)
  union select q.organization_id from quotes q where q.tenant_id = app.tenant() and q.id = cast(:quote_id as uuid)
), o as materialized (
  select o.id, o.lifecycle_stage, o.lifecycle_sequence, o.lifecycle_changed_at, o.deleted_at,
         exists (select from client_accounts y where y.tenant_id = app.tenant() and y.organization_id = o.id) as has_account
    from organizations o
   where o.tenant_id = app.tenant() and o.id = any (array(select id from owners)) order by o.id for no key update of o
), a as materialized (
  select a.* from allocations a
   where a.tenant_id = app.tenant() and a.payment_id = any (array(select id from wanted)) and a.released_at is null
), i as materialized (
  select i.id, i.organization_id, i.contact_id, i.status, i.currency, i.total_cents, i.tax_cents, i.balance_cents, i.number_text,
         i.allocated_cents - i.refunded_cents - i.lost_cents as held_cents
    from invoices i
   where i.tenant_id = app.tenant() and i.id = any (array(select invoice_id from a union select unnest(cast(:invoice_ids as uuid[]))))
     and (select count(*) from o) >= 0
   order by i.id for no key update of i
), p as materialized (
  select p.* from payments p
   where p.tenant_id = app.tenant() and p.id = any (array(select id from wanted)) and (select count(*) from i) >= 0
     for no key update of p
)
select t.currency,
       (select json_agg(o) from o) as organizations,
       (select json_object_agg(c.organization_id, c.id) from contacts c
         where c.tenant_id = app.tenant() and c.organization_id = any (array(select id from owners)) and c.is_primary
           and c.deleted_at is null) as primary_contacts,
       (select json_agg(i) from i) as invoices,
       (select json_agg(a) from a) as allocations, (select row_to_json(p) from p) as payment,
       (select x.version from payments x join wanted w on w.id = x.id where x.tenant_id = app.tenant()) as version_before,
       (select json_agg(r order by r.id) from refunds r
         where r.tenant_id = app.tenant() and r.payment_id = any (array(select id from wanted))) as refunds,
       (select json_agg(d order by d.id) from disputes d
         where d.tenant_id = app.tenant() and d.payment_id = any (array(select id from wanted))) as disputes,
       (select json_build_object('id', c.id, 'organization_id', c.organization_id, 'merged_into', c.merged_into,
                                 'live', c.deleted_at is null)
          from contacts c where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid)) as contact,
       (select q.organization_id from quotes q
         where q.tenant_id = app.tenant() and q.id = cast(:quote_id as uuid)) as quote_organization_id
  from tenants t where t.tenant_id = app.tenant()
""")


@dataclass(frozen=True)
class Organization:
    """The account holder, locked."""

    id: UUID
    live: bool
    rung: Rung
    has_account: bool
    """Whether they have been a client."""
    primary_contact_id: UUID | None = None


@dataclass(frozen=True)
class Locked:
    """What was locked, and what hangs on it."""

    books: Books
    currency: str
    """The tenant's."""
    organizations: Mapping[UUID, Organization]
    payment: Row | None
    refunds: Sequence[Row]
    disputes: Sequence[Row]
    contact: Row | None
    quote_organization_id: UUID | None

    def with_opened(self, rung: Rung) -> "Locked":
        """The same, with the organization that has just opened for the contact."""
        organization_id, contact = rung.organization_id, self.contact or {}
        opened = Organization(organization_id, live=True, rung=rung, has_account=False, primary_contact_id=as_uuid(contact.get("id")))
        organizations = {**self.organizations, organization_id: opened}
        return replace(self, organizations=organizations, contact={**contact, "organization_id": str(organization_id)})

    @property
    def payment_id(self) -> UUID:
        """The locked payment's."""
        return UUID(self._payment["id"])

    @property
    def organization_id(self) -> UUID:
        """Who holds the locked payment's account."""
        return UUID(self._payment["organization_id"])

    @property
    def contact_id(self) -> UUID | None:
        """Who paid."""
        return as_uuid(self._payment["contact_id"])

    @property
    def _payment(self) -> Row:
        if self.payment is None:
            message = "no payment was locked"
            raise RuntimeError(message)
        return self.payment


def lock(
    tx: Tx,
    *,
    payment_id: UUID | None = None,
    provider_id: str | None = None,
    provider: str | None = None,
    invoice_ids: Sequence[UUID] = (),
    organization_id: UUID | None = None,
    contact_id: UUID | None = None,
    quote_id: UUID | None = None,
) -> Locked:
    """Lock organizations, then invoices (those named and those that the payment pays), then the payment, and read them.

    What is not there is left out. Raises SerializationConflict (409) when others keep changing the payment.
    """
    given = {
        "payment_id": payment_id,
        "provider": provider,
        "provider_id": provider_id,
        "invoice_ids": "{" + ",".join(str(one) for one in invoice_ids) + "}",
        "organization_id": organization_id,
        "contact_id": contact_id,
        "quote_id": quote_id,
    }
    for _ in range(_ATTEMPTS):
        row = tx.execute(_LOCK, given).one()
        if (row.payment is None or row.payment["version"] == row.version_before) and _owners_locked(row):
            break
    else:
        raise SerializationConflict("Others are changing this payment; try again.", headers={"Retry-After": "1"})
    books = Books(_invoices(row.invoices), {}, [_allocation(one) for one in row.allocations or ()])
    if row.payment is not None:
        books.payments[UUID(row.payment["id"])] = _payment(row.payment)
    primary = row.primary_contacts or {}
    organizations = {
        UUID(one["id"]): Organization(
            UUID(one["id"]), one["deleted_at"] is None, _rung(one), one["has_account"], as_uuid(primary.get(one["id"]))
        )
        for one in row.organizations or ()
    }
    return Locked(
        books,
        row.currency,
        organizations,
        row.payment,
        row.refunds or (),
        row.disputes or (),
        row.contact,
        row.quote_organization_id,
    )


def books_of(invoice: Invoice, payments: Sequence[Row]) -> Books:
    """The books of an invoice that nothing has paid yet, and of locked payments, the oldest first."""
    ordered = sorted(payments, key=lambda one: (one["captured_at"], one["id"]))
    return Books({invoice.id: invoice}, {UUID(one["id"]): _payment(one) for one in ordered})


@dataclass
class Writing:
    """What one statement is to write beside what changed in the books: rows to insert, and columns of rows to change, by table."""

    inserts: dict[str, dict[str, Any]] = field(default_factory=dict)
    updates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    activate: UUID | None = None
    """The contact that is a lead no longer."""
    answer: str = "select null"
    """What to select: of `new_<table>` what was inserted, of `changed_<table>` what was changed, of `opened` new allocations."""


def write(tx: Tx, books: Books, writing: Writing) -> Any:
    """Write what changed in the books, with the entries in the ledger; triggers sum it up. Returns the row of the answer."""
    return tx.execute(*_writes(tx, books, writing)).one()


def write_unheard(tx: Tx, books: Books) -> None:
    """Write what changed in the books, and nothing else, along with the statement that follows."""
    tx.later(*_writes(tx, books, Writing()))


def _writes(tx: Tx, books: Books, writing: Writing) -> tuple[Executable, dict[str, Any]]:
    parts: list[str] = []
    given: dict[str, Any] = {"now": tx.now}
    for table, row in writing.inserts.items():
        names = ", ".join(row)
        parts.append(f"""new_{table} as (insert into {table} ({names})
          select {names} from jsonb_populate_record(null::{table}, cast(:new_{table} as jsonb)) returning *)""")
        given[f"new_{table}"] = json.dumps(row, default=str)
    for payment_id in {one.payment_id for one in books.changed}:
        if writing.inserts.get("payments", {}).get("id") != payment_id:
            _count_up(writing, payment_id)
    for table, rows in writing.updates.items():
        parts += _updates(table, rows, given)
    parts += _allocations(books, given)
    if writing.activate is not None:
        parts.append("""active as (update contacts c set status = 'active', version = c.version + 1, updated_at = :now
           where c.tenant_id = app.tenant() and c.id = :activate and c.status = 'lead' and c.deleted_at is null)""")
        given["activate"] = writing.activate
    statement = f"with {', '.join(parts)} {writing.answer}" if parts else writing.answer
    if "now" in given and ":now" not in statement:
        del given["now"]
    return text(statement), given


def _count_up(writing: Writing, payment_id: UUID) -> None:
    rows = writing.updates.setdefault("payments", [])
    if all(row["id"] != payment_id for row in rows):
        rows.append({"id": payment_id})


def _updates(table: str, rows: Sequence[Mapping[str, Any]], given: dict[str, Any]) -> list[str]:
    parts = []
    for number, row in enumerate(rows):
        name = f"changed_{table}" + (f"_{number}" if number else "")
        assignments = "".join(f"{column} = g.{column}, " for column in row if column != "id")
        parts.append(f"""{name} as (
          update {table} r set {assignments} version = r.version + 1, updated_at = :now
            from jsonb_populate_record(null::{table}, cast(:{name} as jsonb)) g
           where r.tenant_id = app.tenant() and r.id = g.id returning r.*)""")
        given[name] = json.dumps(row, default=str)
    return parts


def _allocations(books: Books, given: dict[str, Any]) -> list[str]:
    columns = ("id", "payment_id", "invoice_id", "amount_cents", "refunded_cents", "lost_cents", "reopened_cents", "released")
    rows = [(one.new, {name: getattr(one, name) for name in columns}) for one in books.changed]
    parts = []
    if any(new for new, _ in rows):
        parts.append("""opened as (
          insert into allocations (id, payment_id, invoice_id, amount_cents, created_at)
          select g.id, g.payment_id, g.invoice_id, g.amount_cents, :now
            from jsonb_to_recordset(cast(:opened as jsonb)) g(id uuid, payment_id uuid, invoice_id uuid, amount_cents bigint)
          returning *)""")
        given["opened"] = json.dumps([row for new, row in rows if new], default=str)
    if any(not new for new, _ in rows):
        parts.append("""moved as (
          update allocations a
             set amount_cents = g.amount_cents, refunded_cents = g.refunded_cents, lost_cents = g.lost_cents,
                 reopened_cents = g.reopened_cents, released_at = case when g.released then cast(:now as timestamptz) end
            from jsonb_to_recordset(cast(:moved as jsonb))
                 g(id uuid, amount_cents bigint, refunded_cents bigint, lost_cents bigint, reopened_cents bigint, released boolean)
           where a.tenant_id = app.tenant() and a.id = g.id)""")
        given["moved"] = json.dumps([row for new, row in rows if not new], default=str)
    if books.entries:
        parts.append("""entered as (
          insert into ledger_entries (id, organization_id, contact_id, kind, amount_cents, currency, payment_id, invoice_id, source_key,
                                      occurred_at, created_at)
          select g.id, coalesce(i.organization_id, p.organization_id), case when i.id is null then p.contact_id else i.contact_id end,
                 g.kind, g.amount_cents, coalesce(i.currency, p.currency), g.payment_id, g.invoice_id, g.source_key, g.occurred_at, :now
            from jsonb_to_recordset(cast(:entered as jsonb)) g(id uuid, kind text, amount_cents bigint, payment_id uuid, invoice_id uuid,
                                                               source_key text, occurred_at timestamptz)
            left join invoices i on i.tenant_id = app.tenant() and i.id = g.invoice_id
            left join payments p on p.tenant_id = app.tenant() and p.id = g.payment_id and g.invoice_id is null)""")
        given["entered"] = json.dumps([vars(one) for one in books.entries], default=str)
    return parts


def _rung(row: Row) -> Rung:
    changed_at = datetime.fromisoformat(row["lifecycle_changed_at"])
    return Rung(UUID(row["id"]), Stage(row["lifecycle_stage"]), row["lifecycle_sequence"], changed_at)


def _owners_locked(row: Any) -> bool:
    """Whether no invoice went to another organization by a merge that was waited for."""
    return {one["organization_id"] for one in row.invoices or ()} <= {one["id"] for one in row.organizations or ()}


def as_uuid(value: str | None) -> UUID | None:
    """An id out of JSON."""
    return None if value is None else UUID(value)


def _invoices(rows: Sequence[Row] | None) -> dict[UUID, Invoice]:
    return {
        UUID(row["id"]): Invoice(
            **{**row, "id": UUID(row["id"]), "organization_id": UUID(row["organization_id"]), "contact_id": as_uuid(row["contact_id"])}
        )
        for row in rows or ()
    }


def _payment(row: Row) -> Payment:
    names = ("amount_cents", "refunded_cents", "refunding_cents", "lost_cents", "settles_elsewhere", "tax_cents")
    elsewhere = row["amount_cents"] - row["refunded_cents"] - row["lost_cents"]
    unapplied = elsewhere if row["settles_elsewhere"] else row["unapplied_cents"]
    return Payment(UUID(row["id"]), unapplied_cents=unapplied, **{name: row[name] for name in names})


def _allocation(row: Row) -> Allocation:
    names = ("amount_cents", "refunded_cents", "lost_cents", "reopened_cents")
    return Allocation(UUID(row["id"]), UUID(row["payment_id"]), UUID(row["invoice_id"]), **{name: row[name] for name in names})
