-- Money: invoices with gapless numbers, payments, what of them pays what, refunds, credits, disputes, and the ledger that a
-- client's lifetime value is the sum of. Sums are kept by triggers beside what they sum, so that their limits are constraints.

set role clientway_owner;

create table public.billing_settings (
  tenant_id uuid not null default app.tenant() references public.tenants,
  invoice_prefix text not null default 'INV-' check (invoice_prefix ~ '^[A-Za-z0-9/_-]{0,20}$'),
  terms_days integer not null default 14 check (terms_days between 0 and 365),
  tax_rate_bps integer not null default 0 check (tax_rate_bps between 0 and 10000),
  tax_label text not null default 'Tax' check (length(tax_label) between 1 and 60),
  footer text check (length(footer) <= 2000),
  -- The last number given out. Whoever opens an invoice holds this row until it commits: that is what leaves no gaps.
  last_number bigint not null default 0,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id)
);

create table public.recurring_invoices (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid not null,
  name text not null check (length(name) between 1 and 300),
  lines jsonb not null,
  discount_bps integer not null default 0 check (discount_bps between 0 and 10000),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  notes text check (length(notes) <= 20000),
  terms_days integer check (terms_days between 0 and 365),
  auto_open boolean not null default true,
  rrule text not null check (length(rrule) between 1 and 1000),
  starts_on date not null,
  time_zone text not null check (length(time_zone) <= 64),
  next_on date,
  issued_count integer not null default 0,
  status text not null default 'active' check (status in ('active', 'paused', 'ended')),
  status_reason text check (length(status_reason) <= 2000),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index recurring_invoices_due on public.recurring_invoices (tenant_id, next_on, id) where status = 'active';
create index recurring_invoices_created on public.recurring_invoices (tenant_id, created_at, id);
create index recurring_invoices_contact on public.recurring_invoices (tenant_id, contact_id, created_at, id);

create table public.invoices (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  job_id uuid,
  recurring_invoice_id uuid,
  recurring_on date,
  -- What it bills was promised there: deposits on that quote's deal pay it.
  quote_id uuid,
  number bigint,
  number_text text,
  status text not null default 'draft' check (status in ('draft', 'open', 'paid', 'void', 'uncollectible')),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  subtotal_cents bigint not null default 0 check (subtotal_cents >= 0),
  discount_bps integer not null default 0 check (discount_bps between 0 and 10000),
  discount_cents bigint not null default 0 check (discount_cents >= 0),
  tax_cents bigint not null default 0 check (tax_cents >= 0),
  total_cents bigint not null default 0 check (total_cents >= 0),
  credited_cents bigint not null default 0 check (credited_cents >= 0),
  allocated_cents bigint not null default 0 check (allocated_cents >= 0),
  reopened_cents bigint not null default 0 check (reopened_cents >= 0),
  refunded_cents bigint not null default 0 check (refunded_cents >= 0),
  lost_cents bigint not null default 0 check (lost_cents >= 0),
  open_disputes integer not null default 0 check (open_disputes >= 0),
  balance_cents bigint generated always as (total_cents - credited_cents - allocated_cents + reopened_cents) stored,
  payment_state text not null generated always as (case
    when open_disputes > 0 then 'disputed'
    when refunded_cents + lost_cents > reopened_cents
    then case when refunded_cents + lost_cents = allocated_cents then 'refunded' else 'partially_refunded' end
    when status in ('draft', 'void') then 'unpaid'
    when total_cents - credited_cents - allocated_cents + reopened_cents = 0 then 'paid'
    when allocated_cents > reopened_cents then 'partial'
    else 'unpaid' end) stored,
  issued_on date,
  due_on date,
  terms_days integer check (terms_days between 0 and 365),
  opened_at timestamptz,
  paid_at timestamptz,
  voided_at timestamptz,
  uncollectible_at timestamptz,
  notes text check (length(notes) <= 20000),
  -- Where it can be paid: made by a sender once the invoice is open, for the balance of that moment.
  payment_url text check (length(payment_url) <= 2000),
  payment_page_status text not null default 'none' check (payment_page_status in ('none', 'pending', 'ready', 'failed', 'closed')),
  payment_page_cents bigint,
  payment_page_ref text,
  payment_page_error text check (length(payment_page_error) <= 500),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint invoices_number unique (tenant_id, number),
  constraint invoices_sum check (total_cents = subtotal_cents - discount_cents + tax_cents),
  constraint invoices_balance check (total_cents - credited_cents - allocated_cents + reopened_cents >= 0),
  check ((status = 'draft') = (number is null)),
  check (status = 'draft' or (issued_on is not null and due_on is not null and opened_at is not null)),
  check ((status = 'paid') = (paid_at is not null)),
  check ((status = 'void') = (voided_at is not null)),
  check (status not in ('draft', 'void') or allocated_cents = 0),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, job_id) references public.jobs (tenant_id, id),
  foreign key (tenant_id, recurring_invoice_id) references public.recurring_invoices (tenant_id, id),
  foreign key (tenant_id, quote_id) references public.quotes (tenant_id, id)
);
create unique index invoices_recurrence on public.invoices (tenant_id, recurring_invoice_id, recurring_on) where recurring_invoice_id is not null;
create index invoices_created on public.invoices (tenant_id, created_at, id);
create index invoices_updated on public.invoices (tenant_id, updated_at, id);
create index invoices_status on public.invoices (tenant_id, status, updated_at, id);
create index invoices_due on public.invoices (tenant_id, due_on, id) where status = 'open';
create index invoices_by_due on public.invoices (tenant_id, due_on, id) where due_on is not null;
create index invoices_contact on public.invoices (tenant_id, contact_id, created_at, id);
create index invoices_organization on public.invoices (tenant_id, organization_id, created_at, id);
create index invoices_job on public.invoices (tenant_id, job_id) where job_id is not null;
create index invoices_quote on public.invoices (tenant_id, quote_id) where quote_id is not null;
create index invoices_page on public.invoices (tenant_id, payment_page_ref) where payment_page_ref is not null;

create table public.invoice_lines (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  invoice_id uuid not null,
  position integer not null check (position >= 0),
  description text not null check (length(description) between 1 and 2000),
  service_id uuid,
  job_id uuid,
  -- In thousandths: 1.5 hours are 1500. Money and what it is multiplied with are whole numbers.
  quantity_thousandths bigint not null check (quantity_thousandths between 1 and 1000000000),
  unit_price_cents bigint not null,
  discount_bps integer not null default 0 check (discount_bps between 0 and 10000),
  tax_rate_bps integer not null default 0 check (tax_rate_bps between 0 and 10000),
  amount_cents bigint not null,
  tax_cents bigint not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id),
  foreign key (tenant_id, service_id) references public.services (tenant_id, id),
  foreign key (tenant_id, job_id) references public.jobs (tenant_id, id)
);
create unique index invoice_lines_position on public.invoice_lines (tenant_id, invoice_id, position);

alter table public.reminders add constraint reminders_invoice
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id);

-- What staff recorded so far was either due, which is an invoice, or paid, which is a payment (and an invoice, if it was due once).
alter table public.payments rename to staff_payments;
alter index public.payments_pkey rename to staff_payments_pkey;
drop trigger health_dirty_insert on public.staff_payments;
drop trigger health_dirty_update on public.staff_payments;
drop index public.payments_organization, public.payments_updated, public.payments_status;

create table public.payments (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('pending', 'succeeded', 'failed', 'canceled')),
  method text not null check (method in ('card', 'bank_transfer', 'cash', 'check', 'other')),
  provider text not null default 'staff' check (provider in ('staff', 'stripe')),
  provider_id text check (length(provider_id) <= 255),
  quote_id uuid,
  -- What it pays stands at the provider (a period of a subscription, an invoice of its own): it is nobody's credit here.
  settles_elsewhere boolean not null default false,
  -- The tax in it, of one that settles something elsewhere: what it pays here has its tax on the invoice.
  tax_cents bigint not null default 0 check (tax_cents between 0 and amount_cents),
  captured_at timestamptz,
  failed_at timestamptz,
  failure text check (length(failure) <= 500),
  -- Kept by triggers: what of it pays invoices, what was given back, what a lost dispute took; and what of these two came out of
  -- what pays invoices. The rest of it is the client's credit.
  -- What is on its way back (refunding) was asked for and is no fact yet: two may ask for more than there is, and one is refused.
  allocated_cents bigint not null default 0 check (allocated_cents >= 0),
  refunded_cents bigint not null default 0 check (refunded_cents >= 0),
  refunding_cents bigint not null default 0 check (refunding_cents >= 0),
  lost_cents bigint not null default 0 check (lost_cents >= 0),
  returned_cents bigint not null default 0 check (returned_cents >= 0),
  unapplied_cents bigint generated always as
    (case when status = 'succeeded' and not settles_elsewhere then amount_cents - allocated_cents - refunded_cents - lost_cents + returned_cents else 0 end) stored,
  open_disputes integer not null default 0 check (open_disputes >= 0),
  payment_state text not null generated always as (case
    when status <> 'succeeded' then status
    when open_disputes > 0 then 'disputed'
    when refunded_cents + lost_cents = amount_cents then 'refunded'
    when refunded_cents + lost_cents > 0 then 'partially_refunded'
    when settles_elsewhere then 'applied'
    when allocated_cents = 0 then 'unapplied'
    when allocated_cents < amount_cents then 'partially_applied'
    else 'applied' end) stored,
  note text check (length(note) <= 2000),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint payments_allocated check (allocated_cents <= amount_cents),
  constraint payments_refunded check (refunded_cents + lost_cents <= amount_cents),
  constraint payments_unapplied check (allocated_cents + refunded_cents + lost_cents - returned_cents <= amount_cents),
  check ((status = 'succeeded') = (captured_at is not null)),
  check (status = 'succeeded' or (allocated_cents = 0 and refunded_cents = 0 and refunding_cents = 0 and lost_cents = 0)),
  check ((provider = 'staff') = (provider_id is null)),
  check (settles_elsewhere or tax_cents = 0),
  check (not settles_elsewhere or (allocated_cents = 0 and provider <> 'staff')),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, quote_id) references public.quotes (tenant_id, id)
);
create unique index payments_provider on public.payments (tenant_id, provider, provider_id) where provider_id is not null;
create index payments_organization on public.payments (tenant_id, organization_id, created_at, id);
create index payments_contact on public.payments (tenant_id, contact_id, updated_at, id);
create index payments_updated on public.payments (tenant_id, updated_at, id);
create index payments_status on public.payments (tenant_id, status, updated_at, id);
create index payments_quote on public.payments (tenant_id, quote_id) where quote_id is not null;

-- What of a payment pays which invoice, and what of that was given back or lost since; reopened is what of those the invoice
-- asks for again. Taken back by released_at, never deleted.
create table public.allocations (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  payment_id uuid not null,
  invoice_id uuid not null,
  amount_cents bigint not null check (amount_cents > 0),
  refunded_cents bigint not null default 0 check (refunded_cents >= 0),
  lost_cents bigint not null default 0 check (lost_cents >= 0),
  reopened_cents bigint not null default 0 check (reopened_cents >= 0),
  released_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint allocations_returned check (refunded_cents + lost_cents <= amount_cents),
  constraint allocations_reopened check (reopened_cents <= refunded_cents + lost_cents),
  foreign key (tenant_id, payment_id) references public.payments (tenant_id, id),
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id)
);
create index allocations_payment on public.allocations (tenant_id, payment_id, created_at, id);
create index allocations_invoice on public.allocations (tenant_id, invoice_id, created_at, id);

create table public.refunds (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  payment_id uuid not null,
  invoice_id uuid,
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('pending', 'succeeded', 'failed', 'canceled')),
  reopen boolean not null default false,
  reason text check (length(reason) <= 2000),
  provider text not null default 'staff' check (provider in ('staff', 'stripe')),
  provider_id text check (length(provider_id) <= 255),
  failure text check (length(failure) <= 500),
  -- What of it came out of which allocation ({id: cents}), so that a refund the bank sends back puts it there again.
  parts jsonb not null default '{}',
  succeeded_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'succeeded') = (succeeded_at is not null)),
  foreign key (tenant_id, payment_id) references public.payments (tenant_id, id),
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id)
);
create unique index refunds_provider on public.refunds (tenant_id, provider, provider_id) where provider_id is not null;
create index refunds_payment on public.refunds (tenant_id, payment_id, created_at, id);
create index refunds_invoice on public.refunds (tenant_id, invoice_id) where invoice_id is not null;

create table public.disputes (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  payment_id uuid not null,
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('open', 'won', 'lost')),
  -- What it took once lost: no more than was there.
  lost_cents bigint not null default 0 check (lost_cents between 0 and amount_cents),
  reason text check (length(reason) <= 200),
  provider text not null default 'staff' check (provider in ('staff', 'stripe')),
  provider_id text check (length(provider_id) <= 255),
  opened_at timestamptz not null,
  closed_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'open') = (closed_at is null)),
  check (status = 'lost' or lost_cents = 0),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, payment_id) references public.payments (tenant_id, id)
);
create unique index disputes_provider on public.disputes (tenant_id, provider, provider_id) where provider_id is not null;
create index disputes_payment on public.disputes (tenant_id, payment_id, created_at, id);
create index disputes_organization on public.disputes (tenant_id, organization_id, opened_at, id);
create index disputes_status on public.disputes (tenant_id, status, updated_at, id);

-- A credit note: takes off an invoice what nobody is to pay.
create table public.credit_notes (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  invoice_id uuid not null,
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  reason text not null check (length(reason) between 1 and 2000),
  created_by uuid,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id)
);
create index credit_notes_invoice on public.credit_notes (tenant_id, invoice_id, created_at, id);

-- What a client is worth so far, line by line and never changed: money that paid for something, without its tax.
create table public.ledger_entries (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  kind text not null check (kind in ('payment', 'release', 'refund', 'dispute_lost', 'contact_moved')),
  amount_cents bigint not null,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  payment_id uuid,
  invoice_id uuid,
  source_key text not null check (length(source_key) between 1 and 200),
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint ledger_entries_once unique (tenant_id, source_key),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, payment_id) references public.payments (tenant_id, id),
  foreign key (tenant_id, invoice_id) references public.invoices (tenant_id, id)
);
create index ledger_entries_contact on public.ledger_entries (tenant_id, contact_id, occurred_at, id);
create index ledger_entries_organization on public.ledger_entries (tenant_id, organization_id, occurred_at, id);
create index ledger_entries_invoice on public.ledger_entries (tenant_id, invoice_id, id);

-- What staff recorded before: what is due or void is an invoice, numbered as they came; what was paid is a payment, and if it was
-- due once, an invoice that it pays. Now, while the tables below have no row security yet; the old ones' is lifted for it. Sums
-- are written as the triggers would, which come after this. A company's bill is its primary contact's.
alter table public.staff_payments no force row level security;
alter table public.contacts no force row level security;
alter table public.audit_log no force row level security;
alter table public.tenants no force row level security;
alter table public.contacts disable trigger user;

create function app.derived_id(p_id uuid, p_what text) returns uuid language sql immutable set search_path = ''
begin atomic
  -- As old as the row it is derived from.
  select overlay(p_id::text placing left(md5(p_id::text || ':' || p_what), 12) from 25)::uuid;
end;

insert into public.audit_log (tenant_id, id, actor_type, action, object_type, object_id, changes, at)
select s.tenant_id, app.derived_id(s.id, 'audit'), 'job', 'payment.converted', 'payment', s.id, jsonb_build_object('before', to_jsonb(s)), now()
  from public.staff_payments s;

insert into public.invoices (tenant_id, id, organization_id, contact_id, number, number_text, status, currency, subtotal_cents, total_cents,
                             allocated_cents, open_disputes, issued_on, due_on, opened_at, paid_at, voided_at, created_at, updated_at)
select b.tenant_id, b.invoice_id, b.organization_id, b.contact_id, b.number, 'INV-' || b.number,
       case b.status when 'due' then 'open' else b.status end, b.currency, b.amount_cents, b.amount_cents,
       case when b.status = 'paid' then b.amount_cents else 0 end,
       case when b.status = 'paid' and b.disputed_at is not null and b.dispute_closed_at is null then 1 else 0 end,
       (b.created_at at time zone 'UTC')::date, coalesce(b.due_on, (b.created_at at time zone 'UTC')::date), b.created_at, b.paid_at,
       case when b.status = 'void' then b.updated_at end, b.created_at, b.updated_at
  from (select s.*, case when s.status = 'paid' then app.derived_id(s.id, 'invoice') else s.id end as invoice_id,
               row_number() over (partition by s.tenant_id order by s.created_at, s.id) as number,
               (select c.id from public.contacts c
                 where c.tenant_id = s.tenant_id and c.organization_id = s.organization_id and c.is_primary and c.deleted_at is null
                 limit 1) as contact_id
          from public.staff_payments s where s.status <> 'paid' or s.due_on is not null) b;

insert into public.invoice_lines (tenant_id, id, invoice_id, position, description, quantity_thousandths, unit_price_cents, amount_cents, tax_cents)
select i.tenant_id, app.derived_id(i.id, 'line'), i.id, 0, 'Recorded before invoices', 1000, i.total_cents, i.total_cents, 0 from public.invoices i;

insert into public.billing_settings (tenant_id, last_number)
select i.tenant_id, max(i.number) from public.invoices i group by i.tenant_id;

insert into public.payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, provider, captured_at,
                             allocated_cents, open_disputes, note, version, created_at, updated_at)
select s.tenant_id, s.id, s.organization_id,
       (select c.id from public.contacts c
         where c.tenant_id = s.tenant_id and c.organization_id = s.organization_id and c.is_primary and c.deleted_at is null limit 1),
       s.amount_cents, s.currency, 'succeeded', 'other', 'staff', s.paid_at, case when s.due_on is not null then s.amount_cents else 0 end,
       case when s.disputed_at is not null and s.dispute_closed_at is null then 1 else 0 end, s.note, s.version, s.created_at, s.updated_at
  from public.staff_payments s where s.status = 'paid';

insert into public.allocations (tenant_id, id, payment_id, invoice_id, amount_cents, created_at)
select i.tenant_id, app.derived_id(p.id, 'allocation'), p.id, i.id, p.amount_cents, p.captured_at
  from public.payments p join public.invoices i on i.tenant_id = p.tenant_id and i.id = app.derived_id(p.id, 'invoice');

insert into public.ledger_entries (tenant_id, id, organization_id, contact_id, kind, amount_cents, currency, payment_id, invoice_id, source_key,
                                   occurred_at, created_at)
select p.tenant_id, app.derived_id(p.id, 'entry'), p.organization_id, p.contact_id, 'payment', a.amount_cents, p.currency, p.id, a.invoice_id,
       'payment:' || a.id, p.captured_at, p.captured_at
  from public.allocations a join public.payments p on p.tenant_id = a.tenant_id and p.id = a.payment_id;

update public.contacts c set ltv_cents = e.cents
  from (select x.tenant_id, x.contact_id, sum(x.amount_cents) as cents
          from public.ledger_entries x join public.tenants t on t.tenant_id = x.tenant_id and t.currency = x.currency group by 1, 2) e
 where c.tenant_id = e.tenant_id and c.id = e.contact_id;

-- A dispute that was closed left the money where it was: it was won.
insert into public.disputes (tenant_id, id, organization_id, payment_id, amount_cents, currency, status, opened_at, closed_at, created_at, updated_at)
select s.tenant_id, app.derived_id(s.id, 'dispute'), s.organization_id, s.id, s.amount_cents, s.currency,
       case when s.dispute_closed_at is null then 'open' else 'won' end, s.disputed_at, s.dispute_closed_at, s.disputed_at, s.updated_at
  from public.staff_payments s where s.status = 'paid' and s.disputed_at is not null;

drop table public.staff_payments;
drop function app.derived_id;
alter table public.contacts enable trigger user;
alter table public.audit_log force row level security;
alter table public.tenants force row level security;
alter table public.contacts force row level security;

call app.guard_tenant_tables(
  array['billing_settings', 'recurring_invoices', 'invoices', 'invoice_lines', 'payments', 'allocations', 'refunds', 'disputes', 'credit_notes', 'ledger_entries'],
  array['credit_notes', 'ledger_entries'], array['invoices', 'invoice_lines']);

-- A draft may be deleted, nothing that has a number.
create policy drafts on public.invoices as restrictive for delete to clientway_app, clientway_job using (status = 'draft');

-- How many seconds east of UTC the clocks of a zone are from a moment on, as Python's time zone database has it: the one that the
-- rest goes by. Written anew by every deployment (migrations/zones.py).
create table app.zone_offsets (zone text not null, since timestamptz not null, east integer not null, primary key (zone, since));
grant select on app.zone_offsets to clientway_app, clientway_job;

-- The tenant's day. A zone that Python does not know is taken as UTC, as it is there.
create function app.tenant_day(p_at timestamptz) returns date language sql stable set search_path = '' as $$
  select (p_at at time zone 'UTC' + coalesce((
    select z.east from app.zone_offsets z
     where z.zone = (select t.time_zone from public.tenants t where t.tenant_id = app.tenant()) and z.since <= p_at
     order by z.since desc limit 1), 0) * interval '1 second')::date
$$;

-- The sums. Each recounts all that a parent now has, under its row lock: a statement that writes several tables is summed up
-- once it is through, so whichever trigger comes first finds everything.

create procedure app.sum_payment(p_tenant uuid, p_payment uuid) language plpgsql set search_path = '' as $$
begin
  update public.payments p
     set allocated_cents = a.allocated, returned_cents = a.returned, refunded_cents = r.given, refunding_cents = r.asked,
         lost_cents = d.lost, open_disputes = d.open
    from (select coalesce(sum(x.amount_cents), 0) as allocated, coalesce(sum(x.refunded_cents + x.lost_cents), 0) as returned
            from public.allocations x where x.tenant_id = p_tenant and x.payment_id = p_payment and x.released_at is null) a,
         (select coalesce(sum(x.amount_cents) filter (where x.status = 'succeeded'), 0) as given,
                 coalesce(sum(x.amount_cents) filter (where x.status = 'pending'), 0) as asked
            from public.refunds x where x.tenant_id = p_tenant and x.payment_id = p_payment) r,
         (select coalesce(sum(x.lost_cents), 0) as lost, count(*) filter (where x.status = 'open') as open
            from public.disputes x where x.tenant_id = p_tenant and x.payment_id = p_payment) d
   where p.tenant_id = p_tenant and p.id = p_payment
     and (p.allocated_cents, p.returned_cents, p.refunded_cents, p.refunding_cents, p.lost_cents, p.open_disputes)
         is distinct from (a.allocated, a.returned, r.given, r.asked, d.lost, d.open);
end $$;

create procedure app.sum_invoice(p_tenant uuid, p_invoice uuid) language plpgsql set search_path = '' as $$
begin
  update public.invoices i
     set allocated_cents = a.allocated, refunded_cents = a.refunded, lost_cents = a.lost, reopened_cents = a.reopened, open_disputes = d.open
    from (select coalesce(sum(x.amount_cents), 0) as allocated, coalesce(sum(x.refunded_cents), 0) as refunded,
                 coalesce(sum(x.lost_cents), 0) as lost, coalesce(sum(x.reopened_cents), 0) as reopened
            from public.allocations x where x.tenant_id = p_tenant and x.invoice_id = p_invoice and x.released_at is null) a,
         (select count(*) as open from public.disputes x
           where x.tenant_id = p_tenant and x.status = 'open'
             and x.payment_id in (select y.payment_id from public.allocations y
                                   where y.tenant_id = p_tenant and y.invoice_id = p_invoice and y.released_at is null)) d
   where i.tenant_id = p_tenant and i.id = p_invoice
     and (i.allocated_cents, i.refunded_cents, i.lost_cents, i.reopened_cents, i.open_disputes)
         is distinct from (a.allocated, a.refunded, a.lost, a.reopened, d.open);
end $$;

create function app.sum_allocations() returns trigger language plpgsql set search_path = '' as $$
begin
  call app.sum_payment(new.tenant_id, new.payment_id);
  call app.sum_invoice(new.tenant_id, new.invoice_id);
  return null;
end $$;
create trigger sums after insert or update on public.allocations for each row execute function app.sum_allocations();

create function app.sum_refunds() returns trigger language plpgsql set search_path = '' as $$
begin
  call app.sum_payment(new.tenant_id, new.payment_id);
  return null;
end $$;
create trigger sums after insert or update on public.refunds for each row execute function app.sum_refunds();

create function app.sum_disputes() returns trigger language plpgsql set search_path = '' as $$
declare one uuid;
begin
  call app.sum_payment(new.tenant_id, new.payment_id);
  for one in select distinct a.invoice_id from public.allocations a
              where a.tenant_id = new.tenant_id and a.payment_id = new.payment_id and a.released_at is null order by 1 loop
    call app.sum_invoice(new.tenant_id, one);
  end loop;
  return null;
end $$;
create trigger sums after insert or update on public.disputes for each row execute function app.sum_disputes();

-- What is paid owes nothing. Looked at when a transaction ends: sums change before the status that follows from them.
create function app.check_paid() returns trigger language plpgsql set search_path = '' as $$
begin
  if exists (select from public.invoices i
              where i.tenant_id = new.tenant_id and i.id = new.id and i.status = 'paid' and i.balance_cents <> 0) then
    raise check_violation using message = 'a paid invoice owes something', constraint = 'invoices_paid', table = 'invoices';
  end if;
  return null;
end $$;
create constraint trigger invoices_paid after insert or update on public.invoices deferrable initially deferred
  for each row when (new.status = 'paid' and new.balance_cents <> 0) execute function app.check_paid();

create function app.sum_credits() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.invoices i set credited_cents = (
    select coalesce(sum(c.amount_cents), 0) from public.credit_notes c where c.tenant_id = i.tenant_id and c.invoice_id = i.id)
   where i.tenant_id = new.tenant_id and i.id = new.invoice_id;
  return null;
end $$;
create trigger sums after insert on public.credit_notes for each row execute function app.sum_credits();

-- In the tenant's currency alone: dollars and euros do not add up.
create function app.sum_ledger() returns trigger language plpgsql set search_path = '' as $$
begin
  update public.contacts c set ltv_cents = c.ltv_cents + s.amount
    from (select r.tenant_id, r.contact_id, sum(r.amount_cents) as amount
            from added r join public.tenants t on t.tenant_id = r.tenant_id and t.currency = r.currency
           where r.contact_id is not null group by 1, 2) s
   where c.tenant_id = s.tenant_id and c.id = s.contact_id;
  return null;
end $$;
create trigger sums after insert on public.ledger_entries referencing new table as added for each statement execute function app.sum_ledger();

-- Health counts invoices and disputes.
do $$
declare t text;
begin
  foreach t in array array['invoices', 'disputes'] loop
    execute format('create trigger health_dirty_insert after insert on public.%I referencing new table as changed for each statement execute function app.mark_health_dirty()', t);
    execute format('create trigger health_dirty_update after update on public.%I referencing new table as changed for each statement execute function app.mark_health_dirty()', t);
  end loop;
end $$;

reset role;
