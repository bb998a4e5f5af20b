"""Health of 100,000 accounts over 5,000,000 activities: batches of the real recalculation against one statement for all of them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from statistics import median

from sqlalchemy import text

from benchmarks.measure import Row, in_turn, milliseconds, timed
from benchmarks.stage import Stage
from clientway import db
from clientway.lifecycle.accounts import reports
from clientway.lifecycle.accounts.inputs_sql import INPUTS
from tests.fixtures import Tenant

ACCOUNTS = 100_000
ACTIVITIES = 50
ROUNDS = 2

# Timelines in the order of time, as they grow: the lines of one organization lie all over the table.
SEED = """
insert into organizations (tenant_id, id, legal_name, slug, lifecycle_stage, name_norm, search_text)
select :t, md5(:s || n)::uuid, 'Place ' || n, 'place-' || n, 'client', 'place', 'place' from generate_series(1, :rows) n;

insert into contacts (tenant_id, id, organization_id, slug, portal_enabled, name_norm, search_text)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || n)::uuid, 'ann-' || n, mod(n, 2) = 0, 'ann', 'ann' from generate_series(1, :rows) n;

insert into client_accounts (tenant_id, id, organization_id, client_since)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || n)::uuid, now() - mod(n, 900) * interval '1 day' from generate_series(1, :rows) n;

insert into invoices (tenant_id, id, organization_id, number, currency, subtotal_cents, total_cents, credited_cents, status, issued_on,
                      due_on, opened_at, paid_at)
select :t, uuidv7(), md5(:s || n)::uuid, 3 * n + k, 'USD', 49900, 49900,
       case when late then 0 else 49900 end, case when late then 'open' else 'paid' end,
       (now() - k * interval '30 days')::date, (now() - k * interval '30 days')::date, now() - k * interval '30 days',
       case when not late then now() - k * interval '30 days' + mod(n, 5) * interval '1 day' end
  from generate_series(1, 3) k, generate_series(1, :rows) n, lateral (select mod(n + k, 9) = 0 as late);

insert into nps_answers (tenant_id, id, organization_id, score, answered_at)
select :t, uuidv7(), md5(:s || n)::uuid, mod(n, 11), now() - mod(n, 300) * interval '1 day' from generate_series(1, :rows) n;

insert into tickets (tenant_id, id, organization_id, subject, status, csat, csat_at, resolved_at, created_at)
select :t, uuidv7(), md5(:s || n)::uuid, 'Printer', 'resolved', 1 + mod(n, 5), now() - mod(n, 200) * interval '1 day', now(),
       now() - mod(n, 200) * interval '1 day' from generate_series(1, :rows) n;

insert into referrals (tenant_id, id, organization_id, referred_name)
select :t, uuidv7(), md5(:s || n)::uuid, 'Next Door' from generate_series(1, :rows, 3) n;

insert into activities (tenant_id, id, organization_id, activity_type, title, machine, performed_by_type, occurred_at, created_at)
select :t, uuidv7(), md5(:s || n)::uuid,
       (array['email_sent', 'email_opened', 'email_clicked', 'call_outbound', 'portal_login', 'note_added', 'email_replied'])
         [1 + mod(n + k, 7)], 'Something happened', mod(n + k, 5) = 0, 'job', at, at
  from generate_series(50, 1, -1) k, generate_series(1, :rows) n,
       lateral (select now() - k * interval '4 days' - n * interval '1 second' as at) t
"""
# One more click on each of these timelines, and the mark that the trigger would have left.
CHANGED = """
insert into activities (tenant_id, id, organization_id, activity_type, title, performed_by_type, occurred_at)
select tenant_id, uuidv7(), organization_id, 'email_clicked', 'Once more', 'job', now()
  from client_accounts where tenant_id = :t and {which}
"""
ALL = "true"
FEW = f"id in (select id from client_accounts where tenant_id = :t order by md5(id::text) limit {ACCOUNTS // 100})"
MARKED = "update client_accounts set health_dirty_at = now() where tenant_id = :t and {which}"
# The facts of all accounts in one pass over each table, as one would write it who has all of them to do; twin of INPUTS.
GROUPED = """
clock as materialized (
  select cast(:now as timestamptz) as at, (cast(:now as timestamptz) at time zone 'UTC')::date as today,
         cast(:now as timestamptz) - interval '90 days' as quarter),
a as (
  select v.organization_id,
         count(*) filter (where v.activity_type = 'email_sent' and v.occurred_at > z.quarter)::integer as delivered_90d,
         count(*) filter (where v.activity_type = 'email_clicked' and not v.machine and v.occurred_at > z.quarter)::integer as clicks_90d,
         count(*) filter (where v.activity_type = 'portal_login' and v.occurred_at > z.quarter)::integer as portal_logins_90d,
         count(*) filter (where v.activity_type in ('email_sent', 'call_outbound') and v.occurred_at > z.quarter)::integer as asked_90d,
         count(*) filter (where v.activity_type in ('email_replied', 'call_inbound')
                            and not v.machine and v.occurred_at > z.quarter)::integer as replies_90d,
         max(v.occurred_at) filter (where v.activity_type = any (cast(:touches as text[])) and not v.machine) as last_touch
    from activities v, clock z where v.tenant_id = app.tenant() and v.occurred_at <= z.at group by v.organization_id),
m as (
  select y.organization_id,
         count(*) filter (where y.due_on > (z.today - interval '12 months')::date
                            and (y.due_on < z.today or y.due_on = z.today and y.status = 'paid'))::integer as invoices_due_12m,
         count(*) filter (where y.due_on > (z.today - interval '12 months')::date and y.due_on <= z.today
                            and (y.paid_at at time zone 'UTC')::date <= y.due_on)::integer as invoices_on_time_12m,
         bool_or(y.status <> 'paid' and y.due_on < z.today - 30) as over_30d_late,
         max(greatest(0, z.today - y.due_on)) filter (where y.status <> 'paid') as past_due_days_max
    from invoices y, clock z where y.tenant_id = app.tenant() and y.status in ('open', 'paid', 'uncollectible') group by y.organization_id),
d as (
  select e.organization_id, count(*)::integer as open_disputes
    from disputes e where e.tenant_id = app.tenant() and e.status = 'open' group by e.organization_id),
n as (
  select s.organization_id, count(*)::integer as nps_answers_180d, sum(s.score)::integer as nps_points_180d
    from nps_answers s, clock z
   where s.tenant_id = app.tenant() and s.answered_at <= z.at and s.answered_at > z.at - interval '180 days' group by s.organization_id),
t as (
  select k.organization_id, count(*) filter (where k.created_at > z.at - interval '30 days')::integer as tickets_30d,
         max(k.created_at) as last_ticket,
         count(k.csat) filter (where k.csat_at > z.at - interval '180 days')::integer as csat_answers_180d,
         sum(k.csat) filter (where k.csat_at > z.at - interval '180 days')::integer as csat_points_180d
    from tickets k, clock z where k.tenant_id = app.tenant() and k.created_at <= z.at group by k.organization_id),
f as (
  select g.organization_id, count(*) filter (where g.status <> 'declined')::integer as referrals
    from referrals g where g.tenant_id = app.tenant() group by g.organization_id),
w as (
  select c.organization_id from contacts c
   where c.tenant_id = app.tenant() and c.portal_enabled and c.deleted_at is null group by c.organization_id),
inputs as (
  select p.id as account_id,
         coalesce(a.delivered_90d, 0) as delivered_90d, coalesce(a.clicks_90d, 0) as clicks_90d,
         case when w.organization_id is not null then coalesce(a.portal_logins_90d, 0) end as portal_logins_90d,
         coalesce(a.asked_90d, 0) as asked_90d, coalesce(a.replies_90d, 0) as replies_90d,
         coalesce(m.invoices_due_12m, 0) as invoices_due_12m, coalesce(m.invoices_on_time_12m, 0) as invoices_on_time_12m,
         coalesce(d.open_disputes, 0) as open_disputes, coalesce(m.over_30d_late, false) as over_30d_late,
         coalesce(m.past_due_days_max, 0) as past_due_days_max,
         coalesce(n.nps_answers_180d, 0) as nps_answers_180d, coalesce(n.nps_points_180d, 0) as nps_points_180d, p.nps_score as account_nps,
         coalesce(t.csat_answers_180d, 0) as csat_answers_180d, coalesce(t.csat_points_180d, 0) as csat_points_180d,
         case when a.last_touch is not null
              then greatest(0, floor(extract(epoch from z.at - a.last_touch) / 86400))::integer end as days_since_last_touch,
         coalesce(t.tickets_30d, 0) as tickets_30d,
         greatest(0, floor(extract(epoch from z.at - p.client_since) / 86400))::integer as tenure_days,
         coalesce(f.referrals, 0) as referrals, p.status in ('cancelled', 'churned') as cancelled, a.last_touch, t.last_ticket
    from picked p cross join clock z
    left join a on a.organization_id = p.organization_id left join m on m.organization_id = p.organization_id
    left join d on d.organization_id = p.organization_id
    left join n on n.organization_id = p.organization_id left join t on t.organization_id = p.organization_id
    left join f on f.organization_id = p.organization_id left join w on w.organization_id = p.organization_id
)
"""


def run(stage: Stage) -> Iterator[Row]:
    """Seed, work all out once, then again with everything and with a hundredth of it changed."""
    tenant = stage.tenant()
    stage.seed(SEED, tenant, rows=ACCOUNTS, large="activities")
    change = partial(changed, stage, tenant)
    ours, whole, few = in_turn(
        ROUNDS,
        lambda: change(ALL) or timed(lambda: _in_batches(tenant, ACCOUNTS)),
        lambda: change(ALL) or timed(lambda: _at_once(stage, tenant)),
        lambda: change(FEW) or timed(lambda: _in_batches(tenant, ACCOUNTS // 100)),
    )
    what = f"health of {ACCOUNTS:,} accounts over {ACCOUNTS * ACTIVITIES:,} activities, all changed : one statement"
    yield Row(what, median(ours) / median(whole), 2, f"{milliseconds(ours)} against {milliseconds(whole)}")
    yield Row("1 % of them changed : all", 100 * median(few) / median(ours), 5, milliseconds(few), unit="%")


def changed(stage: Stage, tenant: Tenant, which: str) -> None:
    """Change a fact of these accounts, and leave nothing of it for the server to do while it is measured."""
    with stage.admin.connect() as connection:
        connection.exec_driver_sql("set session_replication_role = replica")
        connection.execute(text(CHANGED.format(which=which)), {"t": tenant.id})
        connection.exec_driver_sql("reset session_replication_role")
        connection.execute(text(MARKED.format(which=which)), {"t": tenant.id})
        connection.exec_driver_sql("vacuum analyze client_accounts, health_snapshots")
        connection.exec_driver_sql("checkpoint")


def _in_batches(tenant: Tenant, expected: int) -> None:
    done = reports.recalculate_all([tenant.id], db.job_transaction, until=lambda: False)
    if done != expected:
        message = f"{done} accounts were done in place of {expected}"
        raise RuntimeError(message)


def _at_once(stage: Stage, tenant: Tenant) -> None:
    statement = reports.RECALCULATE.text.replace(INPUTS, GROUPED).replace("and id = any (cast(:ids as uuid[]))", "")
    with stage.admin.connect() as connection:
        connection.execute(text("select set_config('app.tenant_id', :t, false)"), {"t": str(tenant.id)})
        done = connection.scalar(text(statement), reports.parameters(datetime.now(UTC)))
    if done != ACCOUNTS:
        message = f"{done} accounts were done at once"
        raise RuntimeError(message)
