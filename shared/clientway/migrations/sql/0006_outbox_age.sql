-- How long the oldest effect has been waiting to be handed over: what an alarm watches. The job role sees one number and
-- no row of any tenant.

grant create on schema app to clientway_auth;
set role clientway_auth;

create function app.outbox_age() returns double precision language sql stable security definer set search_path = ''
begin atomic
  select coalesce(extract(epoch from now() - min(o.created_at)), 0)::double precision from public.outbox o where o.sent_at is null;
end;

reset role;
revoke create on schema app from clientway_auth;

revoke all on function app.outbox_age() from public;
grant execute on function app.outbox_age() to clientway_job;
