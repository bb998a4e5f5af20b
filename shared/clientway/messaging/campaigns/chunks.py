"""The parts of a campaign in the queue: a few at a time, so that nobody's message waits behind all of another's.

Each time that a chunk is put into the queue is a turn of its own, named in the message: a message that comes twice, or late,
finds that its turn is over and does nothing.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text

from clientway import effects, wake
from clientway.db import Tx
from clientway.ids import uuid7

WINDOW: Final = 8
"""How many chunks of a campaign are in the queue at most, those that are being worked on among them."""
LOST_AFTER: Final = timedelta(minutes=15)
"""A chunk that was put into the queue and of which nothing was heard for so long is put in again."""
PAUSE: Final = timedelta(minutes=1)
"""How long a chunk rests that the provider does not want now; twice as long each time that it takes nothing of it, six times at most.

Each time costs a few their message, where answers are lost: they become `unknown`.
"""
_LONGEST: Final = 5
SHORT: Final = timedelta(minutes=2)
"""What is held for no longer than this waits in its queue; for longer, in its table until somebody looks."""


def pump(tx: Tx, campaign_id: UUID, *, more: int = 0) -> int:
    """Bring chunks that are due into the queue, up to WINDOW (and `more`) of the campaign's; returns how many were.

    Does nothing for a campaign that is not `sending`; one of which nothing is left, and that was paused meanwhile, is finished
    by it. The messages go out after the commit.
    """
    room = WINDOW + more
    given = {"campaign": campaign_id, "room": room, "ids": [str(uuid7()) for _ in range(room)], "now": tx.now}
    found = tx.execute(_PUMP, given).one()
    if found.pumped and not found.before:
        # While it is being sent somebody looks after it: for what was lost on the way, and for workers that died.
        wake.at(tx, tx.now + LOST_AFTER, "messages")
    elif not (found.pumped or found.before):
        finish(tx, campaign_id)
    return int(found.pumped)


_PUMP = text("""
with queue as materialized (
  select count(*) as n from campaign_chunks k where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.state = 'queued'
), due as materialized (
  select k.chunk, row_number() over (order by k.chunk) as place
    from (select k.chunk from campaign_chunks k
           where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.state = 'waiting' and (k.due_at is null or k.due_at <= :now)
             and exists (select from campaigns c where c.tenant_id = app.tenant() and c.id = :campaign and c.status = 'sending')
           order by k.chunk limit greatest(cast(:room as bigint) - (select n from queue), 0) for update skip locked) k
), taken as (
  update campaign_chunks k set state = 'queued', queued_at = :now, due_at = null
    from due where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.chunk = due.chunk
  returning k.chunk, k.queued_at, due.place
), told as (
  insert into outbox (id, topic, payload)
  select (cast(:ids as uuid[]))[t.place], 'campaign.chunk',
         jsonb_build_object('campaign_id', cast(:campaign as uuid), 'chunk', t.chunk, 'turn', t.queued_at)
    from taken t
)
select (select n from queue) as before, (select count(*) from taken) as pumped
""")


def settle(tx: Tx, campaign_id: UUID, chunk: int, turn: datetime, *, tired: bool = False, in_vain: bool = False) -> bool:
    """End a chunk's turn: it is done, or what is left of it waits for its time; and bring the next.

    `tired`: not before the provider has had a rest, which grows with the turns that were `in_vain`, without a message sent.
    Returns whether the campaign may be finished by this. A turn that is over already changes nothing, unless what its
    worker gave back is of a chunk that counted as done.
    """
    given = {"campaign": campaign_id, "chunk": chunk}
    # Locked in a statement of its own: the next one then sees what anybody who had the lock before has written.
    at = tx.execute(_LOCK, {**given, "turn": turn}).first()
    if at is None or not (at.mine or at.state == "done"):
        return False
    rests = (at.rests if in_vain else 0) + 1 if tired else 0
    not_before = tx.now + PAUSE * 2 ** min(rests - 1, _LONGEST) if tired else None
    left = tx.execute(_SETTLE, {**given, "now": tx.now, "not_before": not_before, "rests": rests}).first()
    if left is None:
        # Somebody else has ended it, and could not end the campaign while this one was still at it.
        return bool(at.status == "sending")
    if left.state == "waiting" and at.status == "sending" and left.due_at > tx.now:
        if left.due_at <= tx.now + SHORT:
            tx.execute(_REST, {**given, "until": left.due_at, "now": tx.now, "id": uuid7()})
        else:
            wake.at(tx, left.due_at, "messages")
    return at.status == "sending" and pump(tx, campaign_id) == 0 and left.state == "done"


_LOCK = text("""
select c.status, k.state, k.rests, k.state = 'queued' and k.queued_at = :turn as mine
  from campaigns c join campaign_chunks k on k.tenant_id = app.tenant() and k.campaign_id = c.id and k.chunk = :chunk
 where c.tenant_id = app.tenant() and c.id = :campaign
   for share of c for update of k
""")
_SETTLE = text("""
with due as materialized (
  select count(*) as n, min(coalesce(s.due_at, :now)) as at from campaign_sends s
   where s.tenant_id = app.tenant() and s.campaign_id = :campaign and s.chunk = :chunk and s.state = 'queued'
)
update campaign_chunks k set state = case when due.n = 0 then 'done' else 'waiting' end, queued_at = null,
       rests = :rests, due_at = case when due.n > 0 then greatest(due.at, :now, cast(:not_before as timestamptz)) end
  from due
 where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.chunk = :chunk and (k.state <> 'done' or due.n > 0)
returning k.state, k.due_at
""")
_REST = text("""
with resting as (
  update campaign_chunks k set state = 'queued', queued_at = :until, due_at = null
   where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.chunk = :chunk
  returning k.queued_at
)
insert into outbox (id, topic, payload)
select :id, 'campaign.chunk',
       jsonb_build_object('campaign_id', cast(:campaign as uuid), 'chunk', cast(:chunk as integer), 'turn', r.queued_at,
                          'delay_seconds', ceil(extract(epoch from r.queued_at - cast(:now as timestamptz)))::integer)
  from resting r
""")


def finish(tx: Tx, campaign_id: UUID) -> bool:
    """Call a campaign finished of which nothing is left to send; whether it is by this.

    Looked at after the commit of what was sent last: two who end at once do not see each other's before. What is open can
    only become less, so that one look at all of it is enough.
    """
    done = tx.execute(_FINISH, {"campaign": campaign_id, "now": tx.now}).first()
    if done is None:
        return False
    effects.audit(tx, "campaign.finished", "campaign", campaign_id, {"status": "finished", "unknown": done.unknown})
    effects.publish(tx, "messaging.campaign_finished", {"campaign_id": campaign_id})
    return True


_FINISH = text("""
update campaigns c set status = 'finished', finished_at = :now, version = c.version + 1, updated_at = :now
 where c.tenant_id = app.tenant() and c.id = :campaign and c.status = 'sending'
   and not exists (select from campaign_chunks k where k.tenant_id = app.tenant() and k.campaign_id = :campaign and k.state <> 'done')
   and not exists (select from campaign_sends s where s.tenant_id = app.tenant() and s.campaign_id = :campaign and s.state = 'queued')
   and not exists (select from campaign_sends s where s.tenant_id = app.tenant() and s.campaign_id = :campaign and s.state = 'sending')
returning (select count(*) from campaign_sends s
            where s.tenant_id = app.tenant() and s.campaign_id = :campaign and s.state = 'unknown') as unknown
""")
