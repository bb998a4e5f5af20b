"""Recipients of a chunk, claimed before the provider is called, and what came of the calls: in the database."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import TextClause, text

from clientway.db import Tx
from clientway.ids import uuid7
from clientway.messaging.campaigns import content as contents
from clientway.messaging.delivery.message import Channel
from clientway.messaging.policy import rules, sql
from clientway.messaging.policy.sql import Purpose
from clientway.messaging.settings import service as settings
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.templates.rules import Source
from clientway.moments import rfc3339

LEASE: Final = timedelta(minutes=5)
"""Longer than a worker may live, so that one whose lease has run out is dead, or as good as."""
MOST_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Content:
    """What a campaign says to everybody, and how its tenant sends."""

    campaign_id: UUID
    name: str
    channel: Channel
    purpose: Purpose
    source: Source
    quiet_hours: bool
    ends_at: datetime | None
    settings: MessagingSettings


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a send is for, and where it goes."""

    id: UUID
    contact_id: UUID
    address: str
    attempts: int
    variables: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed, and how many rows were looked at for it: fewer than asked for when there are no more."""

    recipients: list[Recipient]
    seen: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a send. `delay`: seconds until it is tried again. `back`: that it was tried does not count, if it was at all."""

    id: UUID
    state: Literal["sent", "failed", "unknown", "queued", "skipped"]
    reason: str | None = None
    provider_message_id: str | None = None
    delay: float | None = None
    back: bool = False


def content(tx: Tx, campaign_id: UUID) -> Content | None:
    """What a campaign says; None for one that is not being sent."""
    row = tx.execute(_CONTENT, {"campaign": campaign_id}).mappings().first()
    if row is None:
        return None
    campaign = dict(row)
    return Content(
        campaign_id,
        row["name"],
        row["channel"],
        row["purpose"],
        contents.source(campaign),
        row["quiet_hours"],
        row["ends_at"],
        settings.of(tx),
    )


_CONTENT = text("""
select name, channel, purpose, subject, body_text, body_html, quiet_hours, ends_at from campaigns
 where tenant_id = app.tenant() and id = :campaign and status = 'sending'
""")


def claim(tx: Tx, of: Content, chunk: int, turn: datetime, token: UUID, most: int) -> Claimed:
    """Claim the next of a chunk: who may be sent to now. Who may not (any more) is skipped, held or expired instead.

    Nothing is claimed of a campaign that is not `sending`: its row is locked against whoever pauses it until this is
    committed. Nor in a turn that is over.
    """
    given = {"campaign": of.campaign_id, "chunk": chunk, "turn": turn, "now": tx.now, "most": most}
    rows = tx.execute(_looked(of.channel, of.purpose), given).mappings().all()
    hours = rules.hours(
        of.channel, of.purpose, quiet_hours=of.quiet_hours, quiet_from=of.settings.quiet_from, quiet_until=of.settings.quiet_until
    )
    decided, recipients = [], []
    for row in rows:
        due: datetime | None = tx.now
        if hours is not None and row["reason"] is None:
            zones = rules.zones(row["contact_zone"], row["address_zone"], row["tenant_zone"], row["phone"])
            due = rules.opening(tx.now, zones, hours, row["address_state"], row["phone"])
        state, reason = _decision(row, of, tx.now, due)
        decided.append({
            "id": str(row["id"]), "state": state, "reason": reason, "due_at": rfc3339(due) if state == "queued" and due else None,
            "address": row["address"] if state == "sending" else None,
            "consent": str(row["consent"]) if state == "sending" and row["consent"] else None,
        })  # fmt: skip
        if state == "sending":
            recipients.append(Recipient(row["id"], row["contact_id"], row["address"], row["attempts"] + 1, contents.variables(dict(row))))
    if decided:
        until = tx.now + LEASE
        tx.execute(_DECIDE, {"decided": json.dumps(decided), "token": token, "until": until, "now": tx.now})
    return Claimed(recipients, len(rows))


def _decision(row: Any, of: Content, now: datetime, due: datetime | None) -> tuple[str, str | None]:
    if of.ends_at is not None and (now >= of.ends_at or (due is not None and due >= of.ends_at)):
        return "expired", "ended"
    if row["reason"] is not None:
        return "skipped", row["reason"]
    if due is None:
        # No hour of the week suits all the zones it may be in.
        return "expired", "no_opening"
    return ("sending", None) if due <= now else ("queued", None)


@cache
def _looked(channel: Channel, purpose: Purpose) -> TextClause:
    """Lock the next of a chunk, with what has to be known of them. Whoever else is at it passes over what is locked.

    Somebody who was merged into another contact is `merged`, where that one has a send of its own, else `merged_alone`: a
    campaign reaches nobody that it did not show. Who was sent it under a contact that has been merged into them since has it
    `already_sent`. These are looked for one by one (limit 1): as a set they would be all of the campaign, for each batch.
    """
    return text(f"""
with campaign as materialized (
  select c.id from campaigns c where c.tenant_id = app.tenant() and c.id = :campaign and c.status = 'sending' for share
), mine as materialized (
  select s.id, s.contact_id, s.attempts from campaign_sends s
   where s.tenant_id = app.tenant() and s.campaign_id = (select id from campaign) and s.chunk = :chunk and s.state = 'queued'
     and (s.due_at is null or s.due_at <= :now)
     and exists (select from campaign_chunks q where q.tenant_id = app.tenant() and q.campaign_id = :campaign and q.chunk = :chunk
                    and q.state = 'queued' and q.queued_at = :turn)
   order by s.id limit :most for update of s skip locked
)
select m.id, m.contact_id, m.attempts, {sql.ADDRESS[channel]} as address, {sql.CONSENT} as consent, {sql.ZONES}, {contents.PERSON},
       case when c.merged_into is null then coalesce({sql.exclusion(channel, purpose)}, (
                   select 'already_sent' from contacts x where x.tenant_id = app.tenant() and x.merged_into = c.id
                      and (select true from campaign_sends o where o.tenant_id = app.tenant() and o.campaign_id = :campaign
                              and o.contact_id = x.id and o.state in ('sending', 'sent', 'unknown') limit 1) limit 1))
            when (select true from campaign_sends o where o.tenant_id = app.tenant() and o.campaign_id = :campaign
                     and o.contact_id = c.merged_into and o.channel = '{channel}' limit 1) then 'merged'
            else 'merged_alone' end as reason
  from mine m join contacts c on c.tenant_id = app.tenant() and c.id = m.contact_id
  {sql.joins(channel, purpose, few=True)}
 order by m.id""")


_DECIDE = text("""
update campaign_sends s
   set state = r.state, reason = r.reason, due_at = r.due_at, address = r.address, consent_event_id = r.consent, updated_at = :now,
       attempts = s.attempts + case when r.state = 'sending' then 1 else 0 end,
       lease_until = case when r.state = 'sending' then cast(:until as timestamptz) end,
       lease_token = case when r.state = 'sending' then cast(:token as uuid) end
  from jsonb_to_recordset(cast(:decided as jsonb)) as r(id uuid, state text, reason text, due_at timestamptz, address text, consent uuid)
 where s.tenant_id = app.tenant() and s.id = r.id and s.state = 'queued'
""")


def record(tx: Tx, of: Content, token: UUID, results: Sequence[Result]) -> int:
    """Write down what came of a batch, with its lines of the timeline: one statement. Returns how many were written.

    Under the token alone: what was put to `unknown` meanwhile is corrected by whoever knows better, nothing else.
    """
    given = [{**asdict(one), "activity": uuid7() if one.state == "sent" else None} for one in results]
    if any(one.state == "queued" for one in results):
        rest = _rest(tx, of.campaign_id)
        given = [{**one, "state": rest} if one["state"] == "queued" else one for one in given]
    told = {"name": f"Campaign: {of.name}", "channel": of.channel, "campaign": of.campaign_id, "token": token, "now": tx.now}
    return int(tx.scalar(_RECORD, {"results": json.dumps(given, default=str), **told}))


_RECORD = text("""
with given as materialized (
  select * from jsonb_to_recordset(cast(:results as jsonb)) as r(
    id uuid, state text, reason text, provider_message_id text, delay double precision, back boolean, activity uuid)
), done as (
  update campaign_sends s
     set state = r.state, reason = r.reason, provider_message_id = r.provider_message_id,
         due_at = cast(:now as timestamptz) + r.delay * interval '1 second',
         attempts = s.attempts - case when r.back or r.state = 'skipped' then 1 else 0 end,
         sent_at = case when r.state = 'sent' then cast(:now as timestamptz) end,
         address = case when r.state not in ('queued', 'skipped') then s.address end,
         consent_event_id = case when r.state not in ('queued', 'skipped') then s.consent_event_id end,
         lease_until = null, lease_token = null, updated_at = :now
    from given r
   where s.tenant_id = app.tenant() and s.id = r.id and s.lease_token = :token
     and (s.state = 'sending' or s.state = 'unknown' and r.state in ('sent', 'failed', 'skipped'))
  returning s.id, s.contact_id, s.state, r.activity
), reached as materialized (
  select c.id, c.organization_id, d.id as send_id, d.activity
    from done d join contacts c on c.tenant_id = app.tenant() and c.id = d.contact_id
   where d.state = 'sent' order by c.id for no key update of c
), counted as (
  update contacts c
     set total_emails_received = c.total_emails_received + case when cast(:channel as text) = 'email' then 1 else 0 end,
         last_contacted_at = greatest(c.last_contacted_at, :now)
    from reached r where c.tenant_id = app.tenant() and c.id = r.id
), told as (
  insert into activities (id, organization_id, contact_id, activity_type, title, metadata, performed_by_type, event_key, occurred_at)
  select r.activity, r.organization_id, r.id, cast(:channel as text) || '_sent', left(:name, 500),
         jsonb_build_object('campaign_id', cast(:campaign as uuid), 'send_id', r.send_id, 'channel', cast(:channel as text)), 'job',
         r.send_id || ':' || 'sent', :now
    from reached r
  on conflict (tenant_id, event_key) where event_key is not null do nothing
)
select count(*) from done
""")


def hand_back(tx: Tx, campaign_id: UUID, token: UUID) -> int:
    """Give back what was claimed under a token and certainly not tried."""
    return tx.execute(_HAND_BACK, {"token": token, "now": tx.now, "state": _rest(tx, campaign_id)}).rowcount


def _rest(tx: Tx, campaign_id: UUID) -> str:
    """What becomes of who is given back. Of a campaign that was canceled meanwhile nobody else would say so."""
    status = tx.scalar(_STATUS, {"campaign": campaign_id})
    return "canceled" if status == "canceled" else "queued"


_STATUS = text("select status from campaigns where tenant_id = app.tenant() and id = :campaign for share")
_HAND_BACK = text("""
update campaign_sends s set state = :state, attempts = s.attempts - 1, lease_until = null, lease_token = null, address = null,
       consent_event_id = null, updated_at = :now
 where s.tenant_id = app.tenant() and s.state = 'sending' and s.lease_token = :token
""")
