-- Who somebody is needs no agreement between tenants. A person's id follows from the keyed hash of the first e-mail that
-- anybody knew them by, so two tenants that meet the same person at once agree without a row that both would write: a
-- long import of one made another's new contact wait, and "locked" told it that somebody else has that address.
-- identity.person_key keeps what cannot be derived: further keys of a person (and those that earlier versions gave out).

grant create on schema app to clientway_identity;
set role clientway_identity;

alter table identity.contact_person drop constraint contact_person_person_id_fkey;
alter table identity.person_key drop constraint person_key_person_id_fkey;
drop table identity.person;

create or replace function app.link_people(p_contacts jsonb) returns void
language sql security definer set search_path = '' as $$
  -- E-mail decides; a phone alone is only a suggestion and never links.
  delete from identity.contact_person p using jsonb_to_recordset(p_contacts) as r(contact_id uuid, email text)
   where p.tenant_id = app.tenant() and p.contact_id = r.contact_id and r.email is null;
  insert into identity.contact_person as p (tenant_id, contact_id, person_id)
  select app.tenant(), r.contact_id, coalesce(k.person_id, left(r.email, 32)::uuid)
    from jsonb_to_recordset(p_contacts) as r(contact_id uuid, email text)
    left join identity.person_key k on k.kind = 'email' and k.blind_index = r.email
   where r.email is not null
   order by r.contact_id
  on conflict (tenant_id, contact_id) do update set person_id = excluded.person_id where p.person_id <> excluded.person_id;
$$;

reset role;
revoke create on schema app from clientway_identity;
