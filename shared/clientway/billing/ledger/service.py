"""A client's ledger: what their lifetime value is made of."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, cast, func, select, text

from clientway.billing.tables import ledger_entries
from clientway.db import Tx
from clientway.errors import NotFound
from clientway.paging import DatabaseJson, Request, page

_COUNTED = text("""
select json_build_object('ltv_cents', c.ltv_cents, 'ledger_cents', l.cents, 'recounted_cents', n.cents,
                         'agrees', c.ltv_cents = l.cents and l.cents = n.cents)::text
  from contacts c
  join tenants t on t.tenant_id = app.tenant()
  cross join lateral (select coalesce(sum(e.amount_cents), 0) as cents from ledger_entries e
                       where e.tenant_id = app.tenant() and e.contact_id = c.id and e.currency = t.currency) l
  cross join lateral (
    -- Whole numbers, as rules.worth has it: a numeric quotient of sixteen digits is rounded before it is rounded.
    select coalesce(sum(div(2 * a.held * (i.total_cents - i.tax_cents) + i.total_cents, 2 * i.total_cents)), 0)::bigint as cents
      from invoices i
      cross join lateral (select sum(x.amount_cents - x.refunded_cents - x.lost_cents) as held from allocations x
                           where x.tenant_id = app.tenant() and x.invoice_id = i.id and x.released_at is null) a
     where i.tenant_id = app.tenant() and i.contact_id = c.id and i.currency = t.currency and i.total_cents > 0 and a.held is not null) b
  cross join lateral (
    select b.cents + coalesce(sum(div(2 * (p.amount_cents - p.refunded_cents - p.lost_cents)::numeric * (p.amount_cents - p.tax_cents)
                                      + p.amount_cents, 2 * p.amount_cents)), 0)::bigint as cents from payments p
     where p.tenant_id = app.tenant() and p.contact_id = c.id and p.currency = t.currency and p.settles_elsewhere
       and p.status = 'succeeded') n
 where c.tenant_id = app.tenant() and c.id = :contact_id
""")
_EXISTS = text("select 1 from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id")


def of_client(tx: Tx, contact_id: UUID, request: Request, *, verify: bool) -> Any:
    """A page of a client's ledger; with `verify`, counted anew beside it. Raises NotFound (404)."""
    entries = _entries(contact_id).subquery("entries")
    answer = page(tx, select(*(c for c in entries.c)), request, {"occurred_at": entries.c.occurred_at}, entries.c.id)
    verification: str | None = "null"
    if verify:
        verification = tx.scalar(_COUNTED, {"contact_id": contact_id})
    elif not answer.rows:
        verification = "null" if tx.execute(_EXISTS, {"contact_id": contact_id}).first() is not None else None
    if verification is None:
        raise NotFound("There is no such client.")
    return DatabaseJson(f'{answer.removesuffix("}")},"verification":{verification}}}', rows=answer.rows)


def _entries(contact_id: UUID) -> Select[Any]:
    e = ledger_entries.c
    # A client has hundreds of entries, not millions: the sum up to each line reads them all.
    running = cast(cast(func.sum(e.amount_cents).over(partition_by=e.currency, order_by=[e.occurred_at, e.id]), Text), e.amount_cents.type)
    columns = (e.id, e.kind, e.amount_cents, running.label("running_cents"), e.currency, e.payment_id, e.invoice_id, e.occurred_at)
    return select(*columns).where(e.tenant_id == func.app.tenant(), e.contact_id == contact_id)
