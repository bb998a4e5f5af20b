"""What follows for an invoice once what was paid, credited or given back of it has changed: its status, its page, its reminders.

Triggers keep the sums; whoever changed them calls `settle`, which reads them again. The database refuses at the commit an
invoice that says it is paid and is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from clientway import effects
from clientway.billing.gateway import GATEWAY_JSON, Gateway, of_row
from clientway.billing.invoices import rules
from clientway.billing.invoices.answers import answer
from clientway.billing.payments.rules import money
from clientway.db import Tx
from clientway.paging import DatabaseJson
from clientway.work.reminders import service as reminders

# A page is for just what is owed: one for anything else is replaced, and where nothing is owed it is closed. One that is on its
# way has no name yet; once made it is closed if nobody waits for it any more. An invoice that was given up can still be paid.
_SETTLING = f"""
with i as materialized (
  select i.*, {GATEWAY_JSON} as gateway,
         case when i.status in ('open', 'uncollectible') and i.balance_cents = 0 then 'paid'
              when i.status = 'paid' and i.balance_cents > 0 then 'open' else i.status end as next
    from invoices i where i.tenant_id = app.tenant() and i.id = any (cast(:ids as uuid[])) order by i.id for no key update of i),
w as (select i.*, case when i.next in ('open', 'uncollectible') then i.balance_cents else 0 end as wanted from i),
s as (
  select w.*, case when w.wanted = 0 then case when w.payment_page_status = 'none' then 'none' else 'closed' end
                   when w.gateway is null or (w.payment_page_status in ('pending', 'ready') and w.payment_page_cents = w.wanted)
                   then w.payment_page_status else 'pending' end as page,
         w.wanted > 0 and w.gateway is not null
           and not (w.payment_page_status in ('pending', 'ready') and w.payment_page_cents = w.wanted) as creates
    from w),
moved as (
  update invoices x
     set status = s.next, payment_page_status = s.page,
         paid_at = case when s.next <> 'paid' then null when s.status = 'paid' then x.paid_at else coalesce(greatest(
           (select max(p.captured_at) from allocations a join payments p on p.tenant_id = app.tenant() and p.id = a.payment_id
             where a.tenant_id = app.tenant() and a.invoice_id = x.id and a.released_at is null),
           (select max(c.created_at) from credit_notes c where c.tenant_id = app.tenant() and c.invoice_id = x.id)), :now) end,
         uncollectible_at = case when s.next = 'uncollectible' then x.uncollectible_at end,
         payment_page_cents = case when s.creates then s.wanted when s.page = 'closed' then null else x.payment_page_cents end,
         payment_page_ref = case when s.creates or s.page = 'closed' then null else x.payment_page_ref end,
         payment_url = case when s.creates or s.page = 'closed' then null else x.payment_url end,
         payment_page_error = case when s.creates or s.page = 'closed' then null else x.payment_page_error end,
         version = x.version + 1, updated_at = :now
    from s where x.tenant_id = app.tenant() and x.id = s.id
  returning x.*),
called_off as (
  update reminders m set state = 'canceled', state_reason = 'invoice paid', version = m.version + 1, updated_at = :now
    from s where m.tenant_id = app.tenant() and m.invoice_id = s.id and s.next = 'paid' and m.state = 'scheduled')
select s.id, s.organization_id, s.contact_id, s.job_id, s.number_text, s.currency, s.total_cents, s.balance_cents, s.due_on,
       s.status as before, s.next as status, s.gateway, s.creates, s.wanted, s.payment_page_ref as ref,
       s.wanted = 0 and s.payment_page_ref is not null and s.gateway is not null as closes, t.time_zone,
       (select c.email from contacts c where c.tenant_id = app.tenant() and c.id = s.contact_id) as email, {{shown}}
  from s join tenants t on t.tenant_id = s.tenant_id {{joined}} order by s.id
"""
_SETTLE = text(_SETTLING.format(shown="null as answer, null as version", joined=""))
_SETTLE_AND_SHOW = text(_SETTLING.format(shown="a.answer, a.version", joined=f"cross join ({answer('moved')}) as a(answer, version)"))


@dataclass(frozen=True)
class Payable:
    """What the page of an invoice says."""

    invoice_id: UUID
    number_text: str | None
    cents: int
    currency: str
    email: str | None


def settle(tx: Tx, *invoice_ids: UUID) -> None:
    """Bring invoices in line with their sums: what owes nothing is paid, what owes again is open.

    For whoever has changed what is allocated, given back or credited, in the same transaction. One statement for all of them.
    """
    if invoice_ids:
        for row in tx.execute(_SETTLE, {"ids": list(invoice_ids), "now": tx.now}).all():
            _follow(tx, row)


@dataclass(frozen=True)
class Settled:
    """An invoice in line with its sums."""

    answer: DatabaseJson
    status: rules.InvoiceStatus


def settled(tx: Tx, invoice_id: UUID) -> Settled:
    """Settle an invoice that is there, and show it as it is then: in the same one statement."""
    row = tx.execute(_SETTLE_AND_SHOW, {"ids": [invoice_id], "now": tx.now}).one()
    _follow(tx, row)
    return Settled(DatabaseJson(row.answer, row.version), row.status)


def _follow(tx: Tx, row: Row[Any]) -> None:
    invoice_id = row.id
    gateway = of_row(row.gateway)
    if row.creates and gateway is not None:
        payable = Payable(invoice_id, row.number_text, row.wanted, row.currency, row.email)
        ask_for_page(tx, gateway, payable, replaces=row.ref)
    elif row.closes and gateway is not None:
        close_page(tx, gateway, row.ref)
    if row.status == row.before:
        return
    about = {
        "organization_id": row.organization_id, "contact_id": row.contact_id, "invoice_id": invoice_id, "job_id": row.job_id,
        "number": row.number_text, "total_cents": row.total_cents, "balance_cents": row.balance_cents, "currency": row.currency,
    }  # fmt: skip
    if row.status == "paid":
        tell(tx, "invoice_paid", "Paid", about, topic="invoice.paid")
        effects.audit(tx, "invoice.paid", "invoice", invoice_id, {"status": "paid"})
    else:
        reminders.plan_invoice(tx, invoice_id, time_zone=row.time_zone)
        effects.audit(tx, "invoice.reopened", "invoice", invoice_id, {"status": "open", "balance_cents": row.balance_cents})
        effects.publish(tx, "invoice.reopened", about)


def tell(tx: Tx, activity: str, what: str, about: Mapping[str, Any], *, topic: str, description: str | None = None) -> None:
    """Put what became of an invoice on its client's timeline, and publish it."""
    title = f"Invoice {about['number']}: {what.lower()}, {money(about['total_cents'], about['currency'])}"
    parties = {"organization_id": about["organization_id"], "contact_id": about["contact_id"]}
    metadata = {name: value for name, value in about.items() if name not in parties}
    effects.record(tx, activity, title, **parties, description=description, metadata=metadata, client_visible=True)
    effects.publish(tx, topic, dict(about))


def ask_for_page(tx: Tx, gateway: Gateway, payable: Payable, *, replaces: str | None = None) -> None:
    """Have the provider make a page at which just what is owed can be paid, in place of the one before."""
    effects.publish(
        tx,
        "stripe.page.create",
        {
            "gateway": gateway.as_json(),
            "invoice_id": payable.invoice_id,
            "number": payable.number_text,
            "description": None,
            "amount_cents": payable.cents,
            "currency": payable.currency,
            "customer_email": payable.email,
            "metadata": {"clientway_tenant": str(tx.tenant_id), "clientway_invoice": str(payable.invoice_id)},
            "replaces": replaces,
        },
    )


def close_page(tx: Tx, gateway: Gateway, ref: str) -> None:
    """Have the provider let nobody pay at a page any more."""
    effects.publish(tx, "stripe.page.close", {"gateway": gateway.as_json(), "ref": ref})


_WITHOUT_PAGE = text(f"""
with owing as (
  select i.id, i.number_text, i.balance_cents, i.currency, i.contact_id, {GATEWAY_JSON} as gateway from invoices i
   where i.tenant_id = app.tenant() and i.status = 'open' and i.balance_cents > 0 and i.payment_page_status in ('none', 'failed')
   order by i.due_on, i.id limit :most for no key update of i),
asked as (
  update invoices x
     set payment_page_status = 'pending', payment_page_cents = o.balance_cents, payment_page_error = null,
         version = x.version + 1, updated_at = :now
    from owing o where x.tenant_id = app.tenant() and x.id = o.id and o.gateway is not null)
select o.id, o.number_text, o.balance_cents, o.currency, o.gateway,
       (select c.email from contacts c where c.tenant_id = app.tenant() and c.id = o.contact_id) as email
  from owing o where o.gateway is not null
""")
_MOST_AT_ONCE = 500


def ask_for_pages(tx: Tx) -> int:
    """Have pages made for open invoices that have none, those due first: an account was connected. Returns for how many.

    For 500 at most; the others get theirs as they change, or when asked again.
    """
    rows = tx.execute(_WITHOUT_PAGE, {"most": _MOST_AT_ONCE, "now": tx.now}).all()
    for row in rows:
        gateway = of_row(row.gateway)
        if gateway is not None:
            ask_for_page(tx, gateway, Payable(row.id, row.number_text, row.balance_cents, row.currency, row.email))
    return len(rows)


_PAGE = text("""
select i.payment_page_status, i.payment_page_cents, i.payment_page_ref,
       (select a.endpoint_id from stripe_accounts a where a.tenant_id = app.tenant()) as endpoint_id
  from invoices i where i.tenant_id = app.tenant() and i.id = :id for no key update of i
""")
_FORGET_PAGES = text("""
with had as materialized (
  select i.id, i.payment_page_status <> 'failed' as there from invoices i
   where i.tenant_id = app.tenant() and i.status in ('open', 'uncollectible') and i.payment_page_status in ('pending', 'ready', 'failed')
   order by i.id for no key update of i),
forgotten as (
  update invoices i
     set payment_page_status = 'none', payment_url = null, payment_page_ref = null, payment_page_cents = null, payment_page_error = null,
         version = i.version + 1, updated_at = :now
    from had h where i.tenant_id = app.tenant() and i.id = h.id)
select count(*) from had h where h.there
""")
_MADE = text("""
update invoices i set payment_page_status = 'ready', payment_url = :url, payment_page_ref = :ref, payment_page_error = null,
       version = i.version + 1, updated_at = :now
 where i.tenant_id = app.tenant() and i.id = :id
""")
_FAILED = text("""
update invoices i set payment_page_status = 'failed', payment_page_error = :error, version = i.version + 1, updated_at = :now
 where i.tenant_id = app.tenant() and i.id = :id and i.payment_page_status = 'pending'
   and not exists (select from stripe_accounts a where a.tenant_id = app.tenant() and a.endpoint_id <> :endpoint_id)
""")


def forget_pages(tx: Tx) -> int:
    """Have no pages any more: the account that they lead to was given up, and whoever gives it up closes them there.

    Returns how many were there, or on their way.
    """
    return int(tx.scalar(_FORGET_PAGES, {"now": tx.now}))


def page_made(tx: Tx, invoice_id: UUID, *, gateway: Gateway, url: str, ref: str, cents: int) -> None:
    """Keep the page that was made for an invoice by `gateway`; one that nobody waits for any more is closed again.

    So is one of an account that was given up meanwhile: its others may all have been closed when this one was made.
    """
    row = tx.execute(_PAGE, {"id": invoice_id}).one_or_none()
    if row is None or row.payment_page_ref == ref:
        return
    in_use = row.endpoint_id in (None, gateway.endpoint_id)
    if in_use and rules.page_is_wanted(row.payment_page_status, row.payment_page_cents, cents):
        tx.execute(_MADE, {"id": invoice_id, "url": url[:2000], "ref": ref, "now": tx.now})
    else:
        close_page(tx, gateway, ref)


def page_failed(tx: Tx, invoice_id: UUID, *, endpoint_id: UUID, error: str) -> None:
    """Keep why there is no page; the next change of the invoice asks for one again."""
    tx.execute(_FAILED, {"id": invoice_id, "endpoint_id": endpoint_id, "error": error[:500], "now": tx.now})
