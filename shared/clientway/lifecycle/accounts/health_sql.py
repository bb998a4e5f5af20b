"""The health score for whole sets of accounts, in the database: the twin of `health.explain`, step for step."""

from typing import Final

# Reads a row source named `inputs` (a CTE, say) with account_id and the fields of health.Inputs as columns; returns one
# row for each: account_id, the five components (numeric, null without data), confidence, score, capped_by, risk.
# least() and greatest() skip nulls in PostgreSQL, hence the CASE around whatever may be null.
# OFFSET 0 has each step worked out once: folded into one another, the steps were worked out again wherever they are named,
# each mean nearly forty times, and that took as long as gathering the facts.
SCORES: Final = """
select account_id, engagement, payment, satisfaction, activity, relationship, confidence, score, capped_by,
       case when score >= 70 then 'low' when score >= 50 then 'medium' when score >= 30 then 'high' else 'critical' end as risk
  from inputs
 cross join lateral (
   select (select round(avg(points), 2) from (values
             (case when delivered_90d > 0 then least(100, round(400.0 * clicks_90d / delivered_90d, 2)) end),
             (case when portal_logins_90d is not null then least(100, round(100.0 * portal_logins_90d / 6, 2)) end),
             (case when asked_90d > 0 then least(100, round(100.0 * replies_90d / asked_90d, 2)) end)) as signals (points)
          ) as engagement,
          case when invoices_due_12m > 0 then greatest(0, least(100, round(100.0 * invoices_on_time_12m / invoices_due_12m, 2))
            - 25 * open_disputes - case when over_30d_late then 20 else 0 end) end as payment,
          (select round(avg(points), 2) from (values
             (case when nps_answers_180d > 0 then least(100, round(10.0 * nps_points_180d / nps_answers_180d, 2))
                   else (account_nps + 100) / 2.0 end),
             (case when csat_answers_180d > 0
                   then least(100, round(25.0 * (csat_points_180d - csat_answers_180d) / csat_answers_180d, 2)) end)) as signals (points)
          ) as satisfaction,
          case when days_since_last_touch is not null then round(
            0.6 * least(100, round(100.0 * greatest(0, 90 - days_since_last_touch) / 83, 2))
            + 0.4 * greatest(0, 100 - 15 * greatest(0, tickets_30d - 2)), 2) end as activity,
          round(0.7 * least(100, round(200.0 * tenure_days / 1461, 2)) + 0.3 * least(100, 50 * referrals), 2) as relationship
   offset 0
 ) as components
 cross join lateral (
   select case when engagement is null then 0 else 0.25 end + case when payment is null then 0 else 0.25 end
          + case when satisfaction is null then 0 else 0.20 end + case when activity is null then 0 else 0.15 end + 0.15 as confidence
   offset 0
 ) as evidence
 cross join lateral (
   select cast(case when confidence < 0.40 then 50 else round(
            coalesce(round(0.25 * engagement / confidence, 4), 0) + coalesce(round(0.25 * payment / confidence, 4), 0)
            + coalesce(round(0.20 * satisfaction / confidence, 4), 0) + coalesce(round(0.15 * activity / confidence, 4), 0)
            + round(0.15 * relationship / confidence, 4)) end as integer) as uncapped,
          case when cancelled then 29 when open_disputes > 0 or past_due_days_max > 14 then 49 else 100 end as ceiling
   offset 0
 ) as weighed
 cross join lateral (
   select least(uncapped, ceiling) as score,
          case when uncapped <= ceiling then null when cancelled then 'cancelled'
               when open_disputes > 0 then 'open_dispute' else 'past_due' end as capped_by
 ) as result
"""
