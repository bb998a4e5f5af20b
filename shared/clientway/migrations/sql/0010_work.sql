-- Work at an address at a time: services, jobs, series that repeat by an RFC 5545 rule, and the messages that are due about them.

set role clientway_owner;

create table public.services (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  name text not null check (length(name) between 1 and 300),
  description text check (length(description) <= 20000),
  duration_minutes integer not null default 60 check (duration_minutes between 1 and 43200),
  price_cents bigint not null default 0 check (price_cents >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  tax_rate_bps integer check (tax_rate_bps between 0 and 10000),
  active boolean not null default true,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id)
);
create unique index services_name on public.services (tenant_id, name) where active;
create index services_created on public.services (tenant_id, created_at, id);

-- A series is its rule and what each of its jobs begins as. Times are local to time_zone: 09:00 stays 09:00 when clocks change.
create table public.job_series (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid not null,
  service_id uuid,
  address_id uuid,
  assignee_id uuid,
  title text check (length(title) between 1 and 300),
  notes text check (length(notes) <= 20000),
  price_cents bigint check (price_cents >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  rrule text not null check (length(rrule) between 1 and 1000),
  starts_local timestamp not null,
  time_zone text not null check (length(time_zone) <= 64),
  duration_minutes integer not null check (duration_minutes between 1 and 43200),
  overlap_forced boolean not null default false,
  excluded_local timestamp[] not null default '{}' check (cardinality(excluded_local) <= 1000),
  status text not null default 'active' check (status in ('active', 'ended')),
  status_reason text check (length(status_reason) <= 2000),
  -- The first occurrence that there is no job for yet, locally and as a moment; null where no more will come.
  next_local timestamp,
  materialized_until timestamptz,
  split_from uuid,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, service_id) references public.services (tenant_id, id),
  foreign key (tenant_id, address_id) references public.contact_addresses (tenant_id, id),
  foreign key (tenant_id, assignee_id) references public.reps (tenant_id, id),
  foreign key (tenant_id, split_from) references public.job_series (tenant_id, id)
);
create index job_series_contact on public.job_series (tenant_id, contact_id, created_at, id);
create index job_series_created on public.job_series (tenant_id, created_at, id);
create index job_series_due on public.job_series (tenant_id, materialized_until, id) where status = 'active';

create table public.jobs (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  organization_id uuid not null,
  contact_id uuid not null,
  service_id uuid,
  address_id uuid,
  assignee_id uuid,
  series_id uuid,
  occurrence_local timestamp,
  detached boolean not null default false,
  title text not null check (length(title) between 1 and 300),
  status text not null default 'scheduled' check (status in ('scheduled', 'in_progress', 'completed', 'canceled', 'blocked')),
  start_at timestamptz not null,
  end_at timestamptz not null,
  time_zone text not null check (length(time_zone) <= 64),
  price_cents bigint not null default 0 check (price_cents >= 0),
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  notes text check (length(notes) <= 20000),
  overlap_forced boolean not null default false,
  started_at timestamptz,
  completed_at timestamptz,
  canceled_at timestamptz,
  status_reason text check (length(status_reason) <= 2000),
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check (end_at > start_at and end_at <= start_at + interval '30 days'),
  check ((series_id is null) = (occurrence_local is null)),
  check ((status = 'completed') = (completed_at is not null)),
  check ((status = 'canceled') = (canceled_at is not null)),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, service_id) references public.services (tenant_id, id),
  foreign key (tenant_id, address_id) references public.contact_addresses (tenant_id, id),
  foreign key (tenant_id, assignee_id) references public.reps (tenant_id, id),
  foreign key (tenant_id, series_id) references public.job_series (tenant_id, id),
  -- Nobody is at two places at once, whoever books at the same moment; who is, was sent there knowingly.
  constraint jobs_overlap exclude using gist (tenant_id with =, assignee_id with =, tstzrange(start_at, end_at) with &&)
    where (assignee_id is not null and status in ('scheduled', 'in_progress') and not overlap_forced)
);
create unique index jobs_occurrence on public.jobs (tenant_id, series_id, occurrence_local) where series_id is not null;
create index jobs_start on public.jobs (tenant_id, start_at, id);
create index jobs_status on public.jobs (tenant_id, status, start_at, id);
create index jobs_contact on public.jobs (tenant_id, contact_id, start_at, id);
create index jobs_organization on public.jobs (tenant_id, organization_id, start_at, id);
create index jobs_assignee on public.jobs (tenant_id, assignee_id, start_at, id);
create index jobs_series on public.jobs (tenant_id, series_id, start_at, id);
create index jobs_updated on public.jobs (tenant_id, updated_at, id);

-- What somebody has to do within a time. Their row is locked first, so that who asks and who books wait for one another; as a
-- volatile function it then sees what those before have committed, which the statement that calls it may have begun too early for.
create function app.busy(p_assignee uuid, p_start timestamptz, p_end timestamptz, p_except uuid default null)
returns table (job_id uuid, title text, start_at timestamptz, end_at timestamptz)
language plpgsql set search_path = '' as $$
begin
  perform from public.reps r where r.tenant_id = app.tenant() and r.id = p_assignee for no key update;
  return query
    select j.id, j.title, j.start_at, j.end_at from public.jobs j
     where j.tenant_id = app.tenant() and j.assignee_id = p_assignee and j.status in ('scheduled', 'in_progress')
       -- No job is longer than 30 days, so that the index is bounded at both ends.
       and j.start_at > p_start - interval '31 days' and j.start_at < p_end and j.end_at > p_start and j.id is distinct from p_except
     order by j.start_at, j.id limit 20;
end $$;
revoke all on function app.busy(uuid, timestamptz, timestamptz, uuid) from public;
grant execute on function app.busy(uuid, timestamptz, timestamptz, uuid) to clientway_app, clientway_job;

-- A message due at a time, about a job or an invoice as it stood when it was planned (anchor_at): see design, reminders.
-- recipient names whom, not where: the address is looked up when it goes out.
create table public.reminders (
  tenant_id uuid not null default app.tenant() references public.tenants,
  id uuid not null,
  contact_id uuid not null,
  job_id uuid,
  invoice_id uuid,
  type text not null check (type in ('job_upcoming', 'invoice_due')),
  rule text not null check (rule ~ '^[a-z0-9_]{1,40}$'),
  anchor_at timestamptz not null,
  send_at timestamptz not null,
  expires_at timestamptz not null,
  channel text not null check (channel in ('email', 'sms')),
  state text not null default 'scheduled' check (state in ('scheduled', 'claimed', 'sent', 'canceled', 'skipped', 'failed')),
  state_reason text check (length(state_reason) <= 500),
  attempts integer not null default 0,
  lease_until timestamptz,
  lease_token uuid,
  sent_at timestamptz,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  check (num_nonnulls(job_id, invoice_id) = 1),
  check ((type = 'job_upcoming') = (job_id is not null)),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id),
  foreign key (tenant_id, job_id) references public.jobs (tenant_id, id)
);
create unique index reminders_job_once on public.reminders (tenant_id, job_id, rule, anchor_at, channel, contact_id) where job_id is not null;
create unique index reminders_invoice_once on public.reminders (tenant_id, invoice_id, rule, anchor_at, channel, contact_id) where invoice_id is not null;
create index reminders_due on public.reminders (send_at, tenant_id, id) where state = 'scheduled';
create index reminders_contact on public.reminders (tenant_id, contact_id, send_at, id);

call app.guard_tenant_tables(array['services', 'job_series', 'jobs', 'reminders']);

reset role;
