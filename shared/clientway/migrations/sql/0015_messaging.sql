-- Messages: reminders that go out, segments, templates, campaigns with one row for each recipient, single mails, and what
-- providers tell of them.

set role clientway_owner;

-- What a tenant decided about its messages. No row: the defaults, which stand in the columns and in work/reminders/rules.py.
create table public.messaging_settings (
  tenant_id uuid not null default app.tenant() references public.tenants,
  reminder_rules jsonb,
  from_name text check (length(from_name) between 1 and 100),
  reply_to text check (length(reply_to) <= 320),
  postal_address text check (length(postal_address) between 1 and 500),
  sms_sender text check (length(sms_sender) between 1 and 200),
  marketing_email_needs_consent boolean not null default false,
  quiet_from time not null default '20:00',
  quiet_until time not null default '09:00',
  complaint_stop_bps integer not null default 30 check (complaint_stop_bps between 1 and 10000),
  complaint_stop_count integer not null default 3 check (complaint_stop_count between 1 and 1000000),
  email_cost_micros bigint not null default 100 check (email_cost_micros between 0 and 1000000000),
  sms_segment_cost_micros bigint not null default 10000 check (sms_segment_cost_micros between 0 and 1000000000),
  -- Reminders of what stands already follow a change of the rules: until where they have been planned anew.
  replan_since timestamptz,
  replan_after uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id)
);
-- Whom a text to a number is for. A number that several share is told to each of them: a STOP counts for all.
create index messaging_settings_sender on public.messaging_settings (sms_sender) where sms_sender is not null;

create table public.message_templates (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  key text not null check (key ~ '^[a-z][a-z0-9_]{0,59}$'),
  channel text not null check (channel in ('email', 'sms')),
  name text not null check (length(name) between 1 and 200),
  subject text check (length(subject) between 1 and 500),
  body_text text not null check (length(body_text) between 1 and 50000),
  body_html text check (length(body_html) between 1 and 200000),
  created_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  check ((channel = 'email') = (subject is not null)),
  check (channel = 'email' or body_html is null)
);
create unique index message_templates_key on public.message_templates (tenant_id, key, channel) where deleted_at is null;
create index message_templates_updated on public.message_templates (tenant_id, updated_at, id);

create table public.segments (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 200),
  description text check (length(description) <= 2000),
  kind text not null check (kind in ('manual', 'dynamic', 'snapshot')),
  -- What a dynamic segment is, and what a snapshot was taken of.
  definition jsonb,
  -- The same in a sentence.
  english text check (length(english) <= 4000),
  taken_at timestamptz,
  created_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  check ((kind = 'manual') = (definition is null)),
  check ((kind = 'snapshot') = (taken_at is not null))
);
create unique index segments_name on public.segments (tenant_id, name) where deleted_at is null;
create index segments_updated on public.segments (tenant_id, updated_at, id);

create table public.segment_members (
  tenant_id uuid not null default app.tenant() references public.tenants,
  segment_id uuid not null,
  contact_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, segment_id, contact_id),
  foreign key (tenant_id, segment_id) references public.segments (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index segment_members_contact on public.segment_members (tenant_id, contact_id);

create table public.campaigns (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 200),
  channel text not null check (channel in ('email', 'sms')),
  purpose text not null default 'marketing' check (purpose in ('marketing', 'transactional')),
  status text not null default 'draft' check (status in ('draft', 'scheduled', 'freezing', 'sending', 'paused', 'finished', 'canceled', 'stopped')),
  status_reason text check (length(status_reason) <= 500),
  -- To whom: a segment that is kept, or one of the campaign's own.
  segment_id uuid,
  segment jsonb,
  template_id uuid,
  -- What is sent; of a template, as it stood at the launch.
  subject text check (length(subject) between 1 and 500),
  body_text text check (length(body_text) between 1 and 50000),
  body_html text check (length(body_html) between 1 and 200000),
  scheduled_at timestamptz,
  ends_at timestamptz,
  quiet_hours boolean not null,
  -- The last dry run, its hash, and what the launch found other than it.
  dry_run jsonb,
  dry_run_hash text check (dry_run_hash ~ '^[0-9a-f]{64}$'),
  dry_run_at timestamptz,
  drift jsonb,
  launched_at timestamptz,
  launched_by uuid,
  frozen_at timestamptz,
  finished_at timestamptz,
  audience_count integer,
  version bigint not null default 1,
  created_by uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id),
  check (num_nonnulls(segment_id, segment) = 1),
  foreign key (tenant_id, segment_id) references public.segments (tenant_id, id),
  foreign key (tenant_id, template_id) references public.message_templates (tenant_id, id)
);
create index campaigns_updated on public.campaigns (tenant_id, updated_at, id);
create index campaigns_status on public.campaigns (tenant_id, status, updated_at, id);
-- What the schedule tends.
create index campaigns_open on public.campaigns (tenant_id, id) where status in ('scheduled', 'freezing', 'sending', 'paused');

-- A part of a campaign's audience that one message of the queue stands for. Few of a campaign's are in the queue at a time, so
-- that another tenant's never wait behind all of them.
create table public.campaign_chunks (
  tenant_id uuid not null default app.tenant() references public.tenants,
  campaign_id uuid not null,
  chunk integer not null check (chunk >= 0),
  state text not null default 'waiting' check (state in ('waiting', 'queued', 'done')),
  -- Not before: its remaining recipients have quiet hours.
  due_at timestamptz,
  queued_at timestamptz,
  -- How many turns in a row the provider wanted nothing of it.
  rests integer not null default 0,
  primary key (tenant_id, campaign_id, chunk),
  foreign key (tenant_id, campaign_id) references public.campaigns (tenant_id, id)
);
create index campaign_chunks_open on public.campaign_chunks (tenant_id, campaign_id, state, chunk) where state <> 'done';

-- One row for each recipient, made at the launch; whoever resumes reads rows. A send goes from queued over sending (claimed, with
-- a lease and a fencing token, before the provider is called) to sent, failed or, when its worker died in between, unknown: that
-- one is settled by the provider's events and never sent again.
create table public.campaign_sends (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null default gen_random_uuid(),
  campaign_id uuid not null,
  contact_id uuid not null,
  channel text not null check (channel in ('email', 'sms')),
  chunk integer not null,
  state text not null default 'queued' check (state in ('queued', 'sending', 'sent', 'skipped', 'failed', 'unknown', 'expired', 'canceled')),
  reason text check (length(reason) <= 500),
  -- Where it went, and the line of the ledger it relied on; written when it is claimed.
  address text,
  consent_event_id uuid,
  due_at timestamptz,
  attempts integer not null default 0,
  lease_until timestamptz,
  lease_token uuid,
  provider_message_id text,
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  machine_opened_at timestamptz,
  clicked_at timestamptz,
  bounced_at timestamptz,
  complained_at timestamptz,
  unsubscribed_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, campaign_id, contact_id, channel),
  foreign key (tenant_id, campaign_id) references public.campaigns (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, consent_event_id) references public.consent_events (tenant_id, id)
);
-- Its list by state; the whole of it goes along the unique key.
create index campaign_sends_campaign on public.campaign_sends (tenant_id, campaign_id, state, contact_id);
create index campaign_sends_contact on public.campaign_sends (tenant_id, contact_id, id);
-- The next of a chunk in their order: with the id in it there is nothing to sort, so no other index is ever the cheaper one, not
-- even while the statistics are those of the campaigns before.
create index campaign_sends_queued on public.campaign_sends (tenant_id, campaign_id, chunk, id) where state = 'queued';
create index campaign_sends_sending on public.campaign_sends (tenant_id, lease_until) where state = 'sending';
create index campaign_sends_unknown on public.campaign_sends (tenant_id, campaign_id) where state = 'unknown';

-- Single mails from a template (the seed's email queue). At least once: they may be read twice without harm.
create table public.email_messages (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid,
  to_addresses text[] not null check (cardinality(to_addresses) between 1 and 10),
  template text not null check (template ~ '^[a-z][a-z0-9_]{0,59}$'),
  data jsonb not null default '{}',
  -- As they stood when it was asked for: what is sent is what was seen.
  subject text not null check (length(subject) between 1 and 1000),
  body_text text not null,
  body_html text,
  status text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed')),
  attempts integer not null default 0,
  error text check (length(error) <= 500),
  lease_until timestamptz,
  lease_token uuid,
  provider_message_id text,
  sent_at timestamptz,
  delivered_at timestamptz,
  bounced_at timestamptz,
  complained_at timestamptz,
  opened_at timestamptz,
  clicked_at timestamptz,
  created_by uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index email_messages_created on public.email_messages (tenant_id, created_at, id);
create index email_messages_status on public.email_messages (tenant_id, status, created_at, id);
create index email_messages_contact on public.email_messages (tenant_id, contact_id, created_at, id) where contact_id is not null;
create index email_messages_open on public.email_messages (tenant_id, updated_at) where status in ('pending', 'sending');

-- Addresses that nothing is sent to. The hash outlives an erasure: a person who comes back under the same address stays spared.
create function app.address_hash(p_channel text, p_address text) returns text language sql stable parallel safe
  return encode(sha256(convert_to(app.tenant()::text || ':' || p_channel || ':' || p_address, 'UTF8')), 'hex');
revoke all on function app.address_hash(text, text) from public;
grant execute on function app.address_hash(text, text) to clientway_app, clientway_job;

create table public.suppressions (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  channel text not null check (channel in ('email', 'sms')),
  address text check (length(address) <= 320),
  address_hash text not null check (address_hash ~ '^[0-9a-f]{64}$'),
  reason text not null check (reason in ('hard_bounce', 'complaint', 'stop', 'manual')),
  detail text check (length(detail) <= 500),
  contact_id uuid,
  created_by uuid,
  created_at timestamptz not null default now(),
  lifted_at timestamptz,
  lifted_by uuid,
  lift_reason text check (length(lift_reason) <= 500),
  version bigint not null default 1,
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
-- Each reason stands by itself: who lifts one does not lift what another has said.
create unique index suppressions_standing on public.suppressions (tenant_id, channel, address_hash, reason) where lifted_at is null;
create index suppressions_created on public.suppressions (tenant_id, created_at, id);
create index suppressions_contact on public.suppressions (tenant_id, contact_id) where contact_id is not null;

-- What providers told, each thing once (event_key): the inbox, committed with its effect.
create table public.message_events (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  event_key text not null check (length(event_key) between 1 and 300),
  kind text not null check (kind in ('send', 'delivery', 'delay', 'bounce', 'complaint', 'reject', 'rendering_failure', 'open', 'click',
    'subscription', 'unsubscribe', 'reply', 'stop', 'start', 'help')),
  channel text not null check (channel in ('email', 'sms')),
  campaign_send_id uuid,
  reminder_id uuid,
  email_message_id uuid,
  contact_id uuid,
  machine boolean not null default false,
  detail jsonb not null default '{}',
  occurred_at timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, event_key),
  check (num_nonnulls(campaign_send_id, reminder_id, email_message_id) <= 1),
  foreign key (tenant_id, campaign_send_id) references public.campaign_sends (tenant_id, id),
  foreign key (tenant_id, reminder_id) references public.reminders (tenant_id, id),
  foreign key (tenant_id, email_message_id) references public.email_messages (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index message_events_send on public.message_events (tenant_id, campaign_send_id, occurred_at, id) where campaign_send_id is not null;
create index message_events_contact on public.message_events (tenant_id, contact_id, occurred_at, id) where contact_id is not null;
-- Whether somebody said something else since, and how much they have said of late.
create index message_events_word on public.message_events (tenant_id, (detail ->> 'from'), occurred_at)
  where kind in ('stop', 'start', 'help');

-- Reminders: when they are looked at next (their time, or after a failure or quiet hours a later one), and what became of them.
alter table public.reminders
  add column next_at timestamptz,
  add column address text,
  add column consent_event_id uuid,
  add column provider_message_id text,
  add column delivered_at timestamptz,
  add column bounced_at timestamptz,
  add constraint reminders_consent foreign key (tenant_id, consent_event_id) references public.consent_events (tenant_id, id);
alter table public.reminders no force row level security;
update public.reminders set next_at = send_at;
alter table public.reminders force row level security;
alter table public.reminders alter column next_at set not null;
drop index public.reminders_due;
create index reminders_due on public.reminders (tenant_id, next_at, id) where state = 'scheduled';
create index reminders_claimed on public.reminders (tenant_id, lease_until) where state = 'claimed';
create index reminders_sent_at on public.reminders (tenant_id, send_at, id);
create index reminders_state on public.reminders (tenant_id, state, send_at, id);

-- The timeline tells of texts too.
alter table public.activities drop constraint activities_activity_type_check;
alter table public.activities add constraint activities_activity_type_check check (activity_type in (
    'email_sent', 'email_opened', 'email_clicked', 'email_replied', 'call_outbound', 'call_inbound',
    'meeting_scheduled', 'meeting_completed', 'quote_sent', 'quote_viewed', 'quote_accepted', 'deal_created',
    'deal_stage_changed', 'deal_won', 'deal_lost', 'ticket_created', 'ticket_resolved', 'portal_login',
    'document_downloaded', 'stage_changed', 'note_added',
    'job_scheduled', 'job_rescheduled', 'job_started', 'job_completed', 'job_canceled', 'job_blocked',
    'invoice_opened', 'invoice_paid', 'invoice_voided', 'invoice_uncollectible', 'payment_received', 'payment_failed',
    'payment_refunded', 'payment_disputed', 'dispute_closed', 'credit_issued', 'subscription_changed',
    'contact_merged', 'contact_unmerged', 'contact_updated', 'consent_changed', 'sms_sent', 'sms_replied'));

call app.guard_tenant_tables(
  array['messaging_settings', 'message_templates', 'segments', 'segment_members', 'campaigns', 'campaign_chunks', 'campaign_sends',
        'email_messages', 'suppressions', 'message_events'],
  array['message_events'],
  array['segment_members', 'campaign_chunks']);

-- A survivor is on the lists that the merged one is on, for as long as they are one. What was sent stays with whom it was sent to:
-- the keys of campaign_sends would collide, and its contact_id is part of the proof. A suppression is of an address, not of a contact.
create function app.share_segments() returns trigger language plpgsql set search_path = '' as $$
begin
  if new.undone_at is null then
    insert into public.segment_members (tenant_id, segment_id, contact_id, created_at)
    select m.tenant_id, m.segment_id, new.survivor_id, new.created_at from public.segment_members m
     where m.tenant_id = new.tenant_id and m.contact_id = new.merged_id
    on conflict do nothing;
  else
    delete from public.segment_members s using public.segment_members m
     where s.tenant_id = new.tenant_id and s.contact_id = new.survivor_id and s.created_at = new.created_at
       and m.tenant_id = new.tenant_id and m.contact_id = new.merged_id and m.segment_id = s.segment_id;
  end if;
  return null;
end $$;
revoke all on function app.share_segments() from public;
create trigger segments after insert on public.contact_merges for each row execute function app.share_segments();
create trigger segments_back after update of undone_at on public.contact_merges for each row
  when (new.undone_at is not null and old.undone_at is null) execute function app.share_segments();

reset role;

-- Which tenants have something to do at a time: the schedules' question over all of them, which row security keeps from asking.
-- A probe of an index for each tenant, whatever is not due.
set role clientway_owner;
do $$
declare t text;
begin
  foreach t in array array['reminders', 'campaigns', 'campaign_sends', 'email_messages'] loop
    execute format('create policy auth on public.%I for select to clientway_auth using (true)', t);
    execute format('grant select on public.%I to clientway_auth', t);
  end loop;
end $$;
-- Which number a tenant texts from is the operator's to say: whoever could take another's would text in their name and be told
-- what their clients answer.
create policy auth on public.messaging_settings to clientway_auth using (true) with check (true);
grant select, insert, update on public.messaging_settings to clientway_auth;
create policy auth on public.contact_phones for select to clientway_auth using (true);
grant select on public.contact_phones to clientway_auth;
reset role;
grant create on schema app to clientway_auth;
set role clientway_auth;

create function app.tenants_with_reminders_due(p_now timestamptz) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select t.tenant_id from public.tenants t
   where exists (select from public.reminders r where r.tenant_id = t.tenant_id and r.state = 'scheduled' and r.next_at <= p_now)
      or exists (select from public.reminders r where r.tenant_id = t.tenant_id and r.state = 'claimed' and r.lease_until <= p_now)
      or exists (select from public.messaging_settings s where s.tenant_id = t.tenant_id and s.replan_since is not null)
$$;

-- Which tenant's reminder is due next, and when: a probe of two indexes for each tenant.
create function app.next_reminder_due(out tenant_id uuid, out due_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select t.tenant_id, x.due_at from public.tenants t
   cross join lateral (
     select least((select min(r.next_at) from public.reminders r where r.tenant_id = t.tenant_id and r.state = 'scheduled'),
                  (select min(r.lease_until) from public.reminders r where r.tenant_id = t.tenant_id and r.state = 'claimed')) as due_at) x
   where x.due_at is not null order by x.due_at, t.tenant_id limit 1
$$;

create function app.tenants_with_messages_open(p_now timestamptz) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select t.tenant_id from public.tenants t
   where exists (select from public.campaigns c where c.tenant_id = t.tenant_id and c.status in ('scheduled', 'freezing', 'sending', 'paused'))
      or exists (select from public.campaign_sends s where s.tenant_id = t.tenant_id and s.state = 'sending' and s.lease_until <= p_now)
      or exists (select from public.email_messages m where m.tenant_id = t.tenant_id and m.status in ('pending', 'sending') and m.updated_at <= p_now)
$$;

-- Whom a text to this number is meant for; several where they share it.
create function app.tenants_texting_from(p_sender text) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select s.tenant_id from public.messaging_settings s where s.sms_sender = p_sender
$$;

-- Whom a text to the number of those who have none of their own is meant for: each who has, or had, somebody with its writer's number.
create function app.tenants_knowing(p_phone text) returns setof uuid
language sql stable security definer set search_path = '' as $$
  select t.tenant_id from public.tenants t
   where not exists (select from public.messaging_settings s where s.tenant_id = t.tenant_id and s.sms_sender is not null)
     and (exists (select from public.contact_phones p where p.tenant_id = t.tenant_id and p.phone_e164 = p_phone and p.live)
          or exists (select from public.contact_phones p where p.tenant_id = t.tenant_id and p.phone_e164 = p_phone and not p.live))
$$;

reset role;
revoke create on schema app from clientway_auth;
revoke all on function app.tenants_with_reminders_due(timestamptz), app.tenants_with_messages_open(timestamptz),
  app.tenants_texting_from(text), app.tenants_knowing(text), app.next_reminder_due() from public;
grant execute on function app.tenants_with_reminders_due(timestamptz), app.tenants_with_messages_open(timestamptz),
  app.tenants_texting_from(text), app.tenants_knowing(text), app.next_reminder_due() to clientway_job;
