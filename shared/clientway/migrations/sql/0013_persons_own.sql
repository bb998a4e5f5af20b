-- What a tenant asks of its clients as a whole (counts, search, one client's timeline), and what people see of themselves: an
-- account of their own over all tenants that hold them, and changes that one tenant proposes and only they spread.

set role clientway_owner;

-- Counted as changes, statement by statement: an import of 50,000 adds one line. A schedule folds the lines into one.
create function app.count_new_clients() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into public.client_counts (tenant_id, lead_clients, active_clients, inactive_clients, paying_clients, ltv_cents)
  select n.tenant_id, count(*) filter (where n.status = 'lead'), count(*) filter (where n.status = 'active'),
         count(*) filter (where n.status = 'inactive'), count(*) filter (where n.ltv_cents > 0), sum(n.ltv_cents)
    from added n where n.deleted_at is null group by n.tenant_id;
  return null;
end $$;

create function app.count_changed_clients() returns trigger language plpgsql set search_path = '' as $$
begin
  insert into public.client_counts (tenant_id, lead_clients, active_clients, inactive_clients, paying_clients, ltv_cents)
  select s.tenant_id, s.lead, s.active, s.inactive, s.paying, s.ltv
    from (select x.tenant_id, sum(case when x.status = 'lead' then x.n else 0 end) as lead,
                 sum(case when x.status = 'active' then x.n else 0 end) as active,
                 sum(case when x.status = 'inactive' then x.n else 0 end) as inactive,
                 sum(case when x.ltv_cents > 0 then x.n else 0 end) as paying, sum(x.n * x.ltv_cents) as ltv
            from (select tenant_id, status, ltv_cents, deleted_at, 1 as n from becomes
                  union all select tenant_id, status, ltv_cents, deleted_at, -1 from was) x
           where x.deleted_at is null group by x.tenant_id) s
   where s.lead <> 0 or s.active <> 0 or s.inactive <> 0 or s.paying <> 0 or s.ltv <> 0;
  return null;
end $$;

create trigger counts_insert after insert on public.contacts referencing new table as added for each statement execute function app.count_new_clients();
create trigger counts_update after update on public.contacts referencing old table as was new table as becomes
  for each statement execute function app.count_changed_clients();

-- Those there are. Row security is forced on the owner too: for this one statement it is not.
alter table public.contacts no force row level security;
alter table public.client_counts no force row level security;
insert into public.client_counts (tenant_id, is_base, lead_clients, active_clients, inactive_clients, paying_clients, ltv_cents)
select c.tenant_id, true, count(*) filter (where c.status = 'lead'), count(*) filter (where c.status = 'active'),
       count(*) filter (where c.status = 'inactive'), count(*) filter (where c.ltv_cents > 0), sum(c.ltv_cents)
  from public.contacts c where c.deleted_at is null group by c.tenant_id;
alter table public.contacts force row level security;
alter table public.client_counts force row level security;

-- One kind of line of a client's timeline, however many others there are.
create index activities_contact_type on public.activities (tenant_id, contact_id, activity_type, occurred_at, id) where contact_id is not null;

-- Further addresses are found by any part too; the primary ones stand in contacts.search_text. They are written one by one, and
-- what waits to be sorted in would be read by every search: so much that reading all of a tenant's seems to be as good.
create index contact_emails_search on public.contact_emails using gin (tenant_id, email_norm gin_trgm_ops) with (fastupdate = off)
  where live and not is_primary;
create index contact_phones_search on public.contact_phones using gin (tenant_id, phone_e164 gin_trgm_ops) with (fastupdate = off)
  where live and not is_primary;
create policy search on public.contact_emails for select to clientway_search using (true);
create policy search on public.contact_phones for select to clientway_search using (true);
grant select on public.contact_emails, public.contact_phones to clientway_search;

-- What a tenant has changed of its own contact and holds for true everywhere: the person decides whether it is.
create table public.contact_update_proposals (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  first_name text check (length(first_name) between 1 and 200),
  last_name text check (length(last_name) between 1 and 200),
  email text check (length(email) between 1 and 300),
  phone text check (length(phone) between 1 and 300),
  status text not null default 'open' check (status in ('open', 'confirmed', 'declined', 'superseded')),
  actor_type text not null,
  actor_id uuid,
  created_at timestamptz not null default now(),
  decided_at timestamptz,
  primary key (tenant_id, id),
  check (num_nonnulls(first_name, last_name, email, phone) > 0),
  check ((status = 'open') = (decided_at is null)),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create unique index contact_update_proposals_open on public.contact_update_proposals (tenant_id, contact_id) where status = 'open';
create index contact_update_proposals_contact on public.contact_update_proposals (tenant_id, contact_id, created_at, id);
call app.guard_tenant_tables(array['contact_update_proposals']);

-- Mail to somebody who is no tenant's. Handed over like a tenant's, under the id of none.
create table public.platform_outbox (
  id uuid primary key,
  topic text not null check (length(topic) between 1 and 100),
  payload jsonb not null,
  attempts integer not null default 0,
  available_at timestamptz not null default now(),
  lease_until timestamptz,
  lease_token uuid,
  last_error text,
  sent_at timestamptz,
  created_at timestamptz not null default now()
);
create index platform_outbox_due on public.platform_outbox (available_at) where sent_at is null;
alter table public.platform_outbox enable row level security;
alter table public.platform_outbox force row level security;
create policy auth on public.platform_outbox to clientway_auth using (true) with check (true);
create policy persons on public.platform_outbox to clientway_identity using (true) with check (true);
grant select, update on public.platform_outbox to clientway_auth;
grant select, insert, delete on public.platform_outbox to clientway_identity;

-- A person's payments stand where they were made, whatever becomes of them later.
create index payments_contact_created on public.payments (tenant_id, contact_id, created_at, id);

-- What the person sees of a tenant, and no more than that.
do $$
declare t text;
begin
  foreach t in array array['tenants', 'contacts', 'jobs', 'invoices', 'payments', 'contact_update_proposals'] loop
    execute format('create policy persons on public.%I for select to clientway_identity using (true)', t);
  end loop;
end $$;
create policy persons_decide on public.contact_update_proposals for update to clientway_identity using (true) with check (true);
grant select (tenant_id, name, slug) on public.tenants to clientway_identity;
grant select (tenant_id, id, deleted_at) on public.contacts to clientway_identity;
grant select (tenant_id, id, contact_id, title, status, start_at, end_at, time_zone, price_cents, currency) on public.jobs to clientway_identity;
grant select (tenant_id, id, contact_id, number_text, status, total_cents, balance_cents, currency, issued_on, due_on, payment_url, payment_page_status, created_at)
  on public.invoices to clientway_identity;
grant select (tenant_id, id, contact_id, status, method, amount_cents, refunded_cents, currency, captured_at, created_at) on public.payments to clientway_identity;
grant select, update (status, decided_at) on public.contact_update_proposals to clientway_identity;

reset role;
grant create on schema app to clientway_auth, clientway_search, clientway_identity;

set role clientway_auth;

create or replace function app.claim_outbox(p_limit integer, p_lease interval, p_token uuid) returns table (tenant_id uuid, id uuid, topic text, payload jsonb, attempts integer)
language sql security definer set search_path = '' as $$
  with platform as (
    update public.platform_outbox o
       set lease_until = now() + p_lease, lease_token = p_token, attempts = o.attempts + 1
      from (select b.id from public.platform_outbox b
             where b.sent_at is null and b.available_at <= now() and (b.lease_until is null or b.lease_until < now())
             order by b.available_at limit p_limit for update skip locked) due
     where o.id = due.id
    returning '00000000-0000-0000-0000-000000000000'::uuid as tenant_id, o.id, o.topic, o.payload, o.attempts
  ), tenants as (
    update public.outbox o
       set lease_until = now() + p_lease, lease_token = p_token, attempts = o.attempts + 1
      from (select b.tenant_id, b.id from public.outbox b
             where b.sent_at is null and b.available_at <= now() and (b.lease_until is null or b.lease_until < now())
             order by b.available_at limit p_limit for update skip locked) due
     where o.tenant_id = due.tenant_id and o.id = due.id
    returning o.tenant_id, o.id, o.topic, o.payload, o.attempts
  )
  select p.tenant_id, p.id, p.topic, p.payload, p.attempts from platform p
  union all select t.tenant_id, t.id, t.topic, t.payload, t.attempts from tenants t
$$;

create or replace function app.finish_outbox(p_ids uuid[], p_token uuid) returns integer
language sql security definer set search_path = '' as $$
  with done as (update public.outbox o set sent_at = now(), payload = '{}', lease_until = null
                 where o.id = any (p_ids) and o.lease_token = p_token and o.sent_at is null returning 1),
       platform as (update public.platform_outbox o set sent_at = now(), payload = '{}', lease_until = null
                     where o.id = any (p_ids) and o.lease_token = p_token and o.sent_at is null returning 1)
  select ((select count(*) from done) + (select count(*) from platform))::integer
$$;

create or replace function app.retry_outbox(p_id uuid, p_token uuid, p_delay interval, p_error text) returns void
language sql security definer set search_path = '' as $$
  update public.outbox o set available_at = now() + p_delay, lease_until = null, last_error = left(p_error, 500)
   where o.id = p_id and o.lease_token = p_token and o.sent_at is null;
  update public.platform_outbox o set available_at = now() + p_delay, lease_until = null, last_error = left(p_error, 500)
   where o.id = p_id and o.lease_token = p_token and o.sent_at is null
$$;

create or replace function app.outbox_age() returns double precision language sql stable security definer set search_path = ''
begin atomic
  select coalesce(extract(epoch from now() - least(
    (select min(o.created_at) from public.outbox o where o.sent_at is null),
    (select min(p.created_at) from public.platform_outbox p where p.sent_at is null))), 0)::double precision;
end;

reset role;
set role clientway_search;

-- As search_contacts, over every address of a contact that is not deleted.
create function app.search_clients(p_pattern text, p_limit integer) returns setof uuid
language sql stable security definer set search_path = '' as $$
  with known as materialized (
    select c.id from public.contacts c where c.tenant_id = app.tenant() and c.search_text like p_pattern and c.deleted_at is null
  ), mailed as materialized (
    select e.contact_id from public.contact_emails e where e.tenant_id = app.tenant() and e.email_norm like p_pattern and e.live and not e.is_primary
  ), called as materialized (
    select p.contact_id from public.contact_phones p where p.tenant_id = app.tenant() and p.phone_e164 like p_pattern and p.live and not p.is_primary
  )
  (select k.id from known k limit p_limit) union (select m.contact_id from mailed m limit p_limit) union (select c.contact_id from called c limit p_limit)
$$;

reset role;
revoke all on function app.search_clients(text, integer) from public;
grant execute on function app.search_clients(text, integer) to clientway_app, clientway_job;

set role clientway_identity;

-- Whoever is behind any of a contact's e-mails is this contact; what is kept of it is changed by whom its primary one leads to, alone:
-- a further one may be a husband's or an assistant's.
alter table identity.contact_person
  drop constraint contact_person_pkey, add primary key (tenant_id, contact_id, person_id), add column is_primary boolean not null default true,
  -- Since when the tenant knows this person, under whichever contact.
  add column linked_at timestamptz not null default now();

-- For each contact all its e-mails, the primary one and the further ones: who is behind none of them is linked to it no longer.
create or replace function app.link_people(p_contacts jsonb) returns void
language sql security definer set search_path = '' as $$
  with given as materialized (
    -- E-mail decides; a phone alone is only a suggestion and never links.
    select r.contact_id, coalesce(k.person_id, left(e.blind, 32)::uuid) as person_id, bool_or(e.is_primary) as is_primary
      from jsonb_to_recordset(p_contacts) as r(contact_id uuid, email text, further text[])
     cross join lateral (select r.email as blind, true as is_primary union all select f, false from unnest(r.further) f) e
      left join identity.person_key k on k.kind = 'email' and k.blind_index = e.blind
     group by 1, 2
  ), gone as (
    delete from identity.contact_person p using (select distinct g.contact_id from given g) c
     where p.tenant_id = app.tenant() and p.contact_id = c.contact_id
       and not exists (select from given g where g.contact_id = p.contact_id and g.person_id = p.person_id)
  )
  insert into identity.contact_person as p (tenant_id, contact_id, person_id, is_primary, linked_at)
  select app.tenant(), g.contact_id, g.person_id, g.is_primary,
         coalesce((select min(k.linked_at) from identity.contact_person k where k.tenant_id = app.tenant() and k.person_id = g.person_id), now())
    from given g where g.person_id is not null order by g.contact_id, g.person_id
  on conflict (tenant_id, contact_id, person_id) do update set is_primary = excluded.is_primary where p.is_primary <> excluded.is_primary;
$$;

-- The person's own account: keyed hashes alone, as everything here. An address that was never verified has no row.
create table identity.person_accounts (
  id uuid primary key default gen_random_uuid(),
  email_blind text not null unique check (email_blind ~ '^[0-9a-f]{64}$'),
  person_id uuid not null,
  created_at timestamptz not null default now(),
  verified_at timestamptz not null default now()
);
create index person_accounts_person on identity.person_accounts (person_id);
create table identity.person_sessions (
  id uuid primary key,
  account_id uuid not null references identity.person_accounts,
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz
);
create index person_sessions_account on identity.person_sessions (account_id);
create index person_sessions_expired on identity.person_sessions (expires_at);
create table identity.person_links (
  id uuid primary key,
  email_blind text not null check (email_blind ~ '^[0-9a-f]{64}$'),
  token_hash text not null unique check (token_hash ~ '^[0-9a-f]{64}$'),
  code_hash text not null,
  nonce_hash text not null,
  source_hash text not null,
  attempts integer not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index person_links_source on identity.person_links (source_hash, created_at);
create index person_links_email on identity.person_links (email_blind, created_at);
create index person_links_nonce on identity.person_links (nonce_hash);
create index person_links_created on identity.person_links (created_at);
-- Whose a proposal is: the person that the contact was linked to before it changed.
create table identity.proposal_person (
  tenant_id uuid not null,
  proposal_id uuid not null,
  person_id uuid not null,
  email_blind text check (email_blind ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  primary key (tenant_id, proposal_id)
);
create index proposal_person_person on identity.proposal_person (person_id, created_at, proposal_id);

do $$
begin
  if current_setting('server_version_num')::integer < 180000 then
    alter table identity.proposal_person alter column tenant_id set statistics 1;
  else
    alter table identity.proposal_person alter column tenant_id set statistics 0;
    perform pg_catalog.pg_restore_attribute_stats(
      'schemaname', 'identity', 'relname', 'proposal_person', 'attname', 'tenant_id', 'inherited', false,
      'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 20::real);
  end if;
  alter table identity.proposal_person alter column tenant_id set (n_distinct = 20);
end $$;

create function app.person_of(p_email_blind text) returns uuid language sql stable security definer set search_path = '' as $$
  select coalesce((select k.person_id from identity.person_key k where k.kind = 'email' and k.blind_index = p_email_blind), left(p_email_blind, 32)::uuid)
$$;

-- Anybody may ask for any address, so each is written to a few times in a quarter of an hour, and few are for one who asks.
create function app.start_person_sign_up(p_email_blind text, p_link uuid, p_token_hash text, p_code_hash text, p_nonce_hash text, p_source_hash text, p_mail_id uuid, p_mail jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
  if p_email_blind is null or 5 <= (select count(*) from identity.person_links l
                                     where l.email_blind = p_email_blind and l.created_at > now() - interval '15 minutes')
     or 20 <= (select count(*) from identity.person_links l where l.source_hash = p_source_hash and l.created_at > now() - interval '1 hour') then
    return;
  end if;
  insert into identity.person_links (id, email_blind, token_hash, code_hash, nonce_hash, source_hash, expires_at)
  values (p_link, p_email_blind, p_token_hash, p_code_hash, p_nonce_hash, p_source_hash, now() + interval '15 minutes');
  insert into public.platform_outbox (id, topic, payload) values (p_mail_id, 'mail', p_mail);
end $$;

create function app.finish_person_sign_up(p_nonce_hash text, p_token_hash text, p_code_hash text, p_session uuid, p_session_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  l identity.person_links;
  known uuid;
begin
  if p_token_hash is not null then
    update identity.person_links set used_at = now()
     where token_hash = p_token_hash and nonce_hash = p_nonce_hash and used_at is null and expires_at > now() returning * into l;
    if not found then
      return null;
    end if;
  else
    select * into l from identity.person_links
     where nonce_hash = p_nonce_hash and used_at is null and expires_at > now() and attempts < 5 order by created_at desc limit 1 for no key update;
    if not found then
      return null;
    end if;
    -- As in app.use_link: five tries a link, twenty a day and address.
    if l.code_hash <> p_code_hash or 20 <= (select coalesce(sum(o.attempts), 0) from identity.person_links o
                                             where o.email_blind = l.email_blind and o.created_at > now() - interval '1 day') then
      update identity.person_links set attempts = attempts + 1 where id = l.id;
      return null;
    end if;
    update identity.person_links set used_at = now() where id = l.id;
  end if;
  insert into identity.person_accounts (email_blind, person_id) values (l.email_blind, app.person_of(l.email_blind))
    on conflict (email_blind) do update set verified_at = now();
  select a.id into known from identity.person_accounts a where a.email_blind = l.email_blind;
  insert into identity.person_sessions (id, account_id, token_hash, expires_at) values (p_session, known, p_session_hash, now() + interval '12 hours');
  return jsonb_build_object('expires_at', now() + interval '12 hours');
end $$;
comment on function app.finish_person_sign_up(text, text, text, uuid, text) is 'Turns a link into an account, if the address has none yet, and a session; null when it is wrong, used, expired, another browser''s or tried too often.';

create function app.person_account(p_token_hash text) returns identity.person_accounts
language plpgsql security definer set search_path = '' as $$
declare
  s identity.person_sessions;
  a identity.person_accounts;
begin
  select * into s from identity.person_sessions x
   where x.token_hash = p_token_hash and x.revoked_at is null and x.expires_at > now() and x.last_seen_at > now() - interval '30 minutes';
  if not found then
    raise exception using errcode = 'CW401', message = 'no such credential';
  end if;
  update identity.person_sessions set last_seen_at = now() where id in (
    select x.id from identity.person_sessions x where x.id = s.id and x.last_seen_at < now() - interval '1 minute' for no key update skip locked);
  select * into a from identity.person_accounts x where x.id = s.account_id;
  return a;
end $$;

create function app.leave_person(p_token_hash text) returns void
language plpgsql security definer set search_path = '' as $$
begin
  perform app.person_account(p_token_hash);
  update identity.person_sessions set revoked_at = now() where token_hash = p_token_hash;
end $$;

-- The live contacts that are this person, by whichever of their e-mails. One that was merged gave its e-mails to the survivor.
create function app.held_contacts(p_person uuid) returns table (tenant_id uuid, contact_id uuid, is_primary boolean)
language sql stable security definer set search_path = '' as $$
  select p.tenant_id, p.contact_id, p.is_primary
    from identity.contact_person p
   cross join lateral (select from public.contacts c where c.tenant_id = p.tenant_id and c.id = p.contact_id and c.deleted_at is null limit 1) c
   where p.person_id = p_person
$$;

-- A page is read of each contact in the order of an index. A client of average is a handful of rows, which the planner would rather
-- fetch at once and sort; one with ten thousand would pay for it.
create function app.person_history(p_token_hash text, p_limit integer, p_before timestamptz, p_before_id uuid) returns jsonb
language plpgsql security definer set search_path = '' set enable_bitmapscan = off set enable_seqscan = off as $$
declare
  me uuid := (app.person_account(p_token_hash)).person_id;
  up_to timestamptz := coalesce(p_before, 'infinity');
  up_to_id uuid := coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
begin
  return (
    with held as materialized (select h.tenant_id, h.contact_id from app.held_contacts(me) h),
    found as materialized (
      select l.type, l.id, l.at, l.data, h.tenant_id
        from held h cross join lateral (
          (select 'job' as type, j.id, j.start_at as at, jsonb_build_object(
                    'title', j.title, 'status', j.status, 'start_at', j.start_at, 'end_at', j.end_at, 'time_zone', j.time_zone,
                    'price_cents', j.price_cents, 'currency', j.currency) as data
             from public.jobs j where j.tenant_id = h.tenant_id and j.contact_id = h.contact_id
              and j.start_at <= up_to and (j.start_at < up_to or j.id < up_to_id)
            order by j.start_at desc, j.id desc limit p_limit + 1)
          union all
          (select 'invoice', i.id, i.created_at, jsonb_build_object(
                    'number', i.number_text, 'status', i.status, 'total_cents', i.total_cents, 'balance_cents', i.balance_cents, 'currency', i.currency,
                    'issued_on', i.issued_on, 'due_on', i.due_on,
                    'payment_url', case when i.status = 'open' and i.payment_page_status = 'ready' then i.payment_url end)
             from public.invoices i where i.tenant_id = h.tenant_id and i.contact_id = h.contact_id and i.status <> 'draft'
              and i.created_at <= up_to and (i.created_at < up_to or i.id < up_to_id)
            order by i.created_at desc, i.id desc limit p_limit + 1)
          union all
          (select 'payment', p.id, p.created_at, jsonb_build_object(
                    'amount_cents', p.amount_cents, 'refunded_cents', p.refunded_cents, 'currency', p.currency, 'status', p.status, 'method', p.method,
                    'captured_at', p.captured_at)
             from public.payments p where p.tenant_id = h.tenant_id and p.contact_id = h.contact_id and p.status in ('pending', 'succeeded')
              and p.created_at <= up_to and (p.created_at < up_to or p.id < up_to_id)
            order by p.created_at desc, p.id desc limit p_limit + 1)) l
    ),
    numbered as (select f.*, row_number() over (order by f.at desc, f.id desc) as n from found f),
    shown as (select s.*, t.name, t.slug from numbered s join public.tenants t on t.tenant_id = s.tenant_id where s.n <= p_limit)
    select jsonb_build_object(
      'data', coalesce((select jsonb_agg(jsonb_build_object('type', s.type, 'id', s.id, 'at', s.at, 'tenant', jsonb_build_object('name', s.name, 'slug', s.slug),
                                                            'data', s.data) order by s.n) from shown s), '[]'),
      'has_more', (select count(*) > p_limit from numbered),
      'last_at', (select s.at::text from shown s where s.n = p_limit), 'last_id', (select s.id from shown s where s.n = p_limit)));
end $$;

create function app.person_proposals(p_token_hash text, p_limit integer, p_before timestamptz, p_before_id uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me uuid := (app.person_account(p_token_hash)).person_id;
  up_to timestamptz := coalesce(p_before, 'infinity');
  up_to_id uuid := coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
begin
  return (
    with holders as materialized (
      select h.tenant_id, t.name, t.slug from app.held_contacts(me) h join public.tenants t on t.tenant_id = h.tenant_id where h.is_primary),
    numbered as (
      select p.*, i.created_at as at, t.name, t.slug, row_number() over (order by i.created_at desc, i.proposal_id desc) as n
        from identity.proposal_person i
        join public.contact_update_proposals p on p.tenant_id = i.tenant_id and p.id = i.proposal_id and p.status <> 'superseded'
        join public.tenants t on t.tenant_id = i.tenant_id
       where i.person_id = me and i.created_at <= up_to and (i.created_at < up_to or i.proposal_id < up_to_id)
       order by i.created_at desc, i.proposal_id desc limit p_limit + 1)
    select jsonb_build_object(
      'data', coalesce((select jsonb_agg(jsonb_build_object(
                'id', p.id, 'proposed_by', jsonb_build_object('name', p.name, 'slug', p.slug), 'status', p.status, 'created_at', p.at, 'decided_at', p.decided_at,
                'changes', jsonb_strip_nulls(jsonb_build_object('first_name', p.first_name, 'last_name', p.last_name, 'email', p.email, 'phone', p.phone)),
                'would_reach', coalesce((select jsonb_agg(distinct jsonb_build_object('name', h.name, 'slug', h.slug)) from holders h where h.tenant_id <> p.tenant_id), '[]'))
                order by p.n) from numbered p where p.n <= p_limit), '[]'),
      'has_more', (select count(*) > p_limit from numbered),
      'last_at', (select p.at::text from numbered p where p.n = p_limit), 'last_id', (select p.id from numbered p where p.n = p_limit)));
end $$;

-- Kept for the person behind the contact's primary e-mail as it is now; null and nothing kept when it has none. Whether anybody else
-- knows that person is not looked at.
create function app.propose_update(p_contact uuid, p_proposal uuid, p_email_blind text) returns uuid
language sql security definer set search_path = '' as $$
  insert into identity.proposal_person (tenant_id, proposal_id, person_id, email_blind)
  select p.tenant_id, p_proposal, p.person_id, p_email_blind from identity.contact_person p
   where p.tenant_id = app.tenant() and p.contact_id = p_contact and p.is_primary
  returning proposal_id
$$;

create function app.decide_proposal(p_token_hash text, p_proposal uuid, p_confirm boolean, p_fields text[], p_slugs text[], p_email_token_hash text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me uuid := (app.person_account(p_token_hash)).person_id;
  other uuid;
  asked record;
  chosen jsonb;
  strange text[];
begin
  select p.*, i.email_blind into asked
    from identity.proposal_person i join public.contact_update_proposals p on p.tenant_id = i.tenant_id and p.id = i.proposal_id
   where i.person_id = me and i.proposal_id = p_proposal and p.status <> 'superseded' for no key update of p;
  if not found then
    return null;
  end if;
  if asked.status <> 'open' then
    return jsonb_build_object('status', asked.status, 'decided', false);
  end if;
  if not p_confirm then
    update public.contact_update_proposals p set status = 'declined', decided_at = now() where p.tenant_id = asked.tenant_id and p.id = asked.id;
    return jsonb_build_object('status', 'declined', 'decided', true);
  end if;
  select coalesce(jsonb_object_agg(f.key, f.value), '{}') into chosen
    from jsonb_each(jsonb_strip_nulls(jsonb_build_object('first_name', asked.first_name, 'last_name', asked.last_name, 'email', asked.email, 'phone', asked.phone))) f
   where p_fields is null or f.key = any (p_fields);
  strange := array(select f from unnest(p_fields) f where not chosen ? f);
  if cardinality(strange) > 0 then
    return jsonb_build_object('status', 'open', 'refused', 'fields', 'unknown', to_jsonb(strange));
  end if;
  strange := array(select s from unnest(p_slugs) s where s not in (
    select t.slug from app.held_contacts(me) h join public.tenants t on t.tenant_id = h.tenant_id where h.is_primary and h.tenant_id <> asked.tenant_id));
  if cardinality(strange) > 0 then
    return jsonb_build_object('status', 'open', 'refused', 'tenants', 'unknown', to_jsonb(strange));
  end if;
  if chosen ? 'email' then
    -- Both sessions at once: one was opened through the address known so far, the other through the new one.
    if not exists (select from identity.person_sessions s join identity.person_accounts a on a.id = s.account_id
                    where s.token_hash = p_email_token_hash and s.revoked_at is null and s.expires_at > now()
                      and s.last_seen_at > now() - interval '30 minutes' and a.email_blind = asked.email_blind) then
      return jsonb_build_object('status', 'open', 'refused', 'email');
    end if;
    other := app.person_of(asked.email_blind);
    if other <> me then
      update identity.person_key set person_id = me where person_id = other;
      insert into identity.person_key (kind, blind_index, person_id) values ('email', asked.email_blind, me)
        on conflict (kind, blind_index) do update set person_id = excluded.person_id;
      update identity.person_accounts set person_id = me where person_id = other;
      with twice as (delete from identity.contact_person p using identity.contact_person mine
                     where p.person_id = other and mine.person_id = me and mine.tenant_id = p.tenant_id and mine.contact_id = p.contact_id
                    returning p.tenant_id, p.contact_id, p.is_primary)
      update identity.contact_person p set is_primary = true from twice b
       where p.person_id = me and p.tenant_id = b.tenant_id and p.contact_id = b.contact_id and b.is_primary;
      update identity.contact_person set person_id = me where person_id = other;
      update identity.proposal_person set person_id = me where person_id = other;
    end if;
  end if;
  update public.contact_update_proposals p set status = 'confirmed', decided_at = now() where p.tenant_id = asked.tenant_id and p.id = asked.id;
  return jsonb_build_object('status', 'confirmed', 'decided', true, 'changes', chosen, 'targets', coalesce((
    select jsonb_agg(jsonb_build_object('tenant_id', h.tenant_id, 'contact_id', h.contact_id, 'name', t.name, 'slug', t.slug) order by h.tenant_id, h.contact_id)
      from app.held_contacts(me) h join public.tenants t on t.tenant_id = h.tenant_id
     where h.is_primary and h.tenant_id <> asked.tenant_id and (p_slugs is null or t.slug = any (p_slugs))), '[]'));
end $$;

-- Within a tenant that holds them, a person acts on nothing but their own contact there.
create function app.act_for_person(p_token_hash text, p_tenant uuid, p_contact uuid) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  me uuid := (app.person_account(p_token_hash)).person_id;
begin
  if not exists (select from app.held_contacts(me) h where h.is_primary and h.tenant_id = p_tenant and h.contact_id = p_contact) then
    raise exception using errcode = 'CW403', message = 'not a tenant of this person';
  end if;
  perform set_config('app.tenant_id', p_tenant::text, true), set_config('app.principal', 'person:' || p_contact, true),
          set_config('app.role', 'person', true), set_config('app.credential', '', true);
  return jsonb_build_object('tenant_id', p_tenant, 'kind', 'person', 'actor_id', p_contact, 'credential_id', null, 'role', 'person', 'name', 'The person themselves');
end $$;

-- An account in which this tenant was seen: who has not signed in since the tenant knows them has none with it. Otherwise whoever
-- makes a contact of an address would learn at once whether somebody is a client elsewhere.
create function app.has_account(p_contact uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (
    select from identity.contact_person p join identity.person_accounts a on a.person_id = p.person_id and a.verified_at >= p.linked_at
     where p.tenant_id = app.tenant() and p.contact_id = p_contact)
$$;

create function app.forget_persons() returns jsonb language plpgsql security definer set search_path = '' as $$
declare
  links integer; sessions integer; mails integer;
begin
  delete from identity.person_links where created_at < now() - interval '2 days';
  get diagnostics links = row_count;
  delete from identity.person_sessions where expires_at < now() - interval '30 days';
  get diagnostics sessions = row_count;
  delete from public.platform_outbox where sent_at < now() - interval '30 days';
  get diagnostics mails = row_count;
  return jsonb_build_object('person_links', links, 'person_sessions', sessions, 'platform_outbox', mails);
end $$;

reset role;

-- person_of, person_account and held_contacts are building blocks: granted to nobody.
revoke all on function app.person_of(text), app.person_account(text), app.held_contacts(uuid),
  app.start_person_sign_up(text, uuid, text, text, text, text, uuid, jsonb), app.finish_person_sign_up(text, text, text, uuid, text), app.leave_person(text),
  app.person_history(text, integer, timestamptz, uuid), app.person_proposals(text, integer, timestamptz, uuid), app.propose_update(uuid, uuid, text),
  app.decide_proposal(text, uuid, boolean, text[], text[], text), app.act_for_person(text, uuid, uuid), app.has_account(uuid), app.forget_persons() from public;
grant execute on function app.start_person_sign_up(text, uuid, text, text, text, text, uuid, jsonb), app.finish_person_sign_up(text, text, text, uuid, text),
  app.leave_person(text), app.person_history(text, integer, timestamptz, uuid), app.person_proposals(text, integer, timestamptz, uuid),
  app.propose_update(uuid, uuid, text), app.decide_proposal(text, uuid, boolean, text[], text[], text), app.act_for_person(text, uuid, uuid),
  app.has_account(uuid) to clientway_app;
grant execute on function app.forget_persons() to clientway_job;
revoke create on schema app from clientway_auth, clientway_search, clientway_identity;
