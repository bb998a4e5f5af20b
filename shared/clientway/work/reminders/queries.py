"""Reminders in the database. Those of jobs are written by the statements that write the jobs, with the parts that stand here."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.ids import uuid7
from clientway.paging import Request, page
from clientway.work.reminders.rules import CHANNELS, Planned
from clientway.work.reminders.schemas import Reminder
from clientway.work.tables import reminders

# A reminder that was called off and is planned again for the same time comes back; one that went out does not.
_AGAIN = """do update
     set state = 'scheduled', state_reason = null, send_at = excluded.send_at, next_at = excluded.send_at, expires_at = excluded.expires_at,
         version = m.version + 1, updated_at = excluded.updated_at
   where m.state = 'canceled'"""
_GIVEN = """jsonb_to_recordset(cast(:reminders as jsonb)) as r(
    id uuid, subject_id uuid, rule text, anchor_at timestamptz, send_at timestamptz, expires_at timestamptz, channel text)"""
_REACHABLE = "case r.channel when 'email' then c.email_norm when 'sms' then c.phone_e164 end is not null"

# Parts of a statement in which `written` holds the jobs as they are now; they take :reminders and :now.
PLANNED = f"""planned as (
  insert into reminders as m (id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel, created_at, updated_at)
  select r.id, w.contact_id, w.id, 'job_upcoming', r.rule, r.anchor_at, r.send_at, r.send_at, r.expires_at, r.channel, :now, :now
    from {_GIVEN}
    join written w on w.id = r.subject_id and w.status = 'scheduled' and w.start_at = r.anchor_at
    join contacts c on c.tenant_id = app.tenant() and c.id = w.contact_id
   where {_REACHABLE}
  on conflict (tenant_id, job_id, rule, anchor_at, channel, contact_id) where job_id is not null {_AGAIN})"""
# One that has been claimed is on its way: whoever sends it looks at the job once more.
CALLED_OFF = """called_off as (
  update reminders m
     set state = 'canceled', version = m.version + 1, updated_at = :now,
         state_reason = case when w.status = 'scheduled' then 'job moved' else 'job ' || replace(w.status, '_', ' ') end
    from written w
   where m.tenant_id = app.tenant() and m.job_id = w.id and m.state = 'scheduled'
     and (m.anchor_at <> w.start_at or w.status <> 'scheduled'))"""

_PLAN_INVOICE = text(f"""
with called_off as (
  update reminders m set state = 'canceled', state_reason = 'due date moved', version = m.version + 1, updated_at = :now
   where m.tenant_id = app.tenant() and m.invoice_id = :invoice_id and m.state = 'scheduled'
     and m.anchor_at <> cast(:anchor_at as timestamptz))
insert into reminders as m (id, contact_id, invoice_id, type, rule, anchor_at, send_at, next_at, expires_at, channel, created_at, updated_at)
select r.id, i.contact_id, i.id, 'invoice_due', r.rule, r.anchor_at, r.send_at, r.send_at, r.expires_at, r.channel, :now, :now
  from {_GIVEN}
  join invoices i on i.tenant_id = app.tenant() and i.id = r.subject_id and i.status = 'open'
  join contacts c on c.tenant_id = app.tenant() and c.id = i.contact_id
 where {_REACHABLE}
on conflict (tenant_id, invoice_id, rule, anchor_at, channel, contact_id) where invoice_id is not null {_AGAIN}
""")
_CANCEL_INVOICE = text("""
update reminders m set state = 'canceled', state_reason = :reason, version = m.version + 1, updated_at = :now
 where m.tenant_id = app.tenant() and m.invoice_id = :invoice_id and m.state = 'scheduled'
""")
_DUE = text("""
select i.due_on, t.time_zone from invoices i join tenants t on t.tenant_id = i.tenant_id
 where i.tenant_id = app.tenant() and i.id = :invoice_id and i.status = 'open'
""")


def as_json(planned: Mapping[UUID, Iterable[Planned]]) -> str:
    """The parameter :reminders: what is planned for each job or invoice, once for each channel."""
    rows = [
        {"id": uuid7(), "subject_id": subject_id, "rule": one.rule, "anchor_at": one.anchor_at, "send_at": one.send_at,
         "expires_at": one.expires_at, "channel": channel}
        for subject_id, messages in planned.items() for one in messages for channel in CHANNELS
    ]  # fmt: skip
    return json.dumps(rows, default=_spelt)


def due_of_invoice(tx: Tx, invoice_id: UUID) -> Any:
    """When an open invoice is due and the tenant's time zone, as (due_on, time_zone); None for any other."""
    return tx.execute(_DUE, {"invoice_id": invoice_id}).one_or_none()


def plan_invoice(tx: Tx, invoice_id: UUID, anchor_at: datetime, planned: Iterable[Planned]) -> None:
    """Have an open invoice's reminders be these, for the due date that `anchor_at` stands for, and no others."""
    given = {"invoice_id": invoice_id, "anchor_at": anchor_at, "reminders": as_json({invoice_id: planned}), "now": tx.now}
    tx.execute(_PLAN_INVOICE, given)


def cancel_invoice(tx: Tx, invoice_id: UUID, reason: str) -> None:
    """Call off what has not gone out of an invoice's reminders."""
    tx.execute(_CANCEL_INVOICE, {"invoice_id": invoice_id, "reason": reason[:500], "now": tx.now})


def of_job(tx: Tx, job_id: UUID, request: Request) -> Any:
    """A page of a job's reminders."""
    c = reminders.c
    statement = select(*(c[name] for name in Reminder.model_fields)).where(c.tenant_id == func.app.tenant(), c.job_id == job_id)
    return page(tx, statement, request, {"send_at": c.send_at}, c.id)


def _spelt(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
