"""Provider events in the database: each written once, with what it changes of the message it is about."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, TextClause, text

from clientway import db
from clientway.db import Tx
from clientway.ids import uuid7
from clientway.messaging.events.reading import Event
from clientway.messaging.policy.sql import Purpose

# That the provider tells of it at all says that it took the message.
TAKEN: Final = ("send", "delivery", "delay", "bounce", "complaint", "open", "click", "subscription", "unsubscribe")
_WAS_TAKEN = "(" + ", ".join(f"'{kind}'" for kind in TAKEN) + ")"
# It was, and then the provider would not send it after all. That may be told before the send is written down.
_REFUSED = "('reject', 'rendering_failure')"

# subject -> its table, the moments of it that events fill, and how a message of unknown outcome is settled by one.
_SENDS = (
    "campaign_sends",
    ("delivered_at", "opened_at", "machine_opened_at", "clicked_at", "bounced_at", "complained_at"),
    f"""state = case when m.state = 'unknown' and e.kind in {_WAS_TAKEN} then 'sent'
                     when m.state in ('sending', 'sent', 'unknown') and e.kind in {_REFUSED} then 'failed' else m.state end,
        reason = case when m.state = 'unknown' and e.kind in {_WAS_TAKEN} then 'known by its events'
                      when m.state in ('sending', 'sent', 'unknown') and e.kind in {_REFUSED} then 'provider: ' || e.kind
                      else m.reason end,
        sent_at = case when m.state = 'unknown' and e.kind in {_WAS_TAKEN} then coalesce(m.sent_at, :at) else m.sent_at end,
        provider_message_id = coalesce(m.provider_message_id, :provider_message_id)""",
)
_REMINDERS = (
    "reminders",
    ("delivered_at", "bounced_at"),
    f"""state = case when m.state in ('claimed', 'sent') and e.kind in {_REFUSED} then 'failed' else m.state end,
        state_reason = case when m.state in ('claimed', 'sent') and e.kind in {_REFUSED} then 'provider: ' || e.kind
                            else m.state_reason end,
        provider_message_id = coalesce(m.provider_message_id, :provider_message_id)""",
)
_MAILS = (
    "email_messages",
    ("delivered_at", "opened_at", "clicked_at", "bounced_at", "complained_at"),
    f"""status = case when m.status in ('sending', 'sent') and e.kind in {_REFUSED} then 'failed' else m.status end,
        error = case when m.status in ('sending', 'sent') and e.kind in {_REFUSED} then 'provider: ' || e.kind else m.error end,
        provider_message_id = coalesce(m.provider_message_id, :provider_message_id)""",
)
_COLUMN: Final = {"campaign_send": "campaign_send_id", "reminder": "reminder_id", "email_message": "email_message_id"}


def _statement(subject: str, table: str, moments: Sequence[str], settled: str) -> TextClause:
    filled = ", ".join(f"{one} = coalesce(m.{one}, case when :moment = '{one}' then cast(:at as timestamptz) end)" for one in moments)
    known = "case :moment " + " ".join(f"when '{one}' then m.{one} is null" for one in moments) + " else false end"
    campaign = "m.campaign_id" if table == "campaign_sends" else "null::uuid"
    state = "m.state" if table == "campaign_sends" else "null::text"
    return text(f"""
with held as (
  select m.id, m.contact_id, {campaign} as campaign_id, {state} as state, {known} as is_first
    from {table} m where m.tenant_id = app.tenant() and m.id = :subject_id for no key update),
told as (
  insert into message_events (id, event_key, kind, channel, {_COLUMN[subject]}, contact_id, machine, detail, occurred_at, created_at)
  select :event_id, :event_key, :kind, :channel, h.id, h.contact_id, :machine, cast(:detail as jsonb), :at, :now from held h
  on conflict (tenant_id, event_key) do nothing returning kind),
changed as (
  update {table} m set {filled}, {settled}, updated_at = :now
    from told e where m.tenant_id = app.tenant() and m.id = :subject_id returning {state} as state)
select exists (select from told) as is_new, h.is_first, h.campaign_id, h.state as before, (select x.state from changed x) as after,
       c.id as contact_id, c.organization_id, o.id is not null as has_organization
  from held h
  left join contacts f on f.tenant_id = app.tenant() and f.id = h.contact_id
  left join contacts c on c.tenant_id = app.tenant() and c.id = coalesce(f.merged_into, f.id)
  left join organizations o on o.tenant_id = app.tenant() and o.id = c.organization_id and o.deleted_at is null
""")


_TELL: Final = {
    "campaign_send": _statement("campaign_send", *_SENDS),
    "reminder": _statement("reminder", *_REMINDERS),
    "email_message": _statement("email_message", *_MAILS),
}
_MOMENTS: Final = {"delivery": "delivered_at", "bounce": "bounced_at", "complaint": "complained_at"}


def tell(tx: Tx, event: Event) -> Row[Any] | None:
    """Write an event down with what it changes of its message: is_new, and who it is about; None where there is no such message."""
    moment = _MOMENTS.get(event.kind, "")
    if event.kind == "open":
        moment = "machine_opened_at" if event.machine else "opened_at"
    elif event.kind == "click" and not event.machine:
        moment = "clicked_at"
    given = {
        "subject_id": event.subject_id, "event_id": uuid7(), "event_key": event.key, "kind": event.kind, "channel": event.channel,
        "machine": event.machine, "detail": json.dumps(event.detail), "at": event.occurred_at, "now": tx.now, "moment": moment,
        "provider_message_id": event.provider_message_id,
    }  # fmt: skip
    return tx.execute(_TELL[event.subject or ""], given).one_or_none()


_SENT = text("""
update contacts set total_emails_received = total_emails_received + case when :channel = 'email' then 1 else 0 end,
       last_contacted_at = greatest(last_contacted_at, :at)
 where tenant_id = app.tenant() and id = :contact_id
""")


def count_sent(tx: Tx, contact_id: UUID, channel: str, at: datetime) -> None:
    """One more message that a contact has got. No new version: nobody's edit is in its way."""
    tx.execute(_SENT, {"contact_id": contact_id, "channel": channel, "at": at})


_OPENED = text("""
update contacts set total_emails_opened = total_emails_opened + 1
 where tenant_id = app.tenant() and id = :contact_id
""")


def count_open(tx: Tx, contact_id: UUID) -> None:
    """One more mail that a contact has opened. No new version: nobody's edit is in its way."""
    tx.execute(_OPENED, {"contact_id": contact_id})


# Events may come while a send is still claimed; the worker that held it may have died since.
_SETTLE = text(f"""
with seen as (
  select s.id, min(e.occurred_at) as at
    from campaign_sends s
    join message_events e on e.tenant_id = s.tenant_id and e.campaign_send_id = s.id and e.kind in {_WAS_TAKEN}
   where s.tenant_id = app.tenant() and s.state = 'unknown'
   group by s.tenant_id, s.id)
update campaign_sends s set state = 'sent', reason = 'known by its events', sent_at = coalesce(s.sent_at, n.at), updated_at = :now
  from seen n where s.tenant_id = app.tenant() and s.id = n.id and s.state = 'unknown'
returning s.id, s.campaign_id, s.contact_id, s.channel
""")


def settle_unknown(tx: Tx) -> list[Row[Any]]:
    """Mark as sent what is unknown although its events have come already."""
    return list(tx.execute(_SETTLE, {"now": tx.now}).all())


# Alone, before they are counted: of two complaints at once the second then sees the first.
_HOLD = text("select c.id from campaigns c where c.tenant_id = app.tenant() and c.id = :campaign_id for no key update")
# Complaints over deliveries: what providers judge a sender by.
_STOP = text("""
update campaigns c set status = 'stopped', status_reason = 'too many complaints', version = c.version + 1, updated_at = :now
  from (select count(*) filter (where s.complained_at is not null) as complaints,
               count(*) filter (where s.delivered_at is not null or s.state = 'sent') as delivered
          from campaign_sends s where s.tenant_id = app.tenant() and s.campaign_id = :campaign_id) k
  left join messaging_settings m on m.tenant_id = app.tenant()
 where c.tenant_id = app.tenant() and c.id = :campaign_id and c.status in ('sending', 'paused')
   and k.complaints >= coalesce(m.complaint_stop_count, 3)
   and k.complaints * 10000 >= k.delivered * coalesce(m.complaint_stop_bps, 30)
returning k.complaints, k.delivered
""")


def stop_for_complaints(tx: Tx, campaign_id: UUID) -> Row[Any] | None:
    """Stop a campaign that too many complain about, by the tenant's limits: how many of how many; None when it goes on."""
    tx.execute(_HOLD, {"campaign_id": campaign_id})
    return tx.execute(_STOP, {"campaign_id": campaign_id, "now": tx.now}).one_or_none()


# Whoever says two things means the later, in whichever order they come: `overruled` is what was taken back before it was heard.
_TEXTED = text("""
with told as (
  insert into message_events (id, event_key, kind, channel, contact_id, detail, occurred_at, created_at)
  values (:event_id, :event_key, :kind, 'sms', null,
          jsonb_build_object('text', cast(:text as text), 'from', app.address_hash('sms', :phone)), :at, :now)
  on conflict (tenant_id, event_key) do nothing returning id, kind, detail),
numbers as (
  select p.contact_id from contact_phones p where p.tenant_id = app.tenant() and p.phone_e164 = :phone and p.live
  union
  select f.merged_into from contact_phones p join contacts f on f.tenant_id = p.tenant_id and f.id = p.contact_id
   where p.tenant_id = app.tenant() and p.phone_e164 = :phone and not p.live and f.merged_into is not null)
select c.id as contact_id, c.organization_id, o.id is not null as has_organization, t.name as tenant_name,
       exists (select from message_events x
                where x.tenant_id = app.tenant() and x.kind in ('stop', 'start') and x.occurred_at > :at and x.kind <> e.kind
                  and x.detail ->> 'from' = e.detail ->> 'from') as overruled,
       (select count(*) from message_events x
         where x.tenant_id = app.tenant() and x.kind in ('stop', 'start', 'help') and x.detail ->> 'from' = e.detail ->> 'from'
           and x.occurred_at > cast(:at as timestamptz) - interval '1 hour' and x.occurred_at <= :at) as lately
  from told e
  join tenants t on t.tenant_id = app.tenant()
  left join numbers k on true
  left join contacts c on c.tenant_id = app.tenant() and c.id = k.contact_id and c.deleted_at is null
  left join organizations o on o.tenant_id = app.tenant() and o.id = c.organization_id and o.deleted_at is null
 order by c.id
""")


def texted(tx: Tx, event: Event) -> list[Row[Any]]:
    """Write an answer down: whose number it came from, a row each (without contact for a stranger's); nothing when it is known.

    `overruled`: they have said something else since; `lately`: how often they said such a word in the hour before.
    """
    given = {
        "event_id": uuid7(), "event_key": event.key, "kind": event.kind, "text": event.text or "", "at": event.occurred_at,
        "now": tx.now, "phone": event.sender,
    }  # fmt: skip
    return list(tx.execute(_TEXTED, given).all())


def tenants_texting_from(number: str) -> list[UUID]:
    """The tenants that text from a number of their own."""
    with db.job_connection() as connection:
        return list(connection.scalars(text("select app.tenants_texting_from(:number)"), {"number": number}))


def tenants_knowing(phone: str) -> list[UUID]:
    """The tenants without a number of their own that have, or had, somebody with this one."""
    with db.job_connection() as connection:
        return list(connection.scalars(text("select app.tenants_knowing(:phone)"), {"phone": phone}))


_LAST_TEXTED = text("""
with numbers as (
  select p.contact_id as id from contact_phones p where p.tenant_id = app.tenant() and p.phone_e164 = :phone and p.live
  union select p.contact_id from contact_phones p where p.tenant_id = app.tenant() and p.phone_e164 = :phone and not p.live),
people as (
  select id from numbers union select c.id from numbers n join contacts c on c.tenant_id = app.tenant() and c.merged_into = n.id)
select greatest(
  (select max(s.sent_at) from people p join campaign_sends s on s.tenant_id = app.tenant() and s.contact_id = p.id
    where s.channel = 'sms' and s.address = :phone),
  (select max(r.sent_at) from people p join reminders r on r.tenant_id = app.tenant() and r.contact_id = p.id
    where r.channel = 'sms' and r.address = :phone))
""")


def last_texted(tx: Tx, phone: str) -> datetime | None:
    """When a text went to a number last; None where none did."""
    found: datetime | None = tx.scalar(_LAST_TEXTED, {"phone": phone})
    return found


# The last two lines of each purpose: what stands, and what stood before it.
_LINES = text("""
select x.purpose, x.state, x.source, y.state as before
  from unnest(array['marketing', 'transactional']) as p(purpose)
  cross join lateral (select e.* from consent_events e
     where e.tenant_id = app.tenant() and e.contact_id = :contact_id and e.channel = 'sms' and e.purpose = p.purpose
     order by e.occurred_at desc, e.id desc limit 1) x
  left join lateral (select e.state from consent_events e
     where e.tenant_id = app.tenant() and e.contact_id = :contact_id and e.channel = 'sms' and e.purpose = p.purpose and e.id <> x.id
     order by e.occurred_at desc, e.id desc limit 1) y on true
""")


def taken(tx: Tx, contact_id: UUID, source: str) -> dict[Purpose, str | None]:
    """The purposes that a contact's texts are denied for by this source, with what they had said before, if anything."""
    found = tx.execute(_LINES, {"contact_id": contact_id}).all()
    return {row.purpose: row.before for row in found if row.state == "denied" and row.source == source}
