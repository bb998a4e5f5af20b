-- People as a service business knows them: several addresses of every kind, tags, notes, fields of the tenant's own, what they
-- agreed to, whom they live with, and who turned out to be one and the same.

set role clientway_owner;

alter table public.contacts drop constraint contacts_status_check;
alter table public.contacts
  add constraint contacts_status_check check (status in ('lead', 'active', 'inactive')),
  add column birth_date date,
  add column time_zone text check (length(time_zone) <= 64),
  add column pricing_tier text check (length(pricing_tier) between 1 and 60),
  add column tax_rate_bps integer check (tax_rate_bps between 0 and 10000),
  add column default_address_id uuid,
  add column ltv_cents bigint not null default 0,
  add column merged_into uuid,
  add column merged_at timestamptz,
  add constraint contacts_merged_into foreign key (tenant_id, merged_into) references public.contacts (tenant_id, id),
  add constraint contacts_merged_is_deleted check (merged_into is null or deleted_at is not null);
comment on column public.contacts.ltv_cents is 'The sum of the contact''s ledger entries in the tenant''s currency, kept with each of them (0011).';
comment on column public.contacts.merged_into is 'The contact that this one turned out to be: its old id answers with the survivor.';
create index contacts_status on public.contacts (tenant_id, status, updated_at, id);
create index contacts_merged on public.contacts (tenant_id, merged_into) where merged_into is not null;

alter table public.organizations drop constraint organizations_entity_type_check;
alter table public.organizations add constraint organizations_entity_type_check
  check (entity_type in ('single_location', 'multi_location', 'franchise', 'group', 'individual'));
comment on column public.organizations.entity_type is 'individual: a private client''s own, opened when their first job or invoice is; stage, account and health hang on it.';

-- All addresses a contact is reached at, the primary one included; contacts.email and contacts.phone are copies of it.
create table public.contact_emails (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null default gen_random_uuid(),
  contact_id uuid not null,
  email text not null check (length(email) between 1 and 300),
  email_norm text not null,
  label text check (length(label) between 1 and 60),
  is_primary boolean not null default false,
  live boolean not null default true,
  verified_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create unique index contact_emails_live on public.contact_emails (tenant_id, email_norm) where live;
create unique index contact_emails_one_primary on public.contact_emails (tenant_id, contact_id) where is_primary;
create index contact_emails_former on public.contact_emails (tenant_id, email_norm) where not live;
create index contact_emails_contact on public.contact_emails (tenant_id, contact_id, created_at, id);

create table public.contact_phones (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null default gen_random_uuid(),
  contact_id uuid not null,
  phone text not null check (length(phone) between 1 and 300),
  phone_e164 text,
  label text check (length(label) between 1 and 60),
  is_primary boolean not null default false,
  live boolean not null default true,
  verified_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create unique index contact_phones_one_primary on public.contact_phones (tenant_id, contact_id) where is_primary;
create index contact_phones_contact on public.contact_phones (tenant_id, contact_id, created_at, id);
create index contact_phones_number on public.contact_phones (tenant_id, phone_e164, contact_id) where live and phone_e164 is not null;
create index contact_phones_former on public.contact_phones (tenant_id, phone_e164) where not live and phone_e164 is not null;

-- contacts.email and contacts.phone stay what is written to them, singly and in bulk; their rows here follow. Statement by statement:
-- an import of 50,000 contacts goes through. What a row of a contact's first address is called follows from the contact and its
-- version, so that the answer to the very statement that writes the contact can name it (lifecycle/reach/sql.py says the same).
create function app.add_reach() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into public.contact_emails (tenant_id, id, contact_id, email, email_norm, is_primary, live, created_at)
  select n.tenant_id, md5(n.id::text || ':' || n.version)::uuid, n.id, coalesce(nullif(left(n.email, 300), ''), n.email_norm), n.email_norm,
         true, n.deleted_at is null, n.updated_at
    from added n where n.email_norm is not null;
  insert into public.contact_phones (tenant_id, id, contact_id, phone, phone_e164, is_primary, live, created_at)
  select n.tenant_id, md5(n.id::text || ':' || n.version)::uuid, n.id, left(n.phone, 300), n.phone_e164, true, n.deleted_at is null, n.updated_at
    from added n where n.phone <> '';
  return null;
end $$;

-- Another address that the contact has already becomes the primary one and the former stays; an unknown one takes the former's
-- place. Without joins of the transition tables: their plan would be kept from the first call, for however many rows that had.
create function app.change_reach() returns trigger language plpgsql set search_path = '' as $$
declare
  tenants uuid[]; ids uuid[]; emails text[]; norms text[]; phones text[]; numbers text[]; lives boolean[]; versions bigint[]; moments timestamptz[];
begin
  select array_agg(c.tenant_id), array_agg(c.id), array_agg(coalesce(nullif(left(c.email, 300), ''), c.email_norm)), array_agg(c.email_norm),
         array_agg(left(nullif(c.phone, ''), 300)), array_agg(c.phone_e164), array_agg(c.live), array_agg(c.version), array_agg(c.moment)
    into tenants, ids, emails, norms, phones, numbers, lives, versions, moments
    from (
      select x.tenant_id, x.id, x.email, x.email_norm, x.phone, x.phone_e164, x.deleted_at is null as live,
             max(x.version) as version, max(x.updated_at) as moment
        from (select false as former, n.* from becomes n union all select true, o.* from was o) x
       group by 1, 2, 3, 4, 5, 6, 7 having not bool_or(x.former)) c;
  if ids is null then
    return null;
  end if;

  update public.contact_emails e set live = false from unnest(tenants, ids, lives) b(tenant_id, id, live)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.live and not b.live;
  update public.contact_phones e set live = false from unnest(tenants, ids, lives) b(tenant_id, id, live)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.live and not b.live;

  delete from public.contact_emails e using unnest(tenants, ids, norms) b(tenant_id, id, norm)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and b.norm is null;
  update public.contact_emails e set is_primary = false from unnest(tenants, ids, norms) b(tenant_id, id, norm)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and e.email_norm <> b.norm
     and exists (select from public.contact_emails x where x.tenant_id = b.tenant_id and x.contact_id = b.id and x.email_norm = b.norm);
  update public.contact_emails e set is_primary = true, email = b.email from unnest(tenants, ids, emails, norms) b(tenant_id, id, email, norm)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.email_norm = b.norm and (e.email <> b.email or not e.is_primary);
  update public.contact_emails e set email = b.email, email_norm = b.norm, verified_at = null
    from unnest(tenants, ids, emails, norms) b(tenant_id, id, email, norm)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and e.email_norm <> b.norm;
  insert into public.contact_emails (tenant_id, id, contact_id, email, email_norm, is_primary, live, created_at)
  select b.tenant_id, md5(b.id::text || ':' || b.version)::uuid, b.id, b.email, b.norm, true, b.live, b.moment
    from unnest(tenants, ids, emails, norms, lives, versions, moments) b(tenant_id, id, email, norm, live, version, moment)
   where b.norm is not null
     and not exists (select from public.contact_emails x where x.tenant_id = b.tenant_id and x.contact_id = b.id and x.is_primary);

  delete from public.contact_phones e using unnest(tenants, ids, phones) b(tenant_id, id, phone)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and b.phone is null;
  update public.contact_phones e set is_primary = false from unnest(tenants, ids, phones, numbers) b(tenant_id, id, phone, number)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and coalesce(e.phone_e164, e.phone) <> coalesce(b.number, b.phone)
     and exists (select from public.contact_phones x where x.tenant_id = b.tenant_id and x.contact_id = b.id
                    and coalesce(x.phone_e164, x.phone) = coalesce(b.number, b.phone));
  update public.contact_phones e set is_primary = true, phone = b.phone
    from unnest(tenants, ids, phones, numbers) b(tenant_id, id, phone, number)
   where e.tenant_id = b.tenant_id and (e.phone <> b.phone or not e.is_primary)
     and e.id = (select x.id from public.contact_phones x
                  where x.tenant_id = b.tenant_id and x.contact_id = b.id and coalesce(x.phone_e164, x.phone) = coalesce(b.number, b.phone)
                  order by x.is_primary desc, x.created_at, x.id limit 1);
  update public.contact_phones e set phone = b.phone, phone_e164 = b.number, verified_at = null
    from unnest(tenants, ids, phones, numbers) b(tenant_id, id, phone, number)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and e.is_primary and coalesce(e.phone_e164, e.phone) <> coalesce(b.number, b.phone);
  insert into public.contact_phones (tenant_id, id, contact_id, phone, phone_e164, is_primary, live, created_at)
  select b.tenant_id, md5(b.id::text || ':' || b.version)::uuid, b.id, b.phone, b.number, true, b.live, b.moment
    from unnest(tenants, ids, phones, numbers, lives, versions, moments) b(tenant_id, id, phone, number, live, version, moment)
   where b.phone is not null
     and not exists (select from public.contact_phones x where x.tenant_id = b.tenant_id and x.contact_id = b.id and x.is_primary);

  update public.contact_emails e set live = true from unnest(tenants, ids, lives) b(tenant_id, id, live)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and b.live and not e.live;
  update public.contact_phones e set live = true from unnest(tenants, ids, lives) b(tenant_id, id, live)
   where e.tenant_id = b.tenant_id and e.contact_id = b.id and b.live and not e.live;
  return null;
end $$;

create trigger reach_insert after insert on public.contacts referencing new table as added for each statement execute function app.add_reach();
create trigger reach_update after update on public.contacts referencing old table as was new table as becomes
  for each statement execute function app.change_reach();

-- Those there were. Row security is forced on the owner too: for this one statement it is not.
alter table public.contacts no force row level security;
insert into public.contact_emails (tenant_id, id, contact_id, email, email_norm, is_primary, live, created_at)
select c.tenant_id, md5(c.id::text || ':' || c.version)::uuid, c.id, coalesce(nullif(left(c.email, 300), ''), c.email_norm), c.email_norm,
       true, c.deleted_at is null, c.created_at
  from public.contacts c where c.email_norm is not null;
insert into public.contact_phones (tenant_id, id, contact_id, phone, phone_e164, is_primary, live, created_at)
select c.tenant_id, md5(c.id::text || ':' || c.version)::uuid, c.id, left(c.phone, 300), c.phone_e164, true, c.deleted_at is null, c.created_at
  from public.contacts c where c.phone <> '';
alter table public.contacts force row level security;

create table public.contact_addresses (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  label text check (length(label) between 1 and 60),
  address1 text not null check (length(address1) between 1 and 300),
  address2 text check (length(address2) <= 300),
  city text check (length(city) <= 200),
  state text check (length(state) <= 100),
  postal text check (length(postal) <= 20),
  country text not null default 'US' check (country ~ '^[A-Z]{2}$'),
  latitude double precision check (latitude between -90 and 90),
  longitude double precision check (longitude between -180 and 180),
  time_zone text check (length(time_zone) <= 64),
  address_key text,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index contact_addresses_contact on public.contact_addresses (tenant_id, contact_id, created_at, id);
create index contact_addresses_key on public.contact_addresses (tenant_id, address_key) where address_key is not null and deleted_at is null;
alter table public.contacts add constraint contacts_default_address
  foreign key (tenant_id, default_address_id) references public.contact_addresses (tenant_id, id);

create table public.contact_tags (
  tenant_id uuid not null default app.tenant() references public.tenants,
  contact_id uuid not null,
  tag text not null check (length(tag) between 1 and 60),
  primary key (tenant_id, contact_id, tag),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index contact_tags_tag on public.contact_tags (tenant_id, tag, contact_id);

create table public.contact_notes (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  body text not null check (length(body) between 1 and 20000),
  pinned boolean not null default false,
  created_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index contact_notes_contact on public.contact_notes (tenant_id, contact_id, created_at, id);

-- Fields that a tenant defines for its contacts. Each value stands in the column of its kind, so that a filter uses an
-- index under row security (no operator of jsonb is leakproof).
create table public.custom_fields (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,59}$'),
  label text not null check (length(label) between 1 and 200),
  kind text not null check (kind in ('text', 'integer', 'number', 'boolean', 'date', 'select')),
  options text[] check (cardinality(options) between 1 and 200),
  required boolean not null default false,
  position integer not null default 0,
  archived_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, key),
  check ((kind = 'select') = (options is not null))
);
create index custom_fields_position on public.custom_fields (tenant_id, position, id);

create table public.contact_custom_values (
  tenant_id uuid not null default app.tenant() references public.tenants,
  contact_id uuid not null,
  field_id uuid not null,
  text_value text check (length(text_value) <= 2000),
  integer_value bigint,
  number_value double precision,
  boolean_value boolean,
  date_value date,
  primary key (tenant_id, contact_id, field_id),
  check (num_nonnulls(text_value, integer_value, number_value, boolean_value, date_value) = 1),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, field_id) references public.custom_fields (tenant_id, id)
);
create index contact_custom_values_text on public.contact_custom_values (tenant_id, field_id, text_value, contact_id) where length(text_value) <= 200;
create index contact_custom_values_integer on public.contact_custom_values (tenant_id, field_id, integer_value, contact_id);
create index contact_custom_values_number on public.contact_custom_values (tenant_id, field_id, number_value, contact_id);
create index contact_custom_values_date on public.contact_custom_values (tenant_id, field_id, date_value, contact_id);
create index contact_custom_values_boolean on public.contact_custom_values (tenant_id, field_id, boolean_value, contact_id);

-- What somebody allowed, as a ledger of evidence; contact_consents is its newest line of each kind, for a look at sending.
create table public.consent_events (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  channel text not null check (channel in ('email', 'sms', 'phone')),
  purpose text not null check (purpose in ('marketing', 'transactional')),
  state text not null check (state in ('granted', 'denied')),
  source text not null check (length(source) between 1 and 100),
  text_shown text check (length(text_shown) <= 20000),
  ip_hash text check (ip_hash ~ '^[0-9a-f]{64}$'),
  evidence jsonb not null default '{}',
  actor_type text not null,
  actor_id uuid,
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index consent_events_contact on public.consent_events (tenant_id, contact_id, occurred_at, id);

create table public.contact_consents (
  tenant_id uuid not null default app.tenant() references public.tenants,
  contact_id uuid not null,
  channel text not null check (channel in ('email', 'sms', 'phone')),
  purpose text not null check (purpose in ('marketing', 'transactional')),
  state text not null check (state in ('granted', 'denied')),
  event_id uuid not null,
  since timestamptz not null,
  primary key (tenant_id, contact_id, channel, purpose),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, event_id) references public.consent_events (tenant_id, id)
);

create table public.households (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 300),
  address_key text,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id)
);
create index households_updated on public.households (tenant_id, updated_at, id);
create index households_address on public.households (tenant_id, address_key) where address_key is not null and deleted_at is null;

create table public.household_members (
  tenant_id uuid not null default app.tenant() references public.tenants,
  household_id uuid not null,
  contact_id uuid not null,
  relationship text check (length(relationship) between 1 and 60),
  created_at timestamptz not null default now(),
  primary key (tenant_id, contact_id),
  foreign key (tenant_id, household_id) references public.households (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index household_members_household on public.household_members (tenant_id, household_id, created_at, contact_id);

create table public.duplicate_suggestions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  other_id uuid not null,
  score integer not null check (score between 0 and 100),
  reasons jsonb not null,
  status text not null default 'open' check (status in ('open', 'dismissed', 'merged')),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, contact_id, other_id),
  check (contact_id < other_id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, other_id) references public.contacts (tenant_id, id)
);
create index duplicate_suggestions_status on public.duplicate_suggestions (tenant_id, status, score, id);
create index duplicate_suggestions_other on public.duplicate_suggestions (tenant_id, other_id);

-- Two records that were one person's: what the merge moved and what stood there before, so that it can be taken back.
create table public.contact_merges (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  survivor_id uuid not null,
  merged_id uuid not null,
  choices jsonb not null default '{}',
  before jsonb not null,
  after jsonb not null,
  moved jsonb not null,
  reason text check (length(reason) <= 2000),
  merged_by uuid,
  undo_until timestamptz not null,
  undone_at timestamptz,
  undone_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check (survivor_id <> merged_id),
  foreign key (tenant_id, survivor_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, merged_id) references public.contacts (tenant_id, id)
);
create unique index contact_merges_standing on public.contact_merges (tenant_id, merged_id) where undone_at is null;
create index contact_merges_survivor on public.contact_merges (tenant_id, survivor_id, created_at, id);
create index contact_merges_created on public.contact_merges (tenant_id, created_at, id);

-- How many clients of each standing there are and what they brought, as changes: a counter in one row would make every new
-- contact wait for a running import. A schedule folds them into one line (is_base).
create table public.client_counts (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null default gen_random_uuid(),
  is_base boolean not null default false,
  lead_clients bigint not null default 0,
  active_clients bigint not null default 0,
  inactive_clients bigint not null default 0,
  paying_clients bigint not null default 0,
  ltv_cents bigint not null default 0,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index client_counts_base on public.client_counts (tenant_id) where is_base;

-- The timeline tells of jobs and money too.
alter table public.activities drop constraint activities_activity_type_check;
alter table public.activities add constraint activities_activity_type_check check (activity_type in (
    'email_sent', 'email_opened', 'email_clicked', 'email_replied', 'call_outbound', 'call_inbound',
    'meeting_scheduled', 'meeting_completed', 'quote_sent', 'quote_viewed', 'quote_accepted', 'deal_created',
    'deal_stage_changed', 'deal_won', 'deal_lost', 'ticket_created', 'ticket_resolved', 'portal_login',
    'document_downloaded', 'stage_changed', 'note_added',
    'job_scheduled', 'job_rescheduled', 'job_started', 'job_completed', 'job_canceled', 'job_blocked',
    'invoice_opened', 'invoice_paid', 'invoice_voided', 'invoice_uncollectible', 'payment_received', 'payment_failed',
    'payment_refunded', 'payment_disputed', 'dispute_closed', 'credit_issued', 'subscription_changed',
    'contact_merged', 'contact_unmerged', 'contact_updated', 'consent_changed'));

-- What every new tenant table gets: row security for both roles of ours, rights, and one plan for all tenants (0008). Here and
-- in later migrations; granted to nobody.
create procedure app.guard_tenant_tables(p_tables text[], p_append_only text[] default '{}', p_deletable text[] default '{}')
language plpgsql set search_path = '' as $$
declare t text;
begin
  foreach t in array p_tables loop
    execute format('alter table public.%I enable row level security', t);
    execute format('alter table public.%I force row level security', t);
    execute format($p$create policy tenant on public.%I to clientway_app, clientway_job
      using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
      with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)$p$, t);
    execute format('grant select, insert on public.%I to clientway_app, clientway_job', t);
    if t <> all (p_append_only) then
      execute format('grant update on public.%I to clientway_app, clientway_job', t);
    end if;
    if t = any (p_deletable) then
      execute format('grant delete on public.%I to clientway_app, clientway_job', t);
    end if;
    if current_setting('server_version_num')::integer < 180000 then
      execute format('alter table public.%I alter column tenant_id set statistics 1', t);
    else
      execute format('alter table public.%I alter column tenant_id set statistics 0', t);
      perform pg_catalog.pg_restore_attribute_stats(
        'schemaname', 'public', 'relname', t, 'attname', 'tenant_id', 'inherited', false,
        'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 20::real);
    end if;
    execute format('alter table public.%I alter column tenant_id set (n_distinct = 20)', t);
  end loop;
end $$;
revoke all on procedure app.guard_tenant_tables(text[], text[], text[]) from public;

call app.guard_tenant_tables(
  array['contact_emails', 'contact_phones', 'contact_addresses', 'contact_tags', 'contact_notes', 'custom_fields', 'contact_custom_values',
        'consent_events', 'contact_consents', 'households', 'household_members', 'duplicate_suggestions', 'contact_merges', 'client_counts'],
  array['consent_events'],
  array['contact_emails', 'contact_phones', 'contact_tags', 'contact_custom_values', 'household_members', 'client_counts']);

reset role;
