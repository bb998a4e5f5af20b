"""How an invoice is shown: the same columns in a list and alone."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, select

from clientway.billing.invoices.schemas import Invoice
from clientway.billing.tables import invoices

I = invoices.alias("i")  # noqa: E741  (as the SQL beside it has it)

# Only the tenant's own day tells what is overdue there; the zone is read by a function that no name of one can break.
_OVERDUE = "(i.status = 'open' and i.balance_cents > 0 and i.due_on < (select app.tenant_day(cast(:now as timestamptz))))"
_EMBEDDED: Final = {
    # A payment that is for nothing else has something left: the client paid too much. Not `exists`, which the planner may answer
    # from all of the tenant's allocations at once.
    "payment_state": """case when i.payment_state = 'paid' and i.allocated_cents > 0 and (
          select true from allocations a join payments p on p.tenant_id = app.tenant() and p.id = a.payment_id
           where a.tenant_id = app.tenant() and a.invoice_id = i.id and a.released_at is null
             and p.unapplied_cents > 0 and p.quote_id is null and p.allocated_cents = a.amount_cents limit 1)
          then 'overpaid' else i.payment_state end""",
    "balance_cents": "case when i.status = 'void' then 0 else i.balance_cents end",
    "organization": """(select json_build_object('id', o.id, 'name', coalesce(o.dba_name, o.legal_name), 'slug', o.slug)
          from organizations o where o.tenant_id = app.tenant() and o.id = i.organization_id)""",
    "contact": """(select json_build_object('id', c.id, 'first_name', c.first_name, 'last_name', c.last_name)
          from contacts c where c.tenant_id = app.tenant() and c.id = i.contact_id)""",
}
LINE: Final = """l.id, l.position, l.description, l.service_id, l.job_id, trim_scale(l.quantity_thousandths / 1000.0) as quantity,
       l.unit_price_cents, l.discount_bps, l.tax_rate_bps, l.amount_cents, l.tax_cents"""
LINES: Final = "(select l.* from invoice_lines l where l.tenant_id = app.tenant() and l.invoice_id = i.id)"


def overdue(now: datetime) -> ColumnElement[bool]:
    """Whether `I` is open and past its due date."""
    today = select(func.app.tenant_day(now)).scalar_subquery()
    return and_(I.c.status == "open", I.c.balance_cents > 0, I.c.due_on < today)


def listing(now: datetime) -> Select[Any]:
    """The tenant's invoices, `I`, as answers without lines, in no order yet."""
    columns: list[ColumnElement[Any]] = []
    for name in Invoice.model_fields:
        if name == "overdue":
            columns.append(overdue(now).label(name))
        else:
            columns.append(literal_column(_EMBEDDED[name]).label(name) if name in _EMBEDDED else I.c[name])
    return select(*columns).where(I.c.tenant_id == func.app.tenant())


def answer(source: str, lines: str = LINES) -> str:
    """The select of one invoice's (JSON text, version) with its lines from whatever holds its row, and them; it takes :now."""
    shown = {name: _EMBEDDED.get(name, f"i.{name}") for name in Invoice.model_fields} | {"overdue": _OVERDUE}
    columns = ", ".join(f"{expression} as {name}" for name, expression in shown.items())
    listed = f"(select coalesce(json_agg(x order by x.position), '[]') from (select {LINE} from {lines} l) x) as lines"
    return f"select row_to_json(r)::text, r.version from (select {columns}, {listed} from {source} i) r"
