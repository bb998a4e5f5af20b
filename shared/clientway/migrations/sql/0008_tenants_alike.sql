-- Plans are the same for every tenant. ANALYZE lists the largest tenants one by one, and once they fill the list, nothing is
-- left for the others: the planner then took a tenant that had just begun to grow for a single row, any index for as good as
-- the key, and an import of 50,000 rows beside a tenant of 200,000 took four times as long. So the list is done away with:
-- every tenant is expected to have a twentieth of each table (see 0004), and ANALYZE leaves it at that. Before PostgreSQL 18
-- this cannot be written; there the list is kept as short as it can be.

create function pg_temp.tenants_alike(p_schema name) returns void language plpgsql as $$
declare
  name name;
begin
  for name in
    select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     where c.relnamespace = p_schema::regnamespace and c.relkind = 'r'
  loop
    if current_setting('server_version_num')::integer < 180000 then
      execute format('alter table %I.%I alter column tenant_id set statistics 1', p_schema, name);
      execute format('analyze %I.%I', p_schema, name);
    else
      execute format('alter table %I.%I alter column tenant_id set statistics 0', p_schema, name);
      perform pg_clear_attribute_stats(p_schema, name, 'tenant_id', false);
      perform pg_restore_attribute_stats(
        'schemaname', p_schema::text, 'relname', name::text, 'attname', 'tenant_id', 'inherited', false,
        'null_frac', 0::real, 'avg_width', 16, 'n_distinct', 20::real);
    end if;
  end loop;
end $$;

set role clientway_owner;
select pg_temp.tenants_alike('public');
set role clientway_identity;
select pg_temp.tenants_alike('identity');
reset role;
drop function pg_temp.tenants_alike(name);
