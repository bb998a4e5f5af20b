-- Stripe, one account for each tenant; no key and no signing secret ever stands in the database (they lie encrypted where only
-- the senders outside the network read them). What was heard of each object is kept, so that it counts once and never goes back.

grant create on schema app to clientway_auth;
set role clientway_owner;

create table public.stripe_accounts (
  tenant_id uuid not null default app.tenant() references public.tenants,
  -- Names the webhook's path and the place of the secrets; unguessable, and no secret.
  endpoint_id uuid not null,
  mode text not null check (mode in ('key', 'connect')),
  status text not null check (status in ('pending', 'connected', 'restricted', 'failed', 'disconnected')),
  account_id text check (account_id ~ '^acct_[A-Za-z0-9]{1,250}$'),
  livemode boolean,
  key_hint text check (length(key_hint) <= 20),
  onboarding_url text check (length(onboarding_url) <= 2000),
  error text check (length(error) <= 500),
  -- What can still be paid at accounts that were given up: it takes a while until all their pages are closed.
  open_pages integer not null default 0 check (open_pages >= 0),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id),
  constraint stripe_accounts_endpoint unique (endpoint_id)
);
-- An account is one tenant's: its events could not be told apart otherwise.
create unique index stripe_accounts_account on public.stripe_accounts (account_id) where account_id is not null and status <> 'disconnected';
create index stripe_accounts_closing on public.stripe_accounts (account_id) where open_pages > 0;

-- Each event that had its effect, in the transaction of the effect.
create table public.stripe_events (
  tenant_id uuid not null default app.tenant() references public.tenants,
  event_id text not null check (length(event_id) between 1 and 255),
  type text not null check (length(type) <= 100),
  object_id text check (length(object_id) <= 255),
  outcome text not null check (outcome in ('applied', 'unchanged', 'ignored', 'unknown_object')),
  detail text check (length(detail) <= 500),
  received_at timestamptz not null default now(),
  primary key (tenant_id, event_id)
);
create index stripe_events_received on public.stripe_events (tenant_id, received_at, event_id);

-- The newest state that was fetched of each object: an older one that arrives later changes nothing.
create table public.stripe_objects (
  tenant_id uuid not null default app.tenant() references public.tenants,
  object_id text not null check (length(object_id) between 1 and 255),
  kind text not null check (length(kind) <= 60),
  fetched_at timestamptz not null,
  state_hash text not null,
  state jsonb not null default '{}',
  primary key (tenant_id, object_id)
);

create table public.stripe_plans (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  -- A price's lookup_key, or the value of its metadata's support_plan.
  lookup_key text not null check (length(lookup_key) between 1 and 200),
  support_plan_tier text not null check (support_plan_tier in ('core', 'professional', 'premium')),
  support_minutes_included integer not null default 0 check (support_minutes_included >= 0),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, lookup_key)
);
create index stripe_plans_created on public.stripe_plans (tenant_id, created_at, id);

create table public.subscriptions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  provider text not null default 'stripe' check (provider in ('stripe')),
  provider_id text not null check (length(provider_id) between 1 and 255),
  provider_customer_id text check (length(provider_customer_id) <= 255),
  status text not null check (status in ('trialing', 'active', 'past_due', 'incomplete', 'incomplete_expired', 'unpaid', 'paused', 'canceled')),
  support_plan_tier text not null default 'none' check (support_plan_tier in ('none', 'core', 'professional', 'premium')),
  lookup_key text check (length(lookup_key) <= 200),
  mrr_cents bigint not null default 0 check (mrr_cents >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  current_period_start timestamptz,
  current_period_end timestamptz,
  ends_at timestamptz,
  ended_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  constraint subscriptions_provider unique (tenant_id, provider, provider_id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);
create index subscriptions_organization on public.subscriptions (tenant_id, organization_id, created_at, id);
create index subscriptions_customer on public.subscriptions (tenant_id, provider_customer_id) where provider_customer_id is not null;
create index subscriptions_status on public.subscriptions (tenant_id, status, updated_at, id);

alter table public.client_accounts
  add column support_period_start timestamptz,
  add column plan_ends_at timestamptz;

call app.guard_tenant_tables(
  array['stripe_accounts', 'stripe_events', 'stripe_objects', 'stripe_plans', 'subscriptions'], array['stripe_events'], array['stripe_plans']);

create policy auth on public.stripe_accounts to clientway_auth using (true) with check (false);
grant select on public.stripe_accounts to clientway_auth;

reset role;
set role clientway_auth;

-- Whose event it is: the webhook's own path says it, or, for accounts connected to the platform's, the account. One that was given
-- up is heard until its last page is closed, unless it is another tenant's by then.
create function app.stripe_tenant(p_endpoint uuid, p_account text) returns uuid
language sql stable security definer set search_path = ''
begin atomic
  select a.tenant_id from public.stripe_accounts a
   where (p_endpoint is not null and a.endpoint_id = p_endpoint)
      or (p_endpoint is null and a.mode = 'connect' and a.account_id = p_account and (a.status <> 'disconnected' or a.open_pages > 0))
   order by a.status = 'disconnected' limit 1;
end;

reset role;
revoke create on schema app from clientway_auth;
revoke all on function app.stripe_tenant(uuid, text) from public;
grant execute on function app.stripe_tenant(uuid, text) to clientway_job;
