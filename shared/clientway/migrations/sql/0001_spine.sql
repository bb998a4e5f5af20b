-- The spine: tenancy, credentials, organizations with their locations, contacts and timeline, client accounts, imports.
--
-- Every tenant table has tenant_id first in its keys and foreign keys (foreign-key checks ignore row security), a
-- default of app.tenant() so that no insert names its tenant by hand, and only leakproof types in its search columns
-- (text + CHECK in place of enums, bigint cents): anything else loses its index under row security.

create schema app authorization clientway_owner;
create schema identity authorization clientway_identity;
grant usage on schema app to clientway_app, clientway_job, clientway_search, clientway_auth, clientway_identity;
grant usage on schema public to clientway_app, clientway_job, clientway_search, clientway_auth, clientway_identity;
grant create on schema public, app to clientway_owner;

set role clientway_owner;

create function app.tenant() returns uuid language sql stable parallel safe
  return nullif(current_setting('app.tenant_id', true), '')::uuid;
comment on function app.tenant() is 'The tenant of this transaction, null outside one: unset sees nothing. nullif because the setting reads '''' after a session''s first transaction.';

-- Tenancy, credentials ------------------------------------------------------------------------------------------------

create table public.tenants (
  tenant_id uuid primary key,
  name text not null check (length(name) between 1 and 200),
  slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,62})$'),
  time_zone text not null default 'UTC',
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  phone_region text not null default 'US' check (phone_region ~ '^[A-Z]{2}$'),
  counts_machine_opens boolean not null default false,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Staff are known once by e-mail and act for tenants through memberships.
create table public.users (
  id uuid primary key,
  email text not null,
  email_norm text not null unique,
  name text not null default '',
  oidc_issuer text,
  oidc_subject text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (oidc_issuer, oidc_subject)
);

create table public.memberships (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  user_id uuid not null references public.users,
  role text not null check (role in ('admin', 'editor', 'viewer')),
  revoked_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, user_id)
);
create index memberships_user on public.memberships (user_id);
create index memberships_created on public.memberships (tenant_id, created_at, id) where revoked_at is null;

create table public.sessions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  user_id uuid not null,
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  method text not null check (method in ('oidc', 'email_link', 'email_code')),
  user_agent text,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, user_id) references public.memberships (tenant_id, user_id)
);
create index sessions_user on public.sessions (tenant_id, user_id, created_at, id);

create table public.api_keys (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 200),
  prefix text not null,
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  role text not null check (role in ('admin', 'editor', 'viewer')),
  created_by uuid,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  revoked_at timestamptz,
  primary key (tenant_id, id)
);
create index api_keys_created on public.api_keys (tenant_id, created_at, id);

-- Organizations and what belongs to them ------------------------------------------------------------------------------

create table public.reps (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  slug text not null,
  name text not null check (length(name) between 1 and 200),
  email text,
  phone text,
  user_id uuid,
  active boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, slug),
  foreign key (tenant_id, user_id) references public.memberships (tenant_id, user_id)
);

create table public.organizations (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  legal_name text not null check (length(legal_name) between 1 and 300),
  dba_name text check (length(dba_name) <= 300),
  slug text not null,
  entity_type text check (entity_type in ('single_location', 'multi_location', 'franchise', 'group')),
  industry text not null default 'restaurant',
  lifecycle_stage text not null default 'lead' check (lifecycle_stage in
    ('lead', 'prospect', 'mql', 'sql', 'opportunity', 'client', 'churned', 'blacklist')),
  lifecycle_changed_at timestamptz not null default now(),
  lifecycle_changed_by text,
  lifecycle_sequence integer not null default 0,
  source text,
  source_id text,
  source_campaign text,
  hubspot_company_id text,
  stripe_customer_id text,
  square_customer_id text,
  assigned_rep_id uuid,
  notes text check (length(notes) <= 20000),
  name_norm text not null,
  search_text text not null,
  data_completeness integer not null default 0 check (data_completeness between 0 and 100),
  missing_fields text[] not null default '{}',
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, slug),
  foreign key (tenant_id, assigned_rep_id) references public.reps (tenant_id, id)
);
create unique index organizations_hubspot on public.organizations (tenant_id, hubspot_company_id) where hubspot_company_id is not null and deleted_at is null;
create unique index organizations_stripe on public.organizations (tenant_id, stripe_customer_id) where stripe_customer_id is not null and deleted_at is null;
create unique index organizations_source_key on public.organizations (tenant_id, source, source_id) where source_id is not null and deleted_at is null;
create index organizations_updated on public.organizations (tenant_id, updated_at, id);
create index organizations_created on public.organizations (tenant_id, created_at, id);
create index organizations_name on public.organizations (tenant_id, name_norm collate "C", id);
create index organizations_stage on public.organizations (tenant_id, lifecycle_stage, updated_at, id);
create index organizations_source on public.organizations (tenant_id, source, updated_at, id);
create index organizations_rep on public.organizations (tenant_id, assigned_rep_id, updated_at, id);
create index organizations_search on public.organizations using gin (tenant_id, search_text gin_trgm_ops);

create table public.organization_tags (
  tenant_id uuid not null default app.tenant() references public.tenants,
  organization_id uuid not null,
  tag text not null check (length(tag) between 1 and 60),
  primary key (tenant_id, organization_id, tag),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);
create index organization_tags_tag on public.organization_tags (tenant_id, tag, organization_id);

create table public.locations (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  name text not null check (length(name) between 1 and 300),
  slug text not null,
  address_line1 text, city text, state text, zip text,
  country text not null default 'US' check (country ~ '^[A-Z]{2}$'),
  latitude double precision check (latitude between -90 and 90),
  longitude double precision check (longitude between -180 and 180),
  phone text, phone_e164 text, email text, email_norm text, website_url text,
  cuisine_primary text, service_style text, menu_complexity text,
  pos_system text, pos_account_id text,
  seating_capacity integer check (seating_capacity >= 0),
  employee_count integer check (employee_count >= 0),
  estimated_annual_revenue_cents bigint check (estimated_annual_revenue_cents >= 0),
  avg_check_size_cents bigint check (avg_check_size_cents >= 0),
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  is_primary boolean not null default false,
  status text not null default 'active' check (status in ('active', 'closed')),
  address_key text,
  last_enriched_at timestamptz,
  data_completeness integer not null default 0 check (data_completeness between 0 and 100),
  missing_fields text[] not null default '{}',
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, slug),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);
create unique index locations_one_primary on public.locations (tenant_id, organization_id) where is_primary and deleted_at is null;
create index locations_organization on public.locations (tenant_id, organization_id, created_at, id);
create index locations_state on public.locations (tenant_id, state, organization_id);
create index locations_pos on public.locations (tenant_id, pos_system, organization_id);
create index locations_phone on public.locations (tenant_id, phone_e164) where phone_e164 is not null;
create index locations_address on public.locations (tenant_id, address_key) where address_key is not null;

create table public.contacts (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid,
  location_id uuid,
  first_name text check (length(first_name) <= 200),
  last_name text check (length(last_name) <= 200),
  email text, email_norm text, phone text, phone_e164 text,
  title text,
  role_type text check (role_type in ('owner', 'gm', 'manager', 'chef', 'accounting', 'other')),
  is_primary boolean not null default false,
  is_decision_maker boolean not null default false,
  portal_enabled boolean not null default false,
  slug text not null,
  preferred_contact_method text check (preferred_contact_method in ('email', 'phone', 'sms')),
  do_not_contact boolean not null default false,
  unsubscribed_at timestamptz,
  hubspot_contact_id text,
  last_contacted_at timestamptz,
  total_emails_received integer not null default 0,
  total_emails_opened integer not null default 0,
  status text not null default 'active' check (status in ('active', 'inactive')),
  source text,
  source_id text,
  name_norm text not null,
  search_text text not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, slug),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, location_id) references public.locations (tenant_id, id)
);
create unique index contacts_email on public.contacts (tenant_id, email_norm) where email_norm is not null and deleted_at is null;
create unique index contacts_hubspot on public.contacts (tenant_id, hubspot_contact_id) where hubspot_contact_id is not null and deleted_at is null;
create unique index contacts_one_primary on public.contacts (tenant_id, organization_id) where is_primary and deleted_at is null;
create index contacts_organization on public.contacts (tenant_id, organization_id, created_at, id);
create index contacts_updated on public.contacts (tenant_id, updated_at, id);
create index contacts_created on public.contacts (tenant_id, created_at, id);
create index contacts_name on public.contacts (tenant_id, name_norm collate "C", id);
create index contacts_phone on public.contacts (tenant_id, phone_e164) where phone_e164 is not null;
create index contacts_search on public.contacts using gin (tenant_id, search_text gin_trgm_ops);

create table public.portal_sessions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  user_agent text,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);

-- One-time sign-in by e-mail, for staff (user_id) and for portal contacts (contact_id). Only hashes are kept; the link
-- opens a session only in the browser that asked for it (nonce), the code is for another device.
create table public.sign_in_links (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  user_id uuid,
  contact_id uuid,
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  code_hash text not null,
  nonce_hash text not null,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, id),
  check (num_nonnulls(user_id, contact_id) = 1),
  foreign key (tenant_id, user_id) references public.memberships (tenant_id, user_id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index sign_in_links_nonce on public.sign_in_links (nonce_hash);

create table public.client_accounts (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  client_since timestamptz not null,
  status text not null default 'active' check (status in ('active', 'paused', 'cancelled', 'churned')),
  support_plan_tier text not null default 'none' check (support_plan_tier in ('none', 'core', 'professional', 'premium')),
  support_plan_status text not null default 'inactive' check (support_plan_status in ('inactive', 'active', 'paused', 'cancelled')),
  support_plan_started_at timestamptz,
  support_minutes_included integer not null default 0 check (support_minutes_included >= 0),
  support_minutes_used integer not null default 0 check (support_minutes_used >= 0),
  stripe_subscription_id text,
  mrr_cents bigint not null default 0 check (mrr_cents >= 0),
  total_revenue_cents bigint not null default 0,
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  health_score integer not null default 50 check (health_score between 0 and 100),
  health_trend text not null default 'stable' check (health_trend in ('improving', 'stable', 'declining')),
  churn_risk text not null default 'medium' check (churn_risk in ('low', 'medium', 'high', 'critical')),
  health_confidence numeric(4, 3) not null default 0,
  health_computed_at timestamptz,
  health_dirty_at timestamptz default now(),
  nps_score integer check (nps_score between -100 and 100),
  last_activity_at timestamptz,
  last_support_ticket_at timestamptz,
  assigned_rep_id uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, organization_id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, assigned_rep_id) references public.reps (tenant_id, id)
);
create unique index client_accounts_subscription on public.client_accounts (tenant_id, stripe_subscription_id) where stripe_subscription_id is not null;
create index client_accounts_updated on public.client_accounts (tenant_id, updated_at, id);
create index client_accounts_created on public.client_accounts (tenant_id, created_at, id);
create index client_accounts_status on public.client_accounts (tenant_id, status, updated_at, id);
create index client_accounts_tier on public.client_accounts (tenant_id, support_plan_tier, updated_at, id);
create index client_accounts_risk on public.client_accounts (tenant_id, churn_risk, updated_at, id);
create index client_accounts_rep on public.client_accounts (tenant_id, assigned_rep_id, updated_at, id);
create index client_accounts_dirty on public.client_accounts (tenant_id, health_dirty_at, id) where health_dirty_at is not null;
create index client_accounts_computed on public.client_accounts (tenant_id, health_computed_at, id);

create table public.health_snapshots (
  tenant_id uuid not null default app.tenant() references public.tenants,
  client_account_id uuid not null,
  day date not null,
  score integer not null check (score between 0 and 100),
  risk text not null check (risk in ('low', 'medium', 'high', 'critical')),
  confidence numeric(4, 3) not null,
  inputs jsonb not null,
  formula_version text not null,
  computed_at timestamptz not null,
  primary key (tenant_id, client_account_id, day),
  foreign key (tenant_id, client_account_id) references public.client_accounts (tenant_id, id)
);

-- The timeline and the chain of stages --------------------------------------------------------------------------------

create table public.activities (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid,
  contact_id uuid,
  client_account_id uuid,
  activity_type text not null check (activity_type in (
    'email_sent', 'email_opened', 'email_clicked', 'email_replied', 'call_outbound', 'call_inbound',
    'meeting_scheduled', 'meeting_completed', 'quote_sent', 'quote_viewed', 'quote_accepted', 'deal_created',
    'deal_stage_changed', 'deal_won', 'deal_lost', 'ticket_created', 'ticket_resolved', 'portal_login',
    'document_downloaded', 'stage_changed', 'note_added')),
  title text not null check (length(title) between 1 and 500),
  description text check (length(description) <= 20000),
  metadata jsonb not null default '{}',
  machine boolean not null default false,
  client_visible boolean not null default false,
  performed_by_type text not null,
  performed_by_id uuid,
  event_key text check (length(event_key) <= 255),
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, client_account_id) references public.client_accounts (tenant_id, id)
);
create unique index activities_event on public.activities (tenant_id, event_key) where event_key is not null;
create index activities_timeline on public.activities (tenant_id, organization_id, occurred_at, id);
create index activities_type on public.activities (tenant_id, organization_id, activity_type, occurred_at, id);
create index activities_contact on public.activities (tenant_id, contact_id, occurred_at, id);

create table public.lifecycle_transitions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  sequence integer not null,
  from_stage text not null,
  to_stage text not null,
  trigger text not null,
  automatic boolean not null,
  reason text check (length(reason) <= 2000),
  event_key text,
  actor_type text not null,
  actor_id uuid,
  changed_at timestamptz not null,
  seconds_in_stage bigint not null check (seconds_in_stage >= 0),
  primary key (tenant_id, id),
  unique (tenant_id, organization_id, sequence),
  check (from_stage <> to_stage),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);

-- What the activity types and the health score need to exist ----------------------------------------------------------

create table public.deals (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  name text not null check (length(name) between 1 and 300),
  stage text not null default 'qualification' check (stage in ('qualification', 'proposal', 'negotiation')),
  status text not null default 'open' check (status in ('open', 'won', 'lost')),
  amount_cents bigint not null default 0 check (amount_cents >= 0),
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  probability integer not null default 10 check (probability between 0 and 100),
  expected_close_on date,
  closed_at timestamptz,
  lost_reason text check (length(lost_reason) <= 2000),
  owner_rep_id uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'open') = (closed_at is null)),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, owner_rep_id) references public.reps (tenant_id, id)
);
create index deals_organization on public.deals (tenant_id, organization_id, created_at, id);
create index deals_owner on public.deals (tenant_id, owner_rep_id, updated_at, id);
create index deals_updated on public.deals (tenant_id, updated_at, id);
create index deals_status on public.deals (tenant_id, status, updated_at, id);

create table public.quotes (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  deal_id uuid not null,
  organization_id uuid not null,
  title text not null check (length(title) between 1 and 300),
  amount_cents bigint not null check (amount_cents >= 0),
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  status text not null default 'draft' check (status in ('draft', 'sent', 'viewed', 'accepted', 'declined')),
  valid_until date,
  sent_at timestamptz, viewed_at timestamptz, accepted_at timestamptz, declined_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, deal_id) references public.deals (tenant_id, id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);
create index quotes_deal on public.quotes (tenant_id, deal_id, created_at, id);
create index quotes_organization on public.quotes (tenant_id, organization_id, created_at, id);

create table public.tickets (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  subject text not null check (length(subject) between 1 and 300),
  description text check (length(description) <= 20000),
  status text not null default 'open' check (status in ('open', 'pending', 'resolved')),
  priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
  csat integer check (csat between 1 and 5),
  csat_at timestamptz,
  resolved_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'resolved') = (resolved_at is not null)),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index tickets_organization on public.tickets (tenant_id, organization_id, created_at, id);
create index tickets_status on public.tickets (tenant_id, status, updated_at, id);
create index tickets_updated on public.tickets (tenant_id, updated_at, id);

create table public.nps_answers (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid,
  score integer not null check (score between 0 and 10),
  comment text check (length(comment) <= 5000),
  answered_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index nps_answers_organization on public.nps_answers (tenant_id, organization_id, answered_at, id);

create table public.referrals (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  referred_organization_id uuid,
  referred_name text not null check (length(referred_name) between 1 and 300),
  status text not null default 'received' check (status in ('received', 'converted', 'declined')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check (organization_id <> referred_organization_id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, referred_organization_id) references public.organizations (tenant_id, id)
);
create index referrals_organization on public.referrals (tenant_id, organization_id, created_at, id);

-- Money that is due or came in, as staff record it; invoices and the payment provider follow in an issue of their own.
create table public.payments (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  amount_cents bigint not null check (amount_cents > 0),
  currency text not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  status text not null check (status in ('due', 'paid', 'void')),
  due_on date,
  paid_at timestamptz,
  disputed_at timestamptz,
  dispute_closed_at timestamptz,
  note text check (length(note) <= 2000),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check ((status = 'paid') = (paid_at is not null)),
  check (status <> 'due' or due_on is not null),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id)
);
create index payments_organization on public.payments (tenant_id, organization_id, created_at, id);
create index payments_updated on public.payments (tenant_id, updated_at, id);
create index payments_status on public.payments (tenant_id, status, updated_at, id);

-- Effects, audit, retries ---------------------------------------------------------------------------------------------

create table public.outbox (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  topic text not null,
  payload jsonb not null,
  available_at timestamptz not null default now(),
  attempts integer not null default 0,
  lease_until timestamptz,
  lease_token uuid,
  sent_at timestamptz,
  last_error text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index outbox_pending on public.outbox (available_at) where sent_at is null;

create table public.audit_log (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  actor_type text not null,
  actor_id uuid,
  action text not null,
  object_type text not null,
  object_id uuid,
  changes jsonb not null default '{}',
  request_id text,
  at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index audit_log_object on public.audit_log (tenant_id, object_type, object_id, at, id);

create table public.idempotency_keys (
  tenant_id uuid not null default app.tenant() references public.tenants,
  principal text not null,
  method text not null,
  route text not null,
  key text not null check (length(key) between 1 and 255),
  fingerprint text not null,
  status integer,
  headers jsonb,
  body text,
  created_at timestamptz not null default now(),
  primary key (tenant_id, principal, method, route, key)
);
create index idempotency_keys_created on public.idempotency_keys (created_at);

-- Imports -------------------------------------------------------------------------------------------------------------

create table public.imports (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  status text not null check (status in ('awaiting_upload', 'previewing', 'previewed', 'queued', 'running', 'completed', 'cancelled', 'failed', 'undoing', 'undone')),
  source text not null check (length(source) between 1 and 100),
  filename text not null check (length(filename) <= 255),
  object_key text,
  inline_content bytea,
  content_sha256 text,
  columns jsonb,
  mapping jsonb,
  options jsonb not null default '{}',
  preview jsonb,
  rows_total integer not null default 0,
  rows_done integer not null default 0,
  created_count integer not null default 0,
  updated_count integer not null default 0,
  skipped_count integer not null default 0,
  failed_count integer not null default 0,
  undone_count integer not null default 0,
  error text,
  created_by uuid,
  started_at timestamptz,
  finished_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create index imports_created on public.imports (tenant_id, created_at, id);
create index imports_status on public.imports (tenant_id, status, created_at, id);

create table public.import_rows (
  tenant_id uuid not null default app.tenant() references public.tenants,
  import_id uuid not null,
  row_number integer not null,
  outcome text not null check (outcome in ('created', 'updated', 'skipped', 'failed')),
  reason text,
  cells jsonb,
  organization_id uuid,
  location_id uuid,
  contact_id uuid,
  undo jsonb,
  undone_at timestamptz,
  primary key (tenant_id, import_id, row_number),
  foreign key (tenant_id, import_id) references public.imports (tenant_id, id)
);
create index import_rows_outcome on public.import_rows (tenant_id, import_id, outcome, row_number);

create table public.import_mappings (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 100),
  mapping jsonb not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, name)
);

-- Restaurants' old portal and reports read this shape (seed 0, phase 4); it runs with the reader's rights.
create view public.clients_legacy with (security_invoker = true) as
  select o.tenant_id, o.id, o.dba_name as name, o.legal_name as company, c.email, c.phone, c.slug,
         a.support_plan_tier, a.support_plan_status, a.health_score
    from public.organizations o
    left join public.contacts c on c.tenant_id = o.tenant_id and c.organization_id = o.id and c.is_primary and c.deleted_at is null
    left join public.client_accounts a on a.tenant_id = o.tenant_id and a.organization_id = o.id
   where o.lifecycle_stage = 'client' and o.deleted_at is null;

-- An account's score is worked out again once something it counts has changed. Statement-level: a bulk import marks once.
create function app.mark_health_dirty() returns trigger language plpgsql set search_path = '' as $$
begin
  -- Marked also if it is marked: the row lock makes us wait for a recalculation that has not seen this change and is
  -- about to clear the mark. Locked in one order, so that two bulk changes cannot deadlock.
  update public.client_accounts a set health_dirty_at = clock_timestamp()
    from (select x.id from public.client_accounts x
           where x.tenant_id = app.tenant() and x.organization_id in (select r.organization_id from changed r)
           order by x.id for no key update) locked
   where a.tenant_id = app.tenant() and a.id = locked.id;
  return null;
end $$;

-- Row security --------------------------------------------------------------------------------------------------------

do $$
declare t text;
begin
  foreach t in array array['tenants', 'memberships', 'sessions', 'api_keys', 'reps', 'organizations', 'organization_tags',
    'locations', 'contacts', 'portal_sessions', 'sign_in_links', 'client_accounts', 'health_snapshots', 'activities',
    'lifecycle_transitions', 'deals', 'quotes', 'tickets', 'nps_answers', 'referrals', 'payments', 'outbox', 'audit_log',
    'idempotency_keys', 'imports', 'import_rows', 'import_mappings'] loop
    execute format('alter table public.%I enable row level security', t);
    execute format('alter table public.%I force row level security', t);
    execute format($p$create policy tenant on public.%I to clientway_app, clientway_job
      using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
      with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
    execute format('grant select, insert on public.%I to clientway_app, clientway_job', t);
    -- What is a record of the past stays as written: no update, no delete, not even by a defect.
    if t not in ('activities', 'lifecycle_transitions', 'audit_log') then
      execute format('grant update on public.%I to clientway_app, clientway_job', t);
    end if;
  end loop;
  foreach t in array array['activities', 'tickets', 'nps_answers', 'referrals', 'payments'] loop
    execute format('create trigger health_dirty_insert after insert on public.%I referencing new table as changed for each statement execute function app.mark_health_dirty()', t);
    if t <> 'activities' then
      execute format('create trigger health_dirty_update after update on public.%I referencing new table as changed for each statement execute function app.mark_health_dirty()', t);
    end if;
  end loop;
end $$;
revoke insert on public.tenants from clientway_app, clientway_job;
grant delete on public.organization_tags, public.import_mappings to clientway_app, clientway_job;
grant delete on public.idempotency_keys, public.sign_in_links to clientway_job;
grant select on public.clients_legacy to clientway_app, clientway_job;

alter table public.users enable row level security;
alter table public.users force row level security;
create policy colleagues on public.users for select to clientway_app, clientway_job
  using (exists (select from public.memberships m where m.user_id = users.id));
grant select on public.users to clientway_app, clientway_job;

-- The role that resolves credentials and hands out work over all tenants sees just these tables, through just the
-- functions below.
do $$
declare t text;
begin
  foreach t in array array['tenants', 'users', 'memberships', 'sessions', 'api_keys', 'portal_sessions', 'sign_in_links', 'contacts', 'outbox'] loop
    execute format('create policy auth on public.%I to clientway_auth using (true) with check (true)', t);
    execute format('grant select, insert, update on public.%I to clientway_auth', t);
  end loop;
  foreach t in array array['organizations', 'contacts'] loop
    execute format('create policy search on public.%I for select to clientway_search using (true)', t);
    execute format('grant select on public.%I to clientway_search', t);
  end loop;
end $$;

reset role;
grant create on schema app to clientway_auth, clientway_search, clientway_identity;

-- Credentials ---------------------------------------------------------------------------------------------------------

set role clientway_auth;

create function app.enter(p_token_hash text, p_roles text[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  c record;
begin
  select k.tenant_id, 'api_key' as kind, k.id as credential_id, k.id as actor_id, k.role, k.name into c
    from public.api_keys k
   where k.token_hash = p_token_hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > now());
  if found then
    update public.api_keys set last_used_at = now() where (tenant_id, id) in (
      select k.tenant_id, k.id from public.api_keys k where k.tenant_id = c.tenant_id and k.id = c.credential_id
         and (k.last_used_at is null or k.last_used_at < now() - interval '1 minute') for no key update skip locked);
  else
    select s.tenant_id, 'user' as kind, s.id as credential_id, s.user_id as actor_id, m.role, u.name into c
      from public.sessions s
      join public.memberships m on m.tenant_id = s.tenant_id and m.user_id = s.user_id and m.revoked_at is null
      join public.users u on u.id = s.user_id
     where s.token_hash = p_token_hash and s.revoked_at is null and s.expires_at > now() and s.last_seen_at > now() - interval '30 minutes';
    if found then
      update public.sessions set last_seen_at = now() where (tenant_id, id) in (
        select s.tenant_id, s.id from public.sessions s where s.tenant_id = c.tenant_id and s.id = c.credential_id
           and s.last_seen_at < now() - interval '1 minute' for no key update skip locked);
    else
      select p.tenant_id, 'portal' as kind, p.id as credential_id, p.contact_id as actor_id, 'portal' as role,
             concat_ws(' ', t.first_name, t.last_name) as name into c
        from public.portal_sessions p
        join public.contacts t on t.tenant_id = p.tenant_id and t.id = p.contact_id and t.portal_enabled and t.deleted_at is null
       where p.token_hash = p_token_hash and p.revoked_at is null and p.expires_at > now() and p.last_seen_at > now() - interval '30 minutes';
      if not found then
        raise exception using errcode = 'CW401', message = 'no such credential';
      end if;
      update public.portal_sessions set last_seen_at = now() where (tenant_id, id) in (
        select p.tenant_id, p.id from public.portal_sessions p where p.tenant_id = c.tenant_id and p.id = c.credential_id
           and p.last_seen_at < now() - interval '1 minute' for no key update skip locked);
    end if;
  end if;
  if c.role <> all (p_roles) then
    raise exception using errcode = 'CW403', message = 'role ' || c.role || ' may not do this';
  end if;
  perform set_config('app.tenant_id', c.tenant_id::text, true), set_config('app.principal', c.kind || ':' || c.actor_id, true),
          set_config('app.role', c.role, true), set_config('app.credential', c.credential_id::text, true);
  return jsonb_build_object('tenant_id', c.tenant_id, 'kind', c.kind, 'actor_id', c.actor_id, 'credential_id', c.credential_id, 'role', c.role, 'name', c.name);
end $$;
comment on function app.enter(text, text[]) is 'Resolves a credential to tenant, actor and role, refuses a role that is not allowed, and sets the tenant of this transaction only. Last-seen times move at most once a minute and never wait for a lock.';

create function app.enter_job(p_tenant uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
begin
  perform 1 from public.tenants where tenant_id = p_tenant;
  if not found then
    raise exception using errcode = 'CW401', message = 'no such tenant';
  end if;
  perform set_config('app.tenant_id', p_tenant::text, true), set_config('app.principal', 'job', true);
  return jsonb_build_object('tenant_id', p_tenant, 'kind', 'job', 'actor_id', null, 'credential_id', null, 'role', 'job', 'name', 'Clientway');
end $$;

create function app.all_tenants() returns setof uuid language sql stable security definer set search_path = ''
begin atomic
  select t.tenant_id from public.tenants t order by t.tenant_id;
end;

create function app.claim_outbox(p_limit integer, p_lease interval, p_token uuid) returns table (tenant_id uuid, id uuid, topic text, payload jsonb, attempts integer)
language sql security definer set search_path = '' as $$
  update public.outbox o
     set lease_until = now() + p_lease, lease_token = p_token, attempts = o.attempts + 1
    from (select b.tenant_id, b.id from public.outbox b
           where b.sent_at is null and b.available_at <= now() and (b.lease_until is null or b.lease_until < now())
           order by b.available_at limit p_limit for update skip locked) due
   where o.tenant_id = due.tenant_id and o.id = due.id
  returning o.tenant_id, o.id, o.topic, o.payload, o.attempts
$$;

-- The payload may carry a sign-in link: it is blanked once it has been handed over.
create function app.finish_outbox(p_ids uuid[], p_token uuid) returns integer
language sql security definer set search_path = '' as $$
  with done as (update public.outbox o set sent_at = now(), payload = '{}', lease_until = null
                 where o.id = any (p_ids) and o.lease_token = p_token and o.sent_at is null returning 1)
  select count(*)::integer from done
$$;

create function app.retry_outbox(p_id uuid, p_token uuid, p_delay interval, p_error text) returns void
language sql security definer set search_path = '' as $$
  update public.outbox o set available_at = now() + p_delay, lease_until = null, last_error = left(p_error, 500)
   where o.id = p_id and o.lease_token = p_token and o.sent_at is null
$$;

reset role;

revoke all on function app.enter(text, text[]), app.enter_job(uuid), app.all_tenants(), app.claim_outbox(integer, interval, uuid),
  app.finish_outbox(uuid[], uuid), app.retry_outbox(uuid, uuid, interval, text) from public;
grant execute on function app.enter(text, text[]) to clientway_app;
grant execute on function app.enter_job(uuid), app.all_tenants(), app.claim_outbox(integer, interval, uuid),
  app.finish_outbox(uuid[], uuid), app.retry_outbox(uuid, uuid, interval, text) to clientway_job;
grant execute on function app.tenant() to public;

-- Search: LIKE is not leakproof, so under row security it would scan the tenant. These run as a role that may see all
-- rows of two tables and name the tenant themselves. A pattern is escaped by the caller. Materialized, so that the limit
-- is no reason for a generic plan to scan the table in the hope of finding enough rows early.

set role clientway_search;

create function app.search_organizations(p_pattern text, p_limit integer) returns setof uuid
language sql stable security definer set search_path = '' as $$
  with named as materialized (
    select o.id from public.organizations o where o.tenant_id = app.tenant() and o.search_text like p_pattern
  ), known as materialized (
    select c.organization_id from public.contacts c where c.tenant_id = app.tenant() and c.search_text like p_pattern
       and c.organization_id is not null and c.deleted_at is null
  )
  (select n.id from named n limit p_limit) union (select k.organization_id from known k limit p_limit)
$$;

create function app.search_contacts(p_pattern text, p_limit integer) returns setof uuid
language sql stable security definer set search_path = '' as $$
  with hits as materialized (select c.id from public.contacts c where c.tenant_id = app.tenant() and c.search_text like p_pattern)
  select h.id from hits h limit p_limit
$$;

reset role;
revoke all on function app.search_organizations(text, integer), app.search_contacts(text, integer) from public;
grant execute on function app.search_organizations(text, integer), app.search_contacts(text, integer) to clientway_app, clientway_job;

-- Identity: who is the same person over all tenants. Only keyed hashes, and nobody but its own functions reads it.

set role clientway_identity;

create table identity.person (
  id uuid primary key default gen_random_uuid(),
  created_at timestamptz not null default now()
);
create table identity.person_key (
  kind text not null check (kind in ('email', 'phone')),
  blind_index text not null check (blind_index ~ '^[0-9a-f]{64}$'),
  person_id uuid not null references identity.person,
  primary key (kind, blind_index)
);
create table identity.contact_person (
  tenant_id uuid not null,
  contact_id uuid not null,
  person_id uuid not null references identity.person,
  primary key (tenant_id, contact_id)
);
create index contact_person_person on identity.contact_person (person_id);

create function app.link_people(p_contacts jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c record;
  found_person uuid;
begin
  for c in select * from jsonb_to_recordset(p_contacts) as r(contact_id uuid, email text, phone text) order by email, phone loop
    -- E-mail decides; a phone alone is only a suggestion and never links.
    continue when c.email is null;
    select k.person_id into found_person from identity.person_key k where k.kind = 'email' and k.blind_index = c.email;
    if not found then
      insert into identity.person default values returning id into found_person;
      insert into identity.person_key (kind, blind_index, person_id) values ('email', c.email, found_person)
        on conflict (kind, blind_index) do nothing;
      select k.person_id into found_person from identity.person_key k where k.kind = 'email' and k.blind_index = c.email;
    end if;
    insert into identity.contact_person (tenant_id, contact_id, person_id) values (app.tenant(), c.contact_id, found_person)
      on conflict (tenant_id, contact_id) do update set person_id = excluded.person_id;
  end loop;
end $$;

reset role;
revoke all on function app.link_people(jsonb) from public;
grant execute on function app.link_people(jsonb) to clientway_app, clientway_job;
revoke create on schema app from clientway_auth, clientway_search, clientway_identity;
