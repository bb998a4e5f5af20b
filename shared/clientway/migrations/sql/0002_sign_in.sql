-- Signing in: one-time links by e-mail for staff and portal contacts, OIDC for staff, and invitations.
--
-- Whoever signs in has no tenant yet, so these functions run as clientway_auth. None of them tells an unknown address
-- from a known one: starting answers nothing, finishing answers null for every kind of refusal.

set role clientway_owner;

-- Sessions are kept when they are over: what is live is found by its end.
create index sessions_live on public.sessions (tenant_id, expires_at) where revoked_at is null;
create index sign_in_links_user on public.sign_in_links (tenant_id, user_id, created_at) where user_id is not null;
create index sign_in_links_contact on public.sign_in_links (tenant_id, contact_id, created_at) where contact_id is not null;
-- The portal's front page looks for the few lines of a long timeline that clients may see.
create index activities_client_visible on public.activities (tenant_id, organization_id, occurred_at, id) where client_visible;
-- Rows that were handed over are forgotten after a while.
grant delete on public.outbox to clientway_job;

reset role;
grant create on schema app to clientway_auth;
set role clientway_auth;

create function app.choose_tenant(p_user uuid, p_slug text) returns uuid
language sql stable security definer set search_path = '' as $$
  select m.tenant_id
    from public.memberships m join public.tenants t on t.tenant_id = m.tenant_id
   where m.user_id = p_user and m.revoked_at is null and (p_slug is null or t.slug = p_slug)
   order by (select max(s.created_at) from public.sessions s where s.tenant_id = m.tenant_id and s.user_id = m.user_id) desc nulls last,
            m.created_at desc, m.tenant_id
   limit 1
$$;
comment on function app.choose_tenant(uuid, text) is 'The tenant a user signs in to: the one asked for, else the one used last, else the one joined last. Null without a live membership.';

create function app.start_sign_in(p_email_norm text, p_tenant text, p_link uuid, p_token_hash text, p_code_hash text, p_nonce_hash text, p_mail_id uuid, p_mail jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  found_tenant uuid;
  u record;
begin
  select id, email into u from public.users where email_norm = p_email_norm;
  found_tenant := app.choose_tenant(u.id, p_tenant);
  -- A handful of mails in a quarter of an hour: more is somebody filling another's mailbox, or guessing codes.
  if found_tenant is null or 5 <= (select count(*) from public.sign_in_links l where l.tenant_id = found_tenant and l.user_id = u.id and l.created_at > now() - interval '15 minutes') then
    return;
  end if;
  insert into public.sign_in_links (tenant_id, id, user_id, token_hash, code_hash, nonce_hash, expires_at)
  values (found_tenant, p_link, u.id, p_token_hash, p_code_hash, p_nonce_hash, now() + interval '15 minutes');
  insert into public.outbox (tenant_id, id, topic, payload)
  select t.tenant_id, p_mail_id, 'mail', p_mail || jsonb_build_object('to', u.email, 'tenant_name', t.name) from public.tenants t where t.tenant_id = found_tenant;
end $$;
comment on function app.start_sign_in(text, text, uuid, text, text, text, uuid, jsonb) is 'Keeps a link for a known member and queues its mail; does nothing for anybody else, and says nothing either way.';

create function app.start_portal_sign_in(p_tenant text, p_slug text, p_email_norm text, p_link uuid, p_token_hash text, p_code_hash text, p_nonce_hash text, p_mail_id uuid, p_mail jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
  c record;
begin
  select c0.tenant_id, c0.id, c0.email, t.name as tenant_name into c
    from public.tenants t join public.contacts c0 on c0.tenant_id = t.tenant_id
   where t.slug = p_tenant and c0.slug = p_slug and c0.email_norm = p_email_norm and c0.portal_enabled and c0.deleted_at is null;
  if not found or 5 <= (select count(*) from public.sign_in_links l where l.tenant_id = c.tenant_id and l.contact_id = c.id and l.created_at > now() - interval '15 minutes') then
    return;
  end if;
  insert into public.sign_in_links (tenant_id, id, contact_id, token_hash, code_hash, nonce_hash, expires_at)
  values (c.tenant_id, p_link, c.id, p_token_hash, p_code_hash, p_nonce_hash, now() + interval '15 minutes');
  insert into public.outbox (tenant_id, id, topic, payload)
  values (c.tenant_id, p_mail_id, 'mail', p_mail || jsonb_build_object('to', c.email, 'tenant_name', c.tenant_name));
end $$;

-- The token of the link, or the code typed in; both only in the browser that holds the nonce.
create function app.use_link(p_of_contact boolean, p_nonce_hash text, p_token_hash text, p_code_hash text) returns public.sign_in_links
language plpgsql security definer set search_path = '' as $$
declare
  l public.sign_in_links;
begin
  if p_token_hash is not null then
    update public.sign_in_links set used_at = now()
     where token_hash = p_token_hash and nonce_hash = p_nonce_hash and used_at is null and expires_at > now()
       and (contact_id is not null) = p_of_contact
    returning * into l;
    return l;
  end if;
  select * into l from public.sign_in_links
   where nonce_hash = p_nonce_hash and used_at is null and expires_at > now() and attempts < 5 and (contact_id is not null) = p_of_contact
   order by created_at desc limit 1 for no key update;
  if not found then
    return null;
  end if;
  -- Six digits are few: besides the five tries of a link, all links of one person share twenty failures a day. The link
  -- itself goes on working, so that nobody can lock somebody else out by guessing.
  if l.code_hash <> p_code_hash or 20 <= (
      select coalesce(sum(o.attempts), 0) from public.sign_in_links o
       where o.tenant_id = l.tenant_id and o.created_at > now() - interval '1 day'
         and (case when p_of_contact then o.contact_id = l.contact_id else o.user_id = l.user_id end)) then
    update public.sign_in_links set attempts = attempts + 1 where tenant_id = l.tenant_id and id = l.id;
    return null;
  end if;
  update public.sign_in_links set used_at = now() where tenant_id = l.tenant_id and id = l.id returning * into l;
  return l;
end $$;

create function app.open_session(p_tenant uuid, p_user uuid, p_method text, p_id uuid, p_token_hash text, p_user_agent text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  opened jsonb;
begin
  insert into public.sessions (tenant_id, id, user_id, token_hash, method, user_agent, expires_at)
  select m.tenant_id, p_id, m.user_id, p_token_hash, p_method, left(p_user_agent, 500), now() + interval '12 hours'
    from public.memberships m where m.tenant_id = p_tenant and m.user_id = p_user and m.revoked_at is null;
  if not found then
    return null;
  end if;
  perform set_config('app.tenant_id', p_tenant::text, true), set_config('app.principal', 'user:' || p_user, true);
  select jsonb_build_object(
           'tenant_id', p_tenant, 'kind', 'user', 'actor_id', p_user, 'credential_id', p_id, 'role', m.role, 'name', u.name, 'email', u.email_norm,
           'expires_at', now() + interval '12 hours', 'tenant', jsonb_build_object('id', t.tenant_id, 'name', t.name, 'slug', t.slug),
           'tenants', (select jsonb_agg(jsonb_build_object('id', t2.tenant_id, 'name', t2.name, 'slug', t2.slug) order by t2.name, t2.slug)
                         from public.memberships m2 join public.tenants t2 on t2.tenant_id = m2.tenant_id
                        where m2.user_id = p_user and m2.revoked_at is null))
    into opened
    from public.memberships m
    join public.users u on u.id = m.user_id
    join public.tenants t on t.tenant_id = m.tenant_id
   where m.tenant_id = p_tenant and m.user_id = p_user;
  return opened;
end $$;

create function app.finish_sign_in(p_nonce_hash text, p_token_hash text, p_code_hash text, p_session uuid, p_session_hash text, p_user_agent text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  l public.sign_in_links := app.use_link(false, p_nonce_hash, p_token_hash, p_code_hash);
begin
  return case when l.id is not null then
    app.open_session(l.tenant_id, l.user_id, case when p_token_hash is null then 'email_code' else 'email_link' end, p_session, p_session_hash, p_user_agent) end;
end $$;
comment on function app.finish_sign_in(text, text, text, uuid, text, text) is 'Turns a link into a session and sets the tenant of this transaction; null when it is wrong, used, expired, another browser''s or tried too often.';

create function app.sign_in_oidc(p_issuer text, p_subject text, p_email_norm text, p_name text, p_tenant text, p_session uuid, p_session_hash text, p_user_agent text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  known uuid;
begin
  select u.id into known from public.users u where u.oidc_issuer = p_issuer and u.oidc_subject = p_subject;
  if not found then
    -- The first sign-in ties the account to this subject; who has the address later does not get the account.
    update public.users u set oidc_issuer = p_issuer, oidc_subject = p_subject, name = case when u.name = '' then left(p_name, 200) else u.name end, updated_at = now()
     where u.email_norm = p_email_norm and u.oidc_subject is null
       and app.choose_tenant(u.id, null) is not null
    returning u.id into known;
  end if;
  return app.open_session(app.choose_tenant(known, p_tenant), known, 'oidc', p_session, p_session_hash, p_user_agent);
end $$;

create function app.finish_portal_sign_in(p_slug text, p_nonce_hash text, p_token_hash text, p_code_hash text, p_session uuid, p_session_hash text, p_user_agent text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  l public.sign_in_links := app.use_link(true, p_nonce_hash, p_token_hash, p_code_hash);
  c record;
begin
  select c0.tenant_id, c0.id, c0.organization_id, concat_ws(' ', c0.first_name, c0.last_name) as name, c0.slug into c
    from public.contacts c0
   where c0.tenant_id = l.tenant_id and c0.id = l.contact_id and c0.slug = p_slug and c0.portal_enabled and c0.deleted_at is null;
  if not found then
    return null;
  end if;
  insert into public.portal_sessions (tenant_id, id, contact_id, token_hash, user_agent, expires_at)
  values (c.tenant_id, p_session, c.id, p_session_hash, left(p_user_agent, 500), now() + interval '12 hours');
  perform set_config('app.tenant_id', c.tenant_id::text, true), set_config('app.principal', 'portal:' || c.id, true);
  return jsonb_build_object('tenant_id', c.tenant_id, 'kind', 'portal', 'actor_id', c.id, 'credential_id', p_session, 'role', 'portal', 'name', c.name,
    'slug', c.slug, 'organization_id', c.organization_id, 'expires_at', now() + interval '12 hours');
end $$;

-- Users are shared by all tenants, so the answer holds nothing that another tenant has written about this person.
create function app.invite_member(p_membership uuid, p_user uuid, p_email_norm text, p_role text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  invited uuid;
  known uuid;
begin
  insert into public.users (id, email, email_norm) values (p_user, p_email_norm, p_email_norm) on conflict (email_norm) do nothing;
  select u.id into known from public.users u where u.email_norm = p_email_norm;
  insert into public.memberships (tenant_id, id, user_id, role) values (app.tenant(), p_membership, known, p_role)
  on conflict (tenant_id, user_id) do update set role = excluded.role, revoked_at = null, version = memberships.version + 1, updated_at = now()
    where memberships.revoked_at is not null
  returning id into invited;
  return jsonb_build_object('id', invited,
    'member_id', (select m.id from public.memberships m where m.tenant_id = app.tenant() and m.user_id = known),
    'tenant_name', (select t.name from public.tenants t where t.tenant_id = app.tenant()));
end $$;
comment on function app.invite_member(uuid, uuid, text, text) is 'Makes or revives a membership of this transaction''s tenant; id is null when the person is a member already.';

reset role;

-- choose_tenant, use_link and open_session are building blocks: granted to nobody, so that no caller skips the check before them.
revoke all on function app.choose_tenant(uuid, text), app.use_link(boolean, text, text, text), app.open_session(uuid, uuid, text, uuid, text, text),
  app.start_sign_in(text, text, uuid, text, text, text, uuid, jsonb), app.start_portal_sign_in(text, text, text, uuid, text, text, text, uuid, jsonb),
  app.finish_sign_in(text, text, text, uuid, text, text), app.finish_portal_sign_in(text, text, text, text, uuid, text, text),
  app.sign_in_oidc(text, text, text, text, text, uuid, text, text), app.invite_member(uuid, uuid, text, text) from public;
grant execute on function app.start_sign_in(text, text, uuid, text, text, text, uuid, jsonb), app.start_portal_sign_in(text, text, text, uuid, text, text, text, uuid, jsonb),
  app.finish_sign_in(text, text, text, uuid, text, text), app.finish_portal_sign_in(text, text, text, text, uuid, text, text),
  app.sign_in_oidc(text, text, text, text, text, uuid, text, text), app.invite_member(uuid, uuid, text, text) to clientway_app;
revoke create on schema app from clientway_auth;
