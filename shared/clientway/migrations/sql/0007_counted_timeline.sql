-- What a health score counts of a timeline stands in its index: the kind of each line and whether a machine did it. Those of
-- one organization lie all over the table, so that fetching them took most of a recalculation; the index is no larger for it.

set role clientway_owner;

drop index public.activities_timeline;
create index activities_timeline on public.activities (tenant_id, organization_id, occurred_at, id) include (activity_type, machine);

reset role;
