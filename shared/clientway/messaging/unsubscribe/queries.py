"""Unsubscribing in the database."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from clientway.db import Tx
from clientway.ids import uuid7
from clientway.messaging.delivery.message import Channel

# Of one who was merged: the survivor, whom the next message would go to.
_SUBSCRIBER = text("""
with recursive chain as (
  select c.id, c.merged_into from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id
  union
  select c.id, c.merged_into from chain h join contacts c on c.tenant_id = app.tenant() and c.id = h.merged_into)
select t.name as tenant, case :channel when 'email' then c.email_norm else c.phone_e164 end as address,
       k.state is not distinct from 'denied' or (:channel = 'email' and c.unsubscribed_at is not null) as unsubscribed
  from chain h
  join contacts c on c.tenant_id = app.tenant() and c.id = h.id
  join tenants t on t.tenant_id = app.tenant()
  left join contact_consents k on k.tenant_id = app.tenant() and k.contact_id = c.id and k.channel = :channel and k.purpose = 'marketing'
 where h.merged_into is null
""")


def subscriber(tx: Tx, contact_id: UUID, channel: Channel) -> Row[Any] | None:
    """Who sends, to which address, and whether that has ended; None when there is no such contact."""
    return tx.execute(_SUBSCRIBER, {"contact_id": contact_id, "channel": channel}).one_or_none()


_MARK = text("""
with marked as (
  update campaign_sends s set unsubscribed_at = :now, updated_at = :now
   where s.tenant_id = app.tenant() and s.id = cast(:send_id as uuid) and s.contact_id = :asked and s.unsubscribed_at is null
  returning s.id)
insert into message_events (id, event_key, kind, channel, campaign_send_id, contact_id, detail, occurred_at, created_at)
select :id, :event_key, 'unsubscribe', :channel,
       (select s.id from campaign_sends s where s.tenant_id = app.tenant() and s.id = cast(:send_id as uuid) and s.contact_id = :asked),
       :contact_id, jsonb_build_object('source', cast(:source as text)), :now, :now
on conflict (tenant_id, event_key) do nothing
""")


def mark(tx: Tx, *, send_id: UUID | None, asked: UUID, contact_id: UUID, channel: Channel, source: str, event_id: UUID) -> None:
    """Tell the campaign's send that it made somebody leave, and keep it among what is known of messages.

    `asked` is the contact that the message went to, `contact_id` whoever they turned out to be.
    """
    given = {"send_id": send_id, "asked": asked, "contact_id": contact_id, "channel": channel, "source": source, "now": tx.now}
    tx.execute(_MARK, {**given, "id": uuid7(), "event_key": f"unsubscribe:{event_id}"})
