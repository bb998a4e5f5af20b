"""What nobody else sees to: campaigns whose time has come, workers that died, chunks that were lost or are due again."""

import logging
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from clientway import effects, wake
from clientway.db import Tx, job_connection
from clientway.ids import uuid7
from clientway.messaging.campaigns import chunks, freezing
from clientway.messaging.campaigns.chunks import LOST_AFTER
from clientway.messaging.events import service as events
from clientway.messaging.mails import service as mails

logger = logging.getLogger(__name__)

LOST: Final = "its worker was lost between the provider and the report"
_CHUNKS_AT_ONCE: Final = 100


def tenants(now: datetime) -> list[UUID]:
    """Those who have a campaign or a mail that may have to be seen to."""
    with job_connection() as connection:
        return list(connection.scalars(text("select app.tenants_with_messages_open(:now)"), {"now": now}))


def tend(tx: Tx, now: datetime) -> int:
    """Look after a tenant's campaigns and single mails; returns how many things were done. Twice is as good as once."""
    due = tx.execute(_DUE, {"now": now, "before": now - freezing.LOST_AFTER}).scalars().all()
    done = sum(freezing.begin(tx, one) for one in due)
    done += settle_lost(tx, now) + events.settle_unknown(tx)
    ids = [str(uuid7()) for _ in range(_CHUNKS_AT_ONCE)]
    done += int(tx.scalar(_AGAIN, {"now": now, "before": now - LOST_AFTER, "ids": ids, "limit": _CHUNKS_AT_ONCE}))
    sending = tx.execute(_SENDING).scalars().all()
    done += tx.execute(_REOPEN, {"now": now}).rowcount if sending else 0
    for one in sending:
        done += chunks.pump(tx, one) or chunks.finish(tx, one)
    done += mails.retry_stale(tx)
    following = tx.scalar(_FOLLOWING, {"now": now, "later": now + LOST_AFTER})
    if following is not None:
        wake.at(tx, following, "messages")
    return done


def settle_lost(tx: Tx, now: datetime) -> int:
    """Sends whose lease has run out: nobody knows whether the provider took them. Returns how many."""
    total = 0
    for campaign_id, count in tx.execute(_LOST, {"now": now, "reason": LOST}).all():
        total += count
        effects.audit(tx, "campaign.sends_unknown", "campaign", campaign_id, {"count": count})
        logger.warning("sends of a lost worker", extra={"campaign_id": str(campaign_id), "count": count})
    return total


_DUE = text("""
select id from campaigns
 where tenant_id = app.tenant() and (status = 'scheduled' and scheduled_at <= :now or status = 'freezing' and updated_at <= :before)
 order by scheduled_at limit 20
""")
# The token stays: a worker that was only slow, and knows better, may still say so.
_LOST = text("""
with lost as (
  update campaign_sends s set state = 'unknown', reason = :reason, lease_until = null, updated_at = :now
    from (select id from campaign_sends where tenant_id = app.tenant() and state = 'sending' and lease_until <= :now
           order by id for update skip locked) l
   where s.tenant_id = app.tenant() and s.id = l.id
  returning s.campaign_id
)
select campaign_id, count(*) from lost group by 1
""")
_AGAIN = text("""
with lost as materialized (
  select k.campaign_id, k.chunk, row_number() over () as place
    from (select k.campaign_id, k.chunk from campaign_chunks k
            join campaigns c on c.tenant_id = app.tenant() and c.id = k.campaign_id and c.status = 'sending'
           where k.tenant_id = app.tenant() and k.state = 'queued' and k.queued_at <= :before
           order by k.queued_at limit :limit for update of k skip locked) k
), again as (
  update campaign_chunks k set queued_at = :now from lost l
   where k.tenant_id = app.tenant() and k.campaign_id = l.campaign_id and k.chunk = l.chunk
  returning k.campaign_id, k.chunk, k.queued_at, l.place
), told as (
  insert into outbox (id, topic, payload)
  select (cast(:ids as uuid[]))[a.place], 'campaign.chunk',
         jsonb_build_object('campaign_id', a.campaign_id, 'chunk', a.chunk, 'turn', a.queued_at)
    from again a
)
select count(*) from again
""")
_SENDING = text("select id from campaigns where tenant_id = app.tenant() and status = 'sending' order by id")
# Nothing of it is open and somebody is left all the same: given back by a worker that died before it could say so.
_REOPEN = text("""
update campaign_chunks k set state = 'waiting', due_at = left_over.at
  from (select s.campaign_id, s.chunk, min(coalesce(s.due_at, :now)) as at from campaign_sends s
         where s.tenant_id = app.tenant() and s.state = 'queued'
           and s.campaign_id in (
             select c.id from campaigns c where c.tenant_id = app.tenant() and c.status = 'sending'
                and not exists (select from campaign_chunks o
                                 where o.tenant_id = app.tenant() and o.campaign_id = c.id and o.state <> 'done'))
         group by 1, 2) left_over
 where k.tenant_id = app.tenant() and k.campaign_id = left_over.campaign_id and k.chunk = left_over.chunk and k.state = 'done'
""")
_FOLLOWING = text("""
select min(at) from (
  select min(c.scheduled_at) as at from campaigns c where c.tenant_id = app.tenant() and c.status = 'scheduled'
  union all
  select min(k.due_at) from campaign_chunks k
    join campaigns c on c.tenant_id = app.tenant() and c.id = k.campaign_id and c.status = 'sending'
   where k.tenant_id = app.tenant() and k.state = 'waiting' and k.due_at > :now
  union all
  select min(s.lease_until) from campaign_sends s where s.tenant_id = app.tenant() and s.state = 'sending'
  union all
  select cast(:later as timestamptz)
   where exists (select from campaigns c where c.tenant_id = app.tenant() and c.status in ('freezing', 'sending'))
      or exists (select from email_messages m where m.tenant_id = app.tenant() and m.status in ('pending', 'sending'))) x
""")
