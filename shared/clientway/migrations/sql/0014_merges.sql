-- Two contacts that are one person: looked for by keys that both have, merged in one transaction, and taken apart again.

set role clientway_owner;

-- What two records of one person have at least one of in common (lifecycle/duplicates/rules.py), for those that were looked at.
create table public.contact_match_keys (
  tenant_id uuid not null default app.tenant() references public.tenants,
  contact_id uuid not null,
  key text not null check (length(key) <= 400),
  primary key (tenant_id, contact_id, key),
  foreign key (tenant_id, contact_id) references public.contacts (tenant_id, id)
);
create index contact_match_keys_key on public.contact_match_keys (tenant_id, key, contact_id);

-- Up to which change a tenant's contacts were looked at; a key '=…' of each says which state of it that was.
create table public.duplicate_scans (
  tenant_id uuid not null default app.tenant() references public.tenants,
  seen_at timestamptz not null default '-infinity',
  updated_at timestamptz not null default now(),
  primary key (tenant_id)
);
call app.guard_tenant_tables(array['contact_match_keys', 'duplicate_scans'], array[]::text[], array['contact_match_keys']);

create index contact_addresses_updated on public.contact_addresses (tenant_id, updated_at);

-- What is a contact's is found by it.
create index deals_contact on public.deals (tenant_id, contact_id) where contact_id is not null;
create index tickets_contact on public.tickets (tenant_id, contact_id) where contact_id is not null;
create index nps_answers_contact on public.nps_answers (tenant_id, contact_id) where contact_id is not null;
create index portal_sessions_contact on public.portal_sessions (tenant_id, contact_id);
-- An undone merge leaves no consent that only the merge brought; the ledger of events keeps what was said.
grant delete on public.contact_consents to clientway_app, clientway_job;

-- The tables that carry a contact_id and an id of their own, and those that carry an organization_id of a holder's account.
create function app.contact_tables() returns text[] language sql immutable set search_path = '' return array[
  'contact_addresses', 'contact_notes', 'jobs', 'job_series', 'invoices', 'payments', 'recurring_invoices', 'reminders', 'deals', 'tickets',
  'nps_answers'];
create function app.account_tables() returns text[] language sql immutable set search_path = '' return array[
  'jobs', 'job_series', 'invoices', 'payments', 'recurring_invoices', 'disputes', 'subscriptions', 'deals', 'quotes', 'tickets',
  'nps_answers', 'referrals'];

-- Which of these contacts, or organizations, anything was done with since they were written: there is something of theirs. Of a move
-- to another stage, which may have come with them, the organization's version tells.
create function app.worked_on(p_column text, p_ids uuid[]) returns setof uuid
language plpgsql set search_path = '' as $$
declare
  t text; tables text[] := case p_column when 'contact_id' then app.contact_tables() || '{activities,contact_consents,household_members}'
                                         else app.account_tables() || '{activities,client_accounts}' end;
begin
  foreach t in array tables loop
    return query execute format(
      'select k.id from unnest($1) k(id) where exists (select from public.%I x where x.tenant_id = app.tenant() and x.%I = k.id %s)',
      t, p_column, case t when 'activities' then 'and x.activity_type <> ''stage_changed''' else '' end) using p_ids;
  end loop;
end $$;

-- The organizations of two contacts, and the contacts themselves with those that were merged into them: what a merge writes and
-- others may be about to.
create function app.merge_rows(p_one uuid, p_other uuid, out organizations uuid[], out contacts uuid[])
language sql stable set search_path = '' as $$
  select array_agg(distinct c.organization_id) filter (where c.organization_id is not null and c.id in (p_one, p_other)), array_agg(c.id order by c.id)
    from (select x.id, x.organization_id from public.contacts x where x.tenant_id = app.tenant() and x.id in (p_one, p_other)
          union select x.id, x.organization_id from public.contacts x where x.tenant_id = app.tenant() and x.merged_into in (p_one, p_other)) c;
$$;

-- Both sides of a merge, and everything that has to be known to decide it. With p_lock the organizations, then the contacts are
-- locked, each in the order of their ids; each look is then newer than the locks. Where a merge that we waited for has changed
-- which they are, the locks are let go (by the way out of the block) and taken anew: whoever held some and waited for others could
-- meet somebody who does the same the other way round.
create function app.merge_sides(p_one uuid, p_other uuid, p_lock boolean) returns jsonb
language plpgsql set search_path = '' as $$
declare
  wanted record; side record; found jsonb := '{}'; counts jsonb; n bigint; t text;
begin
  while p_lock loop
    wanted := app.merge_rows(p_one, p_other);
    begin
      perform from public.organizations o where o.tenant_id = app.tenant() and o.id = any (wanted.organizations) order by o.id for no key update;
      perform from public.contacts c where c.tenant_id = app.tenant() and c.id = any (wanted.contacts) order by c.id for no key update;
      exit when wanted is not distinct from app.merge_rows(p_one, p_other);
      raise exception using errcode = 'CW000';
    exception when sqlstate 'CW000' then
      null;
    end;
  end loop;

  for side in select c.id, c.organization_id, to_jsonb(c) as contact from public.contacts c
               where c.tenant_id = app.tenant() and c.id in (p_one, p_other) loop
    counts := '{}';
    foreach t in array app.contact_tables() loop
      execute format('select count(*) from public.%I x where x.tenant_id = app.tenant() and x.contact_id = $1', t) into n using side.id;
      counts := counts || jsonb_build_object(t, n);
    end loop;
    found := found || jsonb_build_object(side.id, jsonb_build_object(
      'contact', side.contact,
      'counts', counts || jsonb_build_object(
        'source_records', (select count(*) from public.source_records r where r.tenant_id = app.tenant() and r.contact_id = side.id)),
      'emails', (select coalesce(jsonb_agg(to_jsonb(e) order by e.created_at, e.id), '[]') from public.contact_emails e
                  where e.tenant_id = app.tenant() and e.contact_id = side.id),
      'phones', (select coalesce(jsonb_agg(to_jsonb(p) order by p.created_at, p.id), '[]') from public.contact_phones p
                  where p.tenant_id = app.tenant() and p.contact_id = side.id),
      'tags', (select coalesce(jsonb_agg(g.tag order by g.tag), '[]') from public.contact_tags g
                where g.tenant_id = app.tenant() and g.contact_id = side.id),
      'values', (select coalesce(jsonb_agg(f.key order by f.key), '[]') from public.contact_custom_values v
                   join public.custom_fields f on f.tenant_id = v.tenant_id and f.id = v.field_id
                  where v.tenant_id = app.tenant() and v.contact_id = side.id),
      'consents', (select coalesce(jsonb_agg(to_jsonb(s) order by s.channel, s.purpose), '[]') from public.contact_consents s
                    where s.tenant_id = app.tenant() and s.contact_id = side.id),
      'household', (select m.household_id from public.household_members m where m.tenant_id = app.tenant() and m.contact_id = side.id),
      'account', (select to_jsonb(a) from public.client_accounts a
                   where a.tenant_id = app.tenant() and a.organization_id = side.organization_id),
      'organization', (select to_jsonb(o) from public.organizations o where o.tenant_id = app.tenant() and o.id = side.organization_id),
      'shared', exists (select from public.contacts c where c.tenant_id = app.tenant() and c.organization_id = side.organization_id
                           and c.id not in (p_one, p_other) and c.deleted_at is null)
             or exists (select from public.locations l where l.tenant_id = app.tenant() and l.organization_id = side.organization_id
                           and l.deleted_at is null),
      'places', (select coalesce(jsonb_object_agg(l.id,
                   concat_ws(' ', regexp_replace(coalesce(l.phone_e164, l.phone), '\D', '', 'g'), l.email_norm)), '{}')
                   from public.locations l
                  where l.tenant_id = app.tenant() and l.organization_id = side.organization_id and l.deleted_at is null),
      'location', (select to_jsonb(l) from public.locations l
                    where l.tenant_id = app.tenant() and l.organization_id = side.organization_id and l.deleted_at is null
                    order by l.is_primary desc, l.created_at, l.id limit 1),
      'colleague', (select to_jsonb(c) from public.contacts c
                     where c.tenant_id = app.tenant() and c.organization_id = side.organization_id and c.deleted_at is null
                       and c.id not in (p_one, p_other)
                     order by c.is_primary desc, c.created_at, c.id limit 1)));
  end loop;
  return found || jsonb_build_object('region', (select t2.phone_region from public.tenants t2 where t2.tenant_id = app.tenant()));
end $$;

-- Hand rows of one table over; returns their ids. A row that has a version gets the next one: whoever holds an old one is told.
create function app.hand_over(p_table text, p_column text, p_from uuid, p_to uuid, p_now timestamptz, p_only jsonb default null) returns jsonb
language plpgsql set search_path = '' as $$
declare ids jsonb; stamped text := '';
begin
  if p_table not in ('nps_answers', 'contact_emails', 'contact_phones') then
    stamped := ', version = x.version + 1, updated_at = $3';
  end if;
  execute format(
    'with moved as (update public.%I x set %I = $2 %s where x.tenant_id = app.tenant() and x.%I = $1
        and ($4 is null or x.id in (select j::uuid from jsonb_array_elements_text($4) j)) returning x.id)
     select coalesce(jsonb_agg(m.id), ''[]'') from moved m', p_table, p_column, stamped, p_column)
    into ids using p_from, p_to, p_now, p_only;
  return ids;
end $$;

-- Columns of one row, given as JSON by their names.
create function app.set_columns(p_table text, p_id uuid, p_columns jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  if p_columns = '{}' then
    return;
  end if;
  execute format(
    'update public.%I x set %s, version = x.version + 1, updated_at = $3 from jsonb_populate_record(null::public.%I, $2) g
      where x.tenant_id = app.tenant() and x.id = $1',
    p_table, (select string_agg(format('%I = g.%I', k, k), ', ') from jsonb_object_keys(p_columns) k), p_table)
    using p_id, p_columns, p_now;
end $$;

-- Derived columns of organizations: no change of the organization's own.
create function app.refresh_organizations(p_derived jsonb, p_now timestamptz) returns void
language sql set search_path = '' as $$
  update public.organizations o
     set search_text = d.value ->> 'search_text', data_completeness = (d.value ->> 'data_completeness')::integer,
         missing_fields = array(select jsonb_array_elements_text(d.value -> 'missing_fields')), updated_at = p_now
    from jsonb_each(p_derived) d where o.tenant_id = app.tenant() and o.id = d.key::uuid;
$$;

-- A line of evidence for each consent, and the newest of each kind.
create function app.write_consents(p_contact uuid, p_consents jsonb, p_actor jsonb, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
  insert into public.consent_events (id, contact_id, channel, purpose, state, source, evidence, actor_type, actor_id, occurred_at, created_at)
  select r.event_id, p_contact, r.channel, r.purpose, r.state, r.source, r.evidence, p_actor ->> 'type', (p_actor ->> 'id')::uuid, p_now, p_now
    from jsonb_to_recordset(p_consents) as r(event_id uuid, channel text, purpose text, state text, source text, evidence jsonb);
  insert into public.contact_consents (contact_id, channel, purpose, state, event_id, since)
  select p_contact, r.channel, r.purpose, r.state, r.event_id, p_now
    from jsonb_to_recordset(p_consents) as r(event_id uuid, channel text, purpose text, state text)
  on conflict (tenant_id, contact_id, channel, purpose) do update set state = excluded.state, event_id = excluded.event_id, since = excluded.since;
end $$;

-- How many rows of each table changed hands by a merge's ledger.
create function app.moved_counts(p_moved jsonb) returns jsonb language sql immutable set search_path = '' as $$
  select coalesce(jsonb_object_agg(t.name, t.n order by t.name), '{}') from (
    select c.key, jsonb_array_length(c.value) from jsonb_each(p_moved -> 'contact') c
    union all select 'source_records', jsonb_array_length(p_moved -> 'source_records')
    union all select 'contact_tags', jsonb_array_length(p_moved -> 'tags')
    union all select 'household_members', jsonb_array_length(p_moved -> 'household')
    union all select 'contact_emails', (select count(*)::integer from jsonb_object_keys(p_moved -> 'emails'))
    union all select 'contact_phones', (select count(*)::integer from jsonb_object_keys(p_moved -> 'phones'))
    union all select 'contact_custom_values', (select count(*)::integer from jsonb_object_keys(p_moved -> 'values'))) t(name, n)
   where t.n > 0;
$$;

-- The ids of what a merge's ledger moved of one table, with their contact or with their organization.
create function app.moved_ids(p_moved jsonb, p_table text) returns jsonb language sql immutable set search_path = '' as $$
  select coalesce(jsonb_agg(i.id), '[]')
    from (select p_moved -> 'contact' -> p_table union all select o.value -> p_table from jsonb_each(p_moved -> 'organization') o) b(ids)
   cross join lateral jsonb_array_elements(b.ids) i(id)
$$;

-- What clients are worth follows what it is of, as pairs of lines: nothing that was written is changed. That are invoices, and
-- payments for what stands elsewhere. What counts is where their lines stand and where they stand, however often they went there
-- and back.
create function app.move_worth(p_invoices jsonb, p_payments jsonb, p_key text, p_now timestamptz) returns void
language sql set search_path = '' as $$
  with strayed as (
    select l.organization_id, l.contact_id, l.currency, l.invoice_id, null::uuid as payment_id, sum(l.amount_cents) as amount,
           y.organization_id as to_organization, y.contact_id as to_contact
      from public.invoices y join public.ledger_entries l on l.tenant_id = y.tenant_id and l.invoice_id = y.id
     where y.tenant_id = app.tenant() and y.id in (select j::uuid from jsonb_array_elements_text(p_invoices) j)
       and (l.organization_id, l.contact_id) is distinct from (y.organization_id, y.contact_id)
     group by 1, 2, 3, 4, 7, 8 having sum(l.amount_cents) <> 0
    union all
    select l.organization_id, l.contact_id, l.currency, null, y.id, sum(l.amount_cents), y.organization_id, y.contact_id
      from public.payments y join public.ledger_entries l on l.tenant_id = y.tenant_id and l.payment_id = y.id and l.invoice_id is null
     where y.tenant_id = app.tenant() and y.id in (select j::uuid from jsonb_array_elements_text(p_payments) j) and y.settles_elsewhere
       and (l.organization_id, l.contact_id) is distinct from (y.organization_id, y.contact_id)
     group by 1, 2, 3, 5, 7, 8 having sum(l.amount_cents) <> 0
  ), numbered as (
    select s.*, row_number() over (order by s.invoice_id, s.payment_id, s.organization_id, s.contact_id) as n from strayed s
  )
  insert into public.ledger_entries (id, organization_id, contact_id, kind, amount_cents, currency, invoice_id, payment_id, source_key,
                                     occurred_at)
  select gen_random_uuid(), s.organization, s.contact, 'contact_moved', s.cents, w.currency, w.invoice_id, w.payment_id,
         format('%s:%s:%s', p_key, w.n, s.way), p_now
    from numbered w
   cross join lateral (values ('out', w.organization_id, w.contact_id, -w.amount), ('in', w.to_organization, w.to_contact, w.amount))
      s(way, organization, contact, cents);
$$;

-- The merge itself, as lifecycle/merges/service.py decided it. The order matters: the merged contact lets go of what is unique
-- (e-mail, HubSpot id, primary) before the survivor takes it up.
create function app.merge_contacts(p jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  this uuid := (p ->> 'id')::uuid;
  survivor uuid := (p ->> 'survivor_id')::uuid;
  merged uuid := (p ->> 'merged_id')::uuid;
  target uuid := (p ->> 'target')::uuid;
  moment timestamptz := (p ->> 'now')::timestamptz;
  moved jsonb := '{}'; rows jsonb; part jsonb; e uuid; t text; emptied uuid[];
begin
  emptied := array(select j::uuid from jsonb_array_elements_text(p -> 'emptied') j);

  update public.contacts c
     set deleted_at = moment, merged_into = survivor, merged_at = moment, is_primary = false, version = c.version + 1, updated_at = moment
   where c.tenant_id = app.tenant() and c.id = merged;
  -- Who was merged into the merged one before is the survivor now: an old id leads there in one step.
  with led as (update public.contacts c set merged_into = survivor where c.tenant_id = app.tenant() and c.merged_into = merged and c.id <> merged
               returning c.id)
  select coalesce(jsonb_agg(led.id), '[]') into rows from led;
  moved := moved || jsonb_build_object('led', rows);

  with handed as (update public.contact_emails x set contact_id = survivor, is_primary = false, live = true
                   where x.tenant_id = app.tenant() and x.contact_id = merged returning x.id, x.email_norm)
  select coalesce(jsonb_object_agg(handed.id, handed.email_norm), '{}') into rows from handed;
  moved := moved || jsonb_build_object('emails', rows);
  -- A number that both have stays where it is.
  with handed as (update public.contact_phones x set contact_id = survivor, is_primary = false, live = true
                   where x.tenant_id = app.tenant() and x.contact_id = merged
                     and not exists (select from public.contact_phones y where y.tenant_id = app.tenant() and y.contact_id = survivor
                                        and coalesce(y.phone_e164, y.phone) = coalesce(x.phone_e164, x.phone))
                   returning x.id, coalesce(x.phone_e164, x.phone) as number)
  select coalesce(jsonb_object_agg(handed.id, handed.number), '{}') into rows from handed;
  moved := moved || jsonb_build_object('phones', rows);

  part := '{}';
  foreach t in array app.contact_tables() loop
    part := part || jsonb_build_object(t, app.hand_over(t, 'contact_id', merged, survivor, moment));
  end loop;
  moved := moved || jsonb_build_object('contact', part);

  with handed as (update public.source_records r set contact_id = survivor, updated_at = moment
                   where r.tenant_id = app.tenant() and r.contact_id = merged returning r.source, r.source_id)
  select coalesce(jsonb_agg(jsonb_build_array(handed.source, handed.source_id)), '[]') into rows from handed;
  moved := moved || jsonb_build_object('source_records', rows);
  -- What the survivor has itself stays with the merged one.
  with handed as (update public.contact_tags x set contact_id = survivor where x.tenant_id = app.tenant() and x.contact_id = merged
                     and not exists (select from public.contact_tags y where y.tenant_id = app.tenant() and y.contact_id = survivor and y.tag = x.tag)
                   returning x.tag)
  select coalesce(jsonb_agg(handed.tag), '[]') into rows from handed;
  moved := moved || jsonb_build_object('tags', rows);
  with handed as (update public.contact_custom_values x set contact_id = survivor where x.tenant_id = app.tenant() and x.contact_id = merged
                     and not exists (select from public.contact_custom_values y
                                      where y.tenant_id = app.tenant() and y.contact_id = survivor and y.field_id = x.field_id)
                   returning x.field_id, to_jsonb(x) - 'contact_id' as value)
  select coalesce(jsonb_object_agg(handed.field_id, handed.value), '{}') into rows from handed;
  moved := moved || jsonb_build_object('values', rows);
  with handed as (update public.household_members x set contact_id = survivor where x.tenant_id = app.tenant() and x.contact_id = merged
                     and not exists (select from public.household_members y where y.tenant_id = app.tenant() and y.contact_id = survivor)
                   returning x.household_id)
  select coalesce(jsonb_agg(handed.household_id), '[]') into rows from handed;
  moved := moved || jsonb_build_object('household', rows);

  part := '{}';
  foreach e in array emptied loop
    rows := '{}';
    foreach t in array app.account_tables() loop
      rows := rows || jsonb_build_object(t, app.hand_over(t, 'organization_id', e, target, moment));
    end loop;
    rows := rows || jsonb_build_object('referred', app.hand_over('referrals', 'referred_organization_id', e, target, moment));
    if not exists (select from public.client_accounts a where a.tenant_id = app.tenant() and a.organization_id = target) then
      rows := rows || jsonb_build_object('client_accounts', app.hand_over('client_accounts', 'organization_id', e, target, moment));
    end if;
    with handed as (update public.source_records r set organization_id = target, updated_at = moment
                     where r.tenant_id = app.tenant() and r.organization_id = e returning r.source, r.source_id)
    select rows || jsonb_build_object('source_records', coalesce(jsonb_agg(jsonb_build_array(handed.source, handed.source_id)), '[]'))
      into rows from handed;
    part := part || jsonb_build_object(e, rows);
    update public.organizations o
       set deleted_at = moment, version = o.version + 1, updated_at = moment
     where o.tenant_id = app.tenant() and o.id = e;
  end loop;
  moved := moved || jsonb_build_object('organization', part);

  perform app.set_columns('contacts', (p ->> 'successor_id')::uuid, '{"is_primary": true}', moment) where p ->> 'successor_id' is not null;
  perform app.set_columns('contacts', survivor, p -> 'contact', moment);
  perform app.set_columns('organizations', target, p -> 'after' -> 'organization', moment);
  perform app.set_columns('client_accounts', (a.key)::uuid, a.value, moment) from jsonb_each(p -> 'after' -> 'accounts') a;
  perform app.refresh_organizations(p -> 'derived', moment);
  perform app.write_consents(survivor, p -> 'consents', p -> 'actor', moment);

  perform app.move_worth(app.moved_ids(moved, 'invoices'), app.moved_ids(moved, 'payments'), format('merge:%s', this), moment);

  update public.portal_sessions s set revoked_at = moment where s.tenant_id = app.tenant() and s.contact_id = merged and s.revoked_at is null;
  update public.duplicate_suggestions d set status = 'merged', version = d.version + 1, updated_at = moment
   where d.tenant_id = app.tenant() and d.contact_id = least(survivor, merged) and d.other_id = greatest(survivor, merged);
  delete from public.contact_match_keys k where k.tenant_id = app.tenant() and k.contact_id = merged;

  insert into public.contact_merges (id, survivor_id, merged_id, choices, before, after, moved, reason, merged_by, undo_until, created_at, updated_at)
  values (this, survivor, merged, p -> 'choices', p -> 'before', p -> 'after', moved, p ->> 'reason', (p ->> 'by')::uuid,
          (p ->> 'undo_until')::timestamptz, moment, moment);
  return app.moved_counts(moved);
end $$;


-- A merge with both sides, locked, and what may keep it from being undone.
create function app.undo_sides(p_merge uuid) returns jsonb
language plpgsql set search_path = '' as $$
declare m public.contact_merges; sides jsonb;
begin
  select * into m from public.contact_merges x where x.tenant_id = app.tenant() and x.id = p_merge;
  if not found then
    return null;
  end if;
  sides := app.merge_sides(m.survivor_id, m.merged_id, true);
  select * into m from public.contact_merges x where x.tenant_id = app.tenant() and x.id = p_merge for no key update;
  return sides || jsonb_build_object(
    'merge', to_jsonb(m),
    'newer', (select x.id from public.contact_merges x
               where x.tenant_id = app.tenant() and x.undone_at is null and (x.created_at, x.id) > (m.created_at, m.id)
                 and (x.survivor_id = m.survivor_id or x.merged_id = m.survivor_id)
               order by x.created_at desc, x.id desc limit 1),
    'taken', (select jsonb_build_object(
        'email', exists (select from public.contacts y where y.tenant_id = app.tenant() and y.email_norm = c.email_norm and y.deleted_at is null
                            and y.id not in (m.survivor_id, m.merged_id))
              or exists (select from public.contact_emails y where y.tenant_id = app.tenant() and y.email_norm = c.email_norm and y.live
                            and y.contact_id not in (m.survivor_id, m.merged_id)),
        'hubspot_contact_id', exists (select from public.contacts y where y.tenant_id = app.tenant() and y.hubspot_contact_id = c.hubspot_contact_id
                                         and y.deleted_at is null and y.id not in (m.survivor_id, m.merged_id)))
       from public.contacts c where c.tenant_id = app.tenant() and c.id = m.merged_id));
end $$;

-- Hand back what a merge handed over, as far as it is still the survivor's; counts of what went back and of what did not.
create function app.undo_merge(p jsonb) returns jsonb
language plpgsql set search_path = '' as $$
declare
  this uuid := (p ->> 'id')::uuid;
  moment timestamptz := (p ->> 'now')::timestamptz;
  m public.contact_merges; moved jsonb; target uuid; rows jsonb; part record; one record; n bigint;
  given jsonb := '{}'; kept jsonb := '{}'; billed jsonb;
begin
  select * into m from public.contact_merges x where x.tenant_id = app.tenant() and x.id = this;
  moved := m.moved;
  target := (m.after ->> 'organization_id')::uuid;

  for part in select key, value from jsonb_each(moved -> 'contact') loop
    rows := app.hand_over(part.key, 'contact_id', m.survivor_id, m.merged_id, moment, part.value);
    given := given || jsonb_build_object(part.key, jsonb_array_length(rows));
    kept := kept || jsonb_build_object(part.key, jsonb_array_length(part.value) - jsonb_array_length(rows));
    if part.key = 'invoices' then
      billed := rows;
    end if;
  end loop;
  -- What was planned since follows its job or its invoice; what went out stays with whom it went to.
  update public.reminders x set contact_id = m.merged_id, version = x.version + 1, updated_at = moment
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and x.state = 'scheduled'
     and (exists (select from public.jobs j where j.tenant_id = x.tenant_id and j.id = x.job_id and j.contact_id = m.merged_id)
          or exists (select from public.invoices i where i.tenant_id = x.tenant_id and i.id = x.invoice_id and i.contact_id = m.merged_id));

  -- An address that was written over since is another one by now, and the survivor's primary one stays.
  update public.contact_emails x set contact_id = m.merged_id, is_primary = false, live = false
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and x.email_norm = moved -> 'emails' ->> x.id::text
     and x.email_norm is distinct from p ->> 'keep_email';
  get diagnostics n = row_count;
  given := given || jsonb_build_object('contact_emails', n);
  kept := kept || jsonb_build_object('contact_emails', (select count(*) from jsonb_object_keys(moved -> 'emails')) - n);
  update public.contact_phones x set contact_id = m.merged_id, is_primary = false, live = false
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and coalesce(x.phone_e164, x.phone) = moved -> 'phones' ->> x.id::text
     and coalesce(x.phone_e164, x.phone) is distinct from p ->> 'keep_phone';
  get diagnostics n = row_count;
  given := given || jsonb_build_object('contact_phones', n);
  kept := kept || jsonb_build_object('contact_phones', (select count(*) from jsonb_object_keys(moved -> 'phones')) - n);

  update public.source_records r set contact_id = m.merged_id, updated_at = moment
    from jsonb_array_elements(moved -> 'source_records') g
   where r.tenant_id = app.tenant() and r.source = g ->> 0 and r.source_id = g ->> 1 and r.contact_id = m.survivor_id;
  get diagnostics n = row_count;
  given := given || jsonb_build_object('source_records', n);
  kept := kept || jsonb_build_object('source_records', jsonb_array_length(moved -> 'source_records') - n);
  update public.contact_tags x set contact_id = m.merged_id
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and moved -> 'tags' ? x.tag
     and not exists (select from public.contact_tags y where y.tenant_id = app.tenant() and y.contact_id = m.merged_id and y.tag = x.tag);
  get diagnostics n = row_count;
  given := given || jsonb_build_object('contact_tags', n);
  kept := kept || jsonb_build_object('contact_tags', jsonb_array_length(moved -> 'tags') - n);
  update public.contact_custom_values x set contact_id = m.merged_id
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and to_jsonb(x) - 'contact_id' = moved -> 'values' -> x.field_id::text;
  get diagnostics n = row_count;
  given := given || jsonb_build_object('contact_custom_values', n);
  kept := kept || jsonb_build_object('contact_custom_values', (select count(*) from jsonb_object_keys(moved -> 'values')) - n);
  update public.household_members x set contact_id = m.merged_id
   where x.tenant_id = app.tenant() and x.contact_id = m.survivor_id and moved -> 'household' ? x.household_id::text;
  get diagnostics n = row_count;
  given := given || jsonb_build_object('household_members', n);
  kept := kept || jsonb_build_object('household_members', jsonb_array_length(moved -> 'household') - n);

  for part in select key::uuid as id, value from jsonb_each(moved -> 'organization') loop
    for one in select key, value from jsonb_each(part.value) where key not in ('referred', 'source_records') loop
      rows := app.hand_over(one.key, 'organization_id', target, part.id, moment, one.value);
      if one.key = 'invoices' then
        billed := coalesce(billed, '[]') || rows;
      end if;
    end loop;
    perform app.hand_over('referrals', 'referred_organization_id', target, part.id, moment, part.value -> 'referred');
    update public.source_records r set organization_id = part.id, updated_at = moment
      from jsonb_array_elements(part.value -> 'source_records') g
     where r.tenant_id = app.tenant() and r.source = g ->> 0 and r.source_id = g ->> 1 and r.organization_id = target;
  end loop;

  perform app.set_columns('contacts', (p ->> 'successor_id')::uuid, '{"is_primary": false}', moment) where p ->> 'successor_id' is not null;
  perform app.set_columns('contacts', m.survivor_id, p -> 'contact', moment);
  perform app.set_columns('organizations', target, p -> 'organization', moment);
  perform app.set_columns('organizations', o.id::uuid, '{"deleted_at": null}', moment) from jsonb_array_elements_text(m.after -> 'emptied') o(id);
  perform app.set_columns('client_accounts', a.key::uuid, a.value, moment) from jsonb_each(p -> 'accounts') a;
  perform app.set_columns('contacts', m.merged_id, p -> 'merged' || '{"deleted_at": null, "merged_into": null, "merged_at": null}', moment);
  perform app.refresh_organizations(p -> 'derived', moment);
  update public.contacts c set merged_into = m.merged_id
    from jsonb_array_elements_text(moved -> 'led') g
   where c.tenant_id = app.tenant() and c.id = g::uuid and c.merged_into = m.survivor_id;

  perform app.write_consents(m.survivor_id, p -> 'consents', p -> 'actor', moment);
  delete from public.contact_consents s using jsonb_to_recordset(p -> 'dropped') as r(channel text, purpose text)
   where s.tenant_id = app.tenant() and s.contact_id = m.survivor_id and s.channel = r.channel and s.purpose = r.purpose;

  -- What was paid since for nothing but what goes back goes back with it, and each dispute with its payment.
  with back as materialized (
    select j::uuid as id from jsonb_array_elements_text(coalesce(billed, '[]')) j
  ), paying as materialized (
    select distinct z.payment_id from back b join public.allocations z on z.tenant_id = app.tenant() and z.invoice_id = b.id
     where z.released_at is null
  ), theirs as (
    select x.payment_id, (array_agg(y.organization_id))[1] as organization_id, (array_agg(y.contact_id))[1] as contact_id
      from paying p join public.allocations x on x.tenant_id = app.tenant() and x.payment_id = p.payment_id and x.released_at is null
      join public.invoices y on y.tenant_id = x.tenant_id and y.id = x.invoice_id
      left join back b on b.id = y.id
     group by x.payment_id having bool_and(b.id is not null)
  )
  update public.payments x
     set organization_id = g.organization_id, contact_id = case when x.contact_id = m.survivor_id then g.contact_id else x.contact_id end,
         version = x.version + 1, updated_at = moment
    from theirs g
   where x.tenant_id = app.tenant() and x.id = g.payment_id and x.created_at >= m.created_at
     and (x.organization_id <> g.organization_id or x.contact_id = m.survivor_id);
  get diagnostics n = row_count;
  given := given || jsonb_build_object('payments', coalesce((given ->> 'payments')::bigint, 0) + n);
  update public.disputes x set organization_id = y.organization_id, version = x.version + 1, updated_at = moment
    from public.payments y
   where x.tenant_id = app.tenant() and x.organization_id = target and y.tenant_id = x.tenant_id and y.id = x.payment_id
     and y.organization_id in (select o.id::uuid from jsonb_array_elements_text(m.after -> 'emptied') o(id));

  perform app.move_worth(coalesce(billed, '[]'), app.moved_ids(moved, 'payments'), format('unmerge:%s', this), moment);

  update public.duplicate_suggestions d set status = 'dismissed', version = d.version + 1, updated_at = moment
   where d.tenant_id = app.tenant() and d.contact_id = least(m.survivor_id, m.merged_id) and d.other_id = greatest(m.survivor_id, m.merged_id)
     and d.status = 'merged';
  update public.contact_merges x set undone_at = moment, undone_by = (p ->> 'by')::uuid, version = x.version + 1, updated_at = moment
   where x.tenant_id = app.tenant() and x.id = this;
  return jsonb_build_object('given', given, 'kept', kept);
end $$;

do $$
declare f text;
begin
  foreach f in array array['contact_tables()', 'account_tables()', 'worked_on(text, uuid[])', 'merge_rows(uuid, uuid)', 'merge_sides(uuid, uuid, boolean)',
    'hand_over(text, text, uuid, uuid, timestamptz, jsonb)', 'set_columns(text, uuid, jsonb, timestamptz)',
    'refresh_organizations(jsonb, timestamptz)', 'moved_ids(jsonb, text)', 'move_worth(jsonb, jsonb, text, timestamptz)', 'write_consents(uuid, jsonb, jsonb, timestamptz)',
    'moved_counts(jsonb)', 'merge_contacts(jsonb)', 'undo_sides(uuid)', 'undo_merge(jsonb)'] loop
    execute format('revoke all on function app.%s from public', f);
    execute format('grant execute on function app.%s to clientway_app, clientway_job', f);
  end loop;
end $$;

reset role;
