"""The facts that a health score counts, gathered for a set of accounts in one statement.

The same text serves one account's live report and the recalculation of thousands, so the two cannot differ.
"""

from typing import Final

# Expects `picked` (tenant rows of client_accounts) and the parameter :now; yields the columns of health.Inputs.
# An unpaid invoice counts as due from the day after; older than 12 months, it still makes a cap while it is open or disputed.
# "Asked" is every mail that went out and call that was made; a reply is an answered mail or an inbound call.
INPUTS: Final = """
clock as (select cast(:now as timestamptz) as at, (cast(:now as timestamptz) at time zone 'UTC')::date as today,
                 cast(:now as timestamptz) - interval '90 days' as quarter),
inputs as (
  select p.id as account_id,
         a.delivered_90d, a.clicks_90d, case when w.has_portal then a.portal_logins_90d end as portal_logins_90d,
         a.asked_90d, a.replies_90d,
         m.invoices_due_12m, m.invoices_on_time_12m, m.open_disputes, m.over_30d_late, m.past_due_days_max,
         n.nps_answers_180d, n.nps_points_180d, p.nps_score as account_nps, t.csat_answers_180d, t.csat_points_180d,
         case when l.last_touch is null then null
              else greatest(0, floor(extract(epoch from z.at - l.last_touch) / 86400))::integer end as days_since_last_touch,
         t.tickets_30d,
         greatest(0, floor(extract(epoch from z.at - p.client_since) / 86400))::integer as tenure_days,
         f.referrals, p.status in ('cancelled', 'churned') as cancelled, l.last_touch, t.last_ticket
    from picked p
   cross join clock z
   cross join lateral (
     select count(*) filter (where v.activity_type = 'email_sent')::integer as delivered_90d,
            count(*) filter (where v.activity_type = 'email_clicked' and not v.machine)::integer as clicks_90d,
            count(*) filter (where v.activity_type = 'portal_login')::integer as portal_logins_90d,
            count(*) filter (where v.activity_type in ('email_sent', 'call_outbound'))::integer as asked_90d,
            count(*) filter (where v.activity_type in ('email_replied', 'sms_replied', 'call_inbound')
                        and not v.machine)::integer as replies_90d
       from activities v
      where v.tenant_id = app.tenant() and v.organization_id = p.organization_id
        and v.occurred_at > z.quarter and v.occurred_at <= z.at) a
   left join lateral (
     select v.occurred_at as last_touch from activities v
      where v.tenant_id = app.tenant() and v.organization_id = p.organization_id and v.occurred_at <= z.at
        and v.activity_type = any (cast(:touches as text[])) and not v.machine
      order by v.occurred_at desc limit 1) l on true
   cross join lateral (
     select count(*) filter (where y.due_on > (z.today - interval '12 months')::date
                             and (y.due_on < z.today or y.due_on = z.today and y.status = 'paid'))::integer as invoices_due_12m,
            count(*) filter (where y.due_on > (z.today - interval '12 months')::date and y.due_on <= z.today
                             and (y.paid_at at time zone 'UTC')::date <= y.due_on)::integer as invoices_on_time_12m,
            (select count(*)::integer from disputes d
              where d.tenant_id = app.tenant() and d.organization_id = p.organization_id and d.status = 'open') as open_disputes,
            coalesce(bool_or(y.status <> 'paid' and y.due_on < z.today - 30), false) as over_30d_late,
            coalesce(max(greatest(0, z.today - y.due_on)) filter (where y.status <> 'paid'), 0) as past_due_days_max
       from invoices y
      where y.tenant_id = app.tenant() and y.organization_id = p.organization_id and y.status in ('open', 'paid', 'uncollectible')) m
   cross join lateral (
     select count(*)::integer as nps_answers_180d, coalesce(sum(s.score), 0)::integer as nps_points_180d
       from nps_answers s
      where s.tenant_id = app.tenant() and s.organization_id = p.organization_id and s.answered_at <= z.at
        and s.answered_at > z.at - interval '180 days') n
   cross join lateral (
     select count(*) filter (where k.created_at > z.at - interval '30 days')::integer as tickets_30d, max(k.created_at) as last_ticket,
            count(k.csat) filter (where k.csat_at > z.at - interval '180 days')::integer as csat_answers_180d,
            coalesce(sum(k.csat) filter (where k.csat_at > z.at - interval '180 days'), 0)::integer as csat_points_180d
       from tickets k
      where k.tenant_id = app.tenant() and k.organization_id = p.organization_id and k.created_at <= z.at) t
   cross join lateral (
     select count(*) filter (where g.status <> 'declined')::integer as referrals from referrals g
      where g.tenant_id = app.tenant() and g.organization_id = p.organization_id) f
   cross join lateral (
     select count(*) > 0 as has_portal from contacts c
      where c.tenant_id = app.tenant() and c.organization_id = p.organization_id and c.portal_enabled and c.deleted_at is null) w
)
"""

PICK_ONE: Final = "with picked as (select * from client_accounts where tenant_id = app.tenant() and id = :id), "
