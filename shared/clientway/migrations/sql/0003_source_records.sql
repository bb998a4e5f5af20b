-- Which record of another system became what here: how a migration that is run again finds its own, whatever it was merged into.
--
-- `marks` holds a keyed hash of each value that was taken over, never the value: enough to tell what changed there since
-- and what was changed here since, and nothing to erase.

set role clientway_owner;

create table public.source_records (
  tenant_id uuid not null default app.tenant() references public.tenants,
  source text not null check (length(source) between 1 and 100),
  source_id text not null check (length(source_id) between 1 and 300),
  organization_id uuid,
  location_id uuid,
  contact_id uuid,
  marks jsonb not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, source, source_id),
  foreign key (tenant_id, organization_id) references public.organizations (tenant_id, id),
  foreign key (tenant_id, location_id) references public.locations (tenant_id, id),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index source_records_organization on public.source_records (tenant_id, organization_id) where organization_id is not null;
create index source_records_location on public.source_records (tenant_id, location_id) where location_id is not null;
create index source_records_contact on public.source_records (tenant_id, contact_id) where contact_id is not null;

alter table public.source_records enable row level security;
alter table public.source_records force row level security;
create policy tenant on public.source_records to clientway_app, clientway_job
  using (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);
grant select, insert, update on public.source_records to clientway_app, clientway_job;

reset role;
