"""The statements that plan reminders. Those of jobs ride in the statements that write the jobs, with the parts that stand here."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway import wake
from clientway.config import settings
from clientway.db import Tx
from clientway.work.reminders import clock, rules

DEFAULTS = json.dumps(rules.as_rows(rules.DEFAULTS))
_MINUTES = "interval '1 minute'"

# The tenant's rules, a line for each channel; `nearer` is the offset of the next one closer to the start.
RULED = """ruled as materialized (
  select r.type, r.name as rule, h.channel, r."offset", r.max_lateness,
         lag(r."offset") over (partition by r.type, h.channel order by r."offset") as nearer
    from jsonb_to_recordset(coalesce((select s.reminder_rules from messaging_settings s where s.tenant_id = app.tenant()),
                                     cast(:reminder_rules as jsonb)))
      as r(type text, name text, "offset" integer, max_lateness integer, channels jsonb, enabled boolean)
   cross join lateral jsonb_array_elements_text(r.channels) as h(channel)
   where r.enabled)"""
_REACHABLE = "case r.channel when 'email' then c.email_norm when 'sms' then c.phone_e164 end is not null"

# What `{source}`, jobs as they are, is reminded of. A time that has passed is left out, but the nearest one of those shortly before
# the start is made up for at once while there is still some notice.
_OF_JOBS = f"""
  select w.id as job_id, w.contact_id, r.rule, r.channel, w.start_at as anchor_at, p.send_at,
         least(p.send_at + r.max_lateness * {_MINUTES}, w.start_at) as expires_at
    from {{source}} w join ruled r on r.type = 'job_upcoming'
   cross join lateral (select w.start_at - r."offset" * {_MINUTES} as at) o
   cross join lateral (select greatest(o.at, cast(:now as timestamptz)) as send_at) p
    join contacts c on c.tenant_id = app.tenant() and c.id = w.contact_id
   where w.status = 'scheduled' and {_REACHABLE}
     and (o.at >= :now or (
       r."offset" <= {int(rules.SHORT_NOTICE.total_seconds() // 60)}
       and w.start_at - {int(rules.LEAST_NOTICE.total_seconds() // 60)} * {_MINUTES} >= :now
       and (r.nearer is null or w.start_at - r.nearer * {_MINUTES} >= :now)))"""
# And `{source}`, invoices: by the tenant's clock. The anchor is the due date's hour, whatever the rule.
_OF_INVOICES = f"""
  select w.id as invoice_id, w.contact_id, r.rule, r.channel, p.anchor_at, p.send_at,
         p.send_at + r.max_lateness * {_MINUTES} as expires_at
    from {{source}} w join ruled r on r.type = 'invoice_due'
   cross join lateral (select {clock.moment("w.due_on")} as anchor_at, {clock.moment('(w.due_on + r."offset")')} as send_at) p
    join contacts c on c.tenant_id = app.tenant() and c.id = w.contact_id
   where w.status = 'open' and {_REACHABLE} and p.send_at >= :now"""


def _written(kind: str, name: str, wanted: str, conflict: str) -> str:
    """The CTE `name` that writes what `wanted` holds about jobs or invoices."""
    subject = f"{kind}_id"
    type_ = "job_upcoming" if kind == "job" else "invoice_due"
    columns = f"contact_id, {subject}, type, rule, anchor_at, send_at, next_at, expires_at, channel"
    return f"""{name} as (
  insert into reminders as m (id, {columns}, created_at, updated_at)
  select gen_random_uuid(), x.contact_id, x.{subject}, '{type_}', x.rule, x.anchor_at, x.send_at, x.send_at, x.expires_at, x.channel,
         :now, :now
    from {wanted} x
  on conflict (tenant_id, {subject}, rule, anchor_at, channel, contact_id) where {subject} is not null {conflict}
  returning m.next_at)"""


# One that was called off and is wanted again comes back, and one that stands follows its rule; one that went out does not, nor one
# that somebody called off. One that is late already keeps its own time: made up for again and again it would never be sent.
_AGAIN = f"""do update
     set state = 'scheduled', state_reason = null, attempts = 0, send_at = excluded.send_at, next_at = excluded.send_at,
         expires_at = excluded.expires_at, version = m.version + 1, updated_at = excluded.updated_at
   where (m.state = 'canceled' and m.state_reason is distinct from '{rules.BY_HAND}')
      or (m.state = 'scheduled' and m.attempts = 0 and excluded.send_at > excluded.updated_at
          and (m.send_at, m.expires_at) is distinct from (excluded.send_at, excluded.expires_at))"""


def _woken(*planned: str) -> str:
    """Wake the dispatcher for what is planned soon: as `wake.at`, in the statement that plans."""
    of = " union all ".join(f"select next_at from {name}" for name in planned)
    return f"""woken as (
  insert into outbox (id, topic, payload)
  select gen_random_uuid(), 'wake.reminders', jsonb_build_object('at', min(p.next_at))
    from ({of}) p where :wakes and p.next_at <= cast(:wake_before as timestamptz) having count(*) > 0)"""


# Parts of a statement in which `written` holds the jobs as they are now; they take `parameters`.
_WRITTEN = _OF_JOBS.format(source="written")
PLANNED = f"{RULED},\n{_written('job', 'planned', f'({_WRITTEN})', _AGAIN)},\n{_woken('planned')}"
# One that has been claimed is on its way: whoever sends it looks at the job once more.
CALLED_OFF = """called_off as (
  update reminders m
     set state = 'canceled', version = m.version + 1, updated_at = :now,
         state_reason = case when w.status = 'scheduled' then 'job moved' else 'job ' || replace(w.status, '_', ' ') end
    from written w
   where m.tenant_id = app.tenant() and m.job_id = w.id and m.state = 'scheduled'
     and (m.anchor_at <> w.start_at or w.status <> 'scheduled'))"""

_INVOICE = f"""
with {clock.NINE},
subject as (
  select i.id, i.contact_id, i.due_on, i.status from invoices i where i.tenant_id = app.tenant() and i.id = :invoice_id),
called_off as (
  update reminders m set state = 'canceled', state_reason = 'due date moved', version = m.version + 1, updated_at = :now
    from subject w
   where m.tenant_id = app.tenant() and m.invoice_id = w.id and m.state = 'scheduled' and w.status = 'open'
     and m.anchor_at <> {clock.moment("w.due_on")}),
{RULED},
{_written("invoice", "planned", f"({_OF_INVOICES.format(source='subject')})", _AGAIN)},
{_woken("planned")}
select count(*) from planned"""

# What stands of a batch follows the rules of now. What is due already is left to whoever sends it: it may be on its way.
_REPLAN = f"""
with {clock.NINE},
{RULED},
-- Locked, so that rules that change meanwhile begin from the start again.
place as materialized (
  select coalesce(s.replan_after, '00000000-0000-0000-0000-000000000000') as after from messaging_settings s
   where s.tenant_id = app.tenant() and s.replan_since is not null for no key update),
batch as materialized (
  (select j.id, j.contact_id, j.status, j.start_at, null::date as due_on, 'job' as kind from jobs j
    where j.tenant_id = app.tenant() and j.id > (select p.after from place p) and j.status = 'scheduled' and j.start_at > :now
    order by j.id limit :size)
  union all
  (select i.id, i.contact_id, i.status, null, i.due_on, 'invoice' from invoices i
    where i.tenant_id = app.tenant() and i.id > (select p.after from place p) and i.status = 'open' order by i.id limit :size)
  order by id limit :size),
of_jobs as materialized ({_OF_JOBS.format(source="(select * from batch where kind = 'job')")}),
of_invoices as materialized ({_OF_INVOICES.format(source="(select * from batch where kind = 'invoice')")}),
called_off as (
  update reminders m set state = 'canceled', state_reason = 'rule changed', version = m.version + 1, updated_at = :now
    from batch b
   where m.tenant_id = app.tenant() and b.id = case b.kind when 'job' then m.job_id else m.invoice_id end and m.state = 'scheduled'
     and (m.job_id = b.id or m.invoice_id = b.id)
     and case when m.send_at > :now
         then not exists (select from of_jobs x where x.job_id = m.job_id and x.rule = m.rule and x.channel = m.channel
                             and x.anchor_at = m.anchor_at)
          and not exists (select from of_invoices x where x.invoice_id = m.invoice_id and x.rule = m.rule and x.channel = m.channel
                             and x.anchor_at = m.anchor_at)
         else not exists (select from ruled r where r.type = m.type and r.rule = m.rule and r.channel = m.channel) end),
{_written("job", "planned", "of_jobs", _AGAIN)},
{_written("invoice", "billed", "of_invoices", _AGAIN)},
{_woken("planned", "billed")}
update messaging_settings s
   set replan_since = case when b.size = :size then s.replan_since end, replan_after = case when b.size = :size then b.last end
  from (select count(*) as size, (select x.id from batch x order by x.id desc limit 1) as last from batch) b
 where s.tenant_id = app.tenant() and s.replan_since is not null
returning b.size"""

# What nobody planned when it was written: its contact could not be reached then.
_COMING = """(select j.* from jobs j
    where j.tenant_id = app.tenant() and j.status = 'scheduled' and j.start_at > :now
      and j.start_at < cast(:until as timestamptz)
                       + (select max(x."offset") from ruled x where x.type = 'job_upcoming') * interval '1 minute')"""
_OWED = """(select i.* from invoices i
    where i.tenant_id = app.tenant() and i.status = 'open'
      and i.due_on between cast(:now as timestamptz)::date - 32 and cast(:until as timestamptz)::date + 32)"""
_LACKING = """(select o.* from {wanted} o where o.send_at < :until and not exists (select from reminders q
    where q.tenant_id = app.tenant() and q.{subject} = o.{subject} and q.rule = o.rule and q.anchor_at = o.anchor_at
      and q.channel = o.channel and q.contact_id = o.contact_id))"""
_MISSING = f"""
with {clock.NINE},
{RULED},
of_jobs as ({_OF_JOBS.format(source=_COMING)}),
of_invoices as ({_OF_INVOICES.format(source=_OWED)}),
{_written("job", "planned", _LACKING.format(wanted="of_jobs", subject="job_id"), "do nothing")},
{_written("invoice", "billed", _LACKING.format(wanted="of_invoices", subject="invoice_id"), "do nothing")},
{_woken("planned", "billed")}
select (select count(*) from planned) + (select count(*) from billed)"""

_CANCEL_INVOICE = text("""
update reminders m set state = 'canceled', state_reason = :reason, version = m.version + 1, updated_at = :now
 where m.tenant_id = app.tenant() and m.invoice_id = :invoice_id and m.state = 'scheduled'
""")

_ZONE = text("select t.time_zone from tenants t where t.tenant_id = app.tenant()")
_CHANGED = text("""
select t.time_zone from messaging_settings s join tenants t on t.tenant_id = s.tenant_id
 where s.tenant_id = app.tenant() and s.replan_since is not null
""")

REPLAN_BATCH = 500


def parameters(tx: Tx) -> dict[str, Any]:
    """What the parts above take, besides what they are about."""
    return {"now": tx.now, "reminder_rules": DEFAULTS, "wakes": settings().wakes, "wake_before": tx.now + wake.AHEAD}


def plan_invoice(tx: Tx, invoice_id: UUID, time_zone: str | None) -> None:
    """Have an open invoice's reminders be those of its due date, and no others; reads the tenant's time zone where it is not given."""
    tx.later(text(_INVOICE), {"invoice_id": invoice_id, **_with_zone(tx, time_zone or tx.scalar(_ZONE))})


def _with_zone(tx: Tx, time_zone: str) -> dict[str, Any]:
    return {"nine": clock.offsets(time_zone, tx.now), **parameters(tx)}


def cancel_invoice(tx: Tx, invoice_id: UUID, reason: str) -> None:
    """Call off what has not gone out of an invoice's reminders."""
    tx.later(_CANCEL_INVOICE, {"invoice_id": invoice_id, "reason": reason[:500], "now": tx.now})


def replan(tx: Tx) -> int:
    """Have a batch of what stands follow the tenant's rules, if they have changed: jobs to come and open invoices, as many as returned."""
    time_zone = tx.scalar(_CHANGED)
    return 0 if time_zone is None else int(tx.scalar(text(_REPLAN), {"size": REPLAN_BATCH, **_with_zone(tx, time_zone)}) or 0)


def plan_missing(tx: Tx, until: datetime) -> int:
    """Plan what is due until then and was never planned; returns how many reminders that were."""
    return int(tx.scalar(text(_MISSING), {"until": until, **_with_zone(tx, tx.scalar(_ZONE))}))
