"""The statements of sending: what is due with all that decides about it, the claim, and what came of it under its token."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx, job_connection
from clientway.messaging.campaigns.content import PERSON
from clientway.messaging.delivery.message import Channel
from clientway.messaging.policy import sql as policy
from clientway.moments import rfc3339
from clientway.work.reminders import clock, planning, rules

LEASE = timedelta(minutes=2)
"""How long a worker that says nothing keeps what it has claimed."""
DECIDED_FOR = LEASE / 4
"""How long it holds that a reminder may go: then it is nobody's once more, and decided anew by the hour, the rules and the client."""

# A worker died between its claim and its report: at least once, so the reminder goes to another one.
_TAKE_BACK = text("""
update reminders m
   set state = 'scheduled', lease_until = null, lease_token = null, next_at = :now, version = m.version + 1, updated_at = :now
  from (select r.id from reminders r where r.tenant_id = app.tenant() and r.state = 'claimed' and r.lease_until <= :now
         order by r.lease_until, r.id limit 1000 for no key update skip locked) x
 where m.tenant_id = app.tenant() and m.id = x.id
""")


def take_back(tx: Tx) -> int:
    """Have what dead workers held wait again; returns how many reminders that were."""
    return tx.execute(_TAKE_BACK, {"now": tx.now}).rowcount


# Why there is nothing to remind of any more, by reminder `{m}`, job `j` and invoice `i` as they are.
_OVER = """case when j.status <> 'scheduled' then 'job ' || replace(j.status, '_', ' ') when j.start_at <> {m}.anchor_at then 'job moved'
            when i.status <> 'open' then 'invoice ' || i.status when i.balance_cents <= 0 then 'invoice paid'"""
_MOVED = "due date moved"


class Due(NamedTuple):
    """A reminder that is due, claimed, with all that decides about it; `attempts`, and where it went before, are those of before."""

    # A tuple, because there are thousands: a frozen dataclass of so many fields takes seven times as long to make.

    id: UUID
    type: rules.Type
    channel: Channel
    attempts: int
    expires_at: datetime
    state_reason: str | None
    over: str | None
    rule_off: bool
    exclusion: str | None
    address: str | None
    consent_event_id: UUID | None
    address_before: str | None
    consent_before: UUID | None
    contact_zone: str | None
    address_zone: str | None
    address_state: str | None
    phone: str | None
    tenant_zone: str


def _row(channel: Channel) -> str:
    return f"""
select d.next_at, d.id, d.type, d.channel, d.attempts, d.expires_at, d.state_reason,
       {_OVER.format(m="d")} end as over, d.anchor_at, i.due_on,
       not exists (select from ruled r where r.type = d.type and r.rule = d.rule and r.channel = d.channel) as rule_off,
       {policy.exclusion(channel, "transactional")} as exclusion,
       {policy.ADDRESS[channel]} as address, {policy.CONSENT} as consent_event_id, d.address as address_before,
       d.consent_event_id as consent_before, {policy.ZONES}
  from due d
  left join jobs j on j.tenant_id = app.tenant() and j.id = d.job_id
  left join invoices i on i.tenant_id = app.tenant() and i.id = d.invoice_id
  join contacts c on c.tenant_id = app.tenant() and c.id = d.contact_id{policy.joins(channel, "transactional", few=True)}
 where d.channel = '{channel}'"""


# The limit is written out: a parameter's value is not known to the planner, who would then sort whatever is due for each batch.
# Nobody is waited for, and no job is locked: whoever cancels one meanwhile waits for the claim, and `look` comes after both.
_PICK = f"""
with {planning.RULED},
due as materialized (
  select r.next_at, r.id, r.type, r.rule, r.channel, r.attempts, r.expires_at, r.state_reason, r.contact_id, r.job_id, r.invoice_id,
         r.anchor_at, r.address, r.consent_event_id
    from reminders r where r.tenant_id = app.tenant() and r.state = 'scheduled' and r.next_at <= :now
   order by r.next_at, r.id limit {{size}} for no key update skip locked),
facts as materialized ({" union all ".join(_row(channel) for channel in rules.CHANNELS)}),
claimed as (
  update reminders m
     set state = 'claimed', state_reason = null, address = coalesce(f.address, m.address), consent_event_id = f.consent_event_id,
         lease_until = :lease_until, lease_token = :token, attempts = m.attempts + 1, version = m.version + 1, updated_at = :now
    from facts f where m.tenant_id = app.tenant() and m.id = f.id)
select coalesce(json_agg(x order by x.next_at, x.id), '[]')::text from facts x
"""


def pick(tx: Tx, size: int, token: UUID) -> list[Due]:
    """Claim reminders that are due under a token, the longest due first, with what decides about them.

    In one statement, because nearly all of them go out: `decide` gives the others back within the transaction.
    """
    # As one JSON text: the driver takes longer to read a row's times than the database to find the row.
    given = {"now": tx.now, "reminder_rules": planning.DEFAULTS, "token": token, "lease_until": tx.now + LEASE}
    found = tx.scalar(text(_PICK.format(size=int(size))), given)
    return [_due(row) for row in json.loads(found)]


def _due(row: dict[str, Any]) -> Due:
    over, consent, before = row["over"], row["consent_event_id"], row["consent_before"]
    if over is None and row["due_on"] is not None:
        due_at = clock.hour_on(date.fromisoformat(row["due_on"]), row["tenant_zone"])
        over = None if due_at == datetime.fromisoformat(row["anchor_at"]) else _MOVED
    # By place: by name it takes as long as all the rest.
    return Due(
        UUID(row["id"]), row["type"], row["channel"], row["attempts"], datetime.fromisoformat(row["expires_at"]), row["state_reason"],
        over, row["rule_off"], row["exclusion"], row["address"], UUID(consent) if consent else None, row["address_before"],
        UUID(before) if before else None, row["contact_zone"], row["address_zone"], row["address_state"], row["phone"], row["tenant_zone"],
    )  # fmt: skip


_DECIDE = text("""
update reminders m
   set state = r.state, state_reason = r.reason, next_at = coalesce(r.next_at, m.next_at), address = r.address,
       consent_event_id = r.consent_event_id, lease_until = null, lease_token = null, attempts = m.attempts - 1, updated_at = :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as r(
         id uuid, state text, reason text, next_at timestamptz, address text, consent_event_id uuid)
 where m.tenant_id = app.tenant() and m.id = r.id and m.state = 'claimed' and m.lease_token = :token
""")


def decide(tx: Tx, rows: Iterable[Mapping[str, Any]], token: UUID) -> None:
    """Take the claim of these back: what was decided about them is something else. As if it had never been."""
    tx.execute(_DECIDE, {"rows": _json(rows), "token": token, "now": tx.now})


# Only what is still the token's: a worker that comes late changes nothing.
_SETTLE = text("""
with written as (
  update reminders m
     set state = r.state, state_reason = r.reason, next_at = coalesce(r.next_at, m.next_at), provider_message_id = r.provider_message_id,
         sent_at = case r.state when 'sent' then cast(:now as timestamptz) end, lease_until = null, lease_token = null,
         attempts = m.attempts - case when r.untried then 1 else 0 end, version = m.version + 1, updated_at = :now
    from jsonb_to_recordset(cast(:rows as jsonb)) as r(
           id uuid, state text, reason text, next_at timestamptz, provider_message_id text, untried boolean)
   where m.tenant_id = app.tenant() and m.id = r.id and m.state = 'claimed' and m.lease_token = :token
  returning m.id, m.contact_id, m.channel, m.state),
counted as (
  update contacts c set total_emails_received = c.total_emails_received + w.mails, last_contacted_at = greatest(c.last_contacted_at, :now)
    from (select x.contact_id, (count(*) filter (where x.channel = 'email'))::integer as mails from written x where x.state = 'sent'
           group by x.contact_id) w
   where c.tenant_id = app.tenant() and c.id = w.contact_id)
select w.id from written w
""")


def settle(tx: Tx, rows: Iterable[Mapping[str, Any]], token: UUID) -> set[UUID]:
    """Write down what came of claimed reminders. Returns those that were still the token's."""
    return set(tx.execute(_SETTLE, {"rows": _json(rows), "token": token, "now": tx.now}).scalars())


def _spared(channel: Channel) -> str:
    return f"""
  select d.id, {policy.exclusion(channel, "transactional")} as why
    from mine d
    join contacts c on c.tenant_id = app.tenant() and c.id = d.contact_id{policy.joins(channel, "transactional", few=True)}
   where d.channel = '{channel}'"""


# Right before they are handed over: since the claim the job may have been called off, or its client have answered STOP. With what
# they say.
_LOOK = text(f"""
with {clock.NINE},
mine as materialized (
  select m.id, m.type, m.rule, m.channel, m.attempts, m.expires_at, m.address, m.contact_id, m.job_id, m.invoice_id,
         {_OVER.format(m="m")} when {clock.moment("i.due_on")} <> m.anchor_at then '{_MOVED}'
            end as over, case when m.expires_at < :now then 'expired' end as late
    from reminders m
    left join jobs j on j.tenant_id = app.tenant() and j.id = m.job_id
    left join invoices i on i.tenant_id = app.tenant() and i.id = m.invoice_id
   where m.tenant_id = app.tenant() and m.id = any(cast(:ids as uuid[])) and m.state = 'claimed' and m.lease_token = :token),
spared as ({" union all ".join(_spared(channel) for channel in rules.CHANNELS)}),
ended as materialized (
  select d.id, case when d.over is null then 'skipped' else 'canceled' end as state, coalesce(d.over, d.late, s.why) as why
    from mine d join spared s on s.id = d.id where coalesce(d.over, d.late, s.why) is not null),
written as (
  update reminders m
     set state = x.state, state_reason = x.why, lease_until = null, lease_token = null, version = m.version + 1, updated_at = :now
    from ended x
   where m.tenant_id = app.tenant() and m.id = x.id and m.state = 'claimed' and m.lease_token = :token)
select d.id, d.type, d.rule, d.channel, d.attempts, d.expires_at, d.address, d.contact_id,
       coalesce(j.organization_id, i.organization_id) as organization_id, {PERSON},
       j.title as job_title, j.start_at as job_start_at, j.time_zone as job_time_zone,
       (select concat_ws(', ', p.address1, p.address2, p.city, concat_ws(' ', p.state, p.postal)) from contact_addresses p
         where p.tenant_id = app.tenant() and p.id = j.address_id and p.deleted_at is null) as job_address,
       (select e.name from reps e where e.tenant_id = app.tenant() and e.id = j.assignee_id) as job_assignee,
       i.number_text, i.balance_cents, i.currency, i.due_on,
       case when i.payment_page_status = 'ready' then i.payment_url end as payment_url
  from mine d
  left join jobs j on j.tenant_id = app.tenant() and j.id = d.job_id
  left join invoices i on i.tenant_id = app.tenant() and i.id = d.invoice_id
  join contacts c on c.tenant_id = app.tenant() and c.id = d.contact_id
 where not exists (select from ended x where x.id = d.id)
""")


def look(tx: Tx, ids: Sequence[UUID], token: UUID, time_zone: str) -> Sequence[Any]:
    """Those of claimed reminders that are still the token's and still wanted, with what they say; the others are called off.

    The time zone is the tenant's.
    """
    given = {"ids": list(ids), "token": token, "now": tx.now, "nine": clock.offsets(time_zone, tx.now)}
    return tx.execute(_LOOK, given).all()


def tenants_due(now: datetime) -> list[UUID]:
    """Which tenants have reminders due, dead workers' leases, or rules that changed."""
    with job_connection() as connection:
        return list(connection.scalars(text("select app.tenants_with_reminders_due(:now)"), {"now": now}))


def next_due() -> tuple[UUID, datetime] | None:
    """Whose reminder is due next, and when."""
    with job_connection() as connection:
        found = connection.execute(text("select tenant_id, due_at from app.next_reminder_due()")).one()
    return None if found.tenant_id is None else (found.tenant_id, found.due_at)


def _json(rows: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps(list(rows), default=lambda value: rfc3339(value) if isinstance(value, datetime) else str(value))
