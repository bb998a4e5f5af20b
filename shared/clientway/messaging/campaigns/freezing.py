"""Writing down whom a campaign goes to: once, in one statement, for whoever sends it to read."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from clientway import effects
from clientway.db import Tx
from clientway.errors import NotFound, Unprocessable
from clientway.messaging.campaigns import audience, queries
from clientway.messaging.campaigns.audience import Counts
from clientway.messaging.campaigns.rules import CHUNK, LARGEST_AUDIENCE
from clientway.messaging.segments.service import Where

LOST_AFTER: Final = timedelta(minutes=15)
"""A freezing that was asked for so long ago and has not happened is asked for again."""


def freeze(tx: Tx, campaign_id: UUID) -> int:
    """Write a send for each contact of the audience of a campaign that is `freezing`, and its chunks; returns how many.

    Whoever gets nothing has a row too, `skipped` with the reason. Run again, or of a campaign that is not freezing (any
    more), it does nothing and returns 0. Afterwards the campaign is `sending`, or `finished` if there is nobody to send to;
    where its segment is no more, or has become too large, it is `canceled` with the reason. The caller pumps its chunks and
    commits.
    """
    campaign = queries.lock(tx, campaign_id)
    if campaign is None or campaign["status"] != "freezing":
        return 0
    try:
        segment = audience.where(tx, campaign)
    except (NotFound, Unprocessable) as refused:
        reason = "; ".join([refused.detail, *(f"{error.pointer} {error.message}" for error in refused.errors)])
        _give_up(tx, campaign_id, f"its segment cannot be read: {reason}")
        return 0
    found, audience_hash = write_down(tx, campaign, segment)
    if found.total > LARGEST_AUDIENCE:
        _give_up(tx, campaign_id, f"its audience has grown to {found.total:,}, and {LARGEST_AUDIENCE:,} is the most")
        return 0
    changes: dict[str, Any] = {"status": "sending" if found.to_send else "finished", "audience_count": found.total, "frozen_at": tx.now}
    if not found.to_send:
        changes["finished_at"] = tx.now
    drift = _drift(campaign, found, audience_hash)
    if drift is not None:
        changes["drift"] = drift
    queries.write(tx, campaign_id, changes)
    effects.audit(tx, "campaign.frozen", "campaign", campaign_id, {"audience": found.as_json(), "drift": drift is not None})
    if not found.to_send:
        effects.publish(tx, "messaging.campaign_finished", {"campaign_id": campaign_id})
    return found.total


def write_down(tx: Tx, campaign: Mapping[str, Any], segment: Where) -> tuple[Counts, str]:
    """The sends and chunks of an audience that is not too large, in one statement; how many, and their hash.

    Chunks follow the contacts' ids, so that a worker's rows lie beside each other.
    """
    statement = f"""
      with {audience.decided(campaign, segment)},
      numbered as (
        select id, reason,
               case when reason is null then (row_number() over (partition by reason is null order by id) - 1) / {CHUNK}
                    else -1 end as chunk
          from decided where (select count(*) from decided) <= {LARGEST_AUDIENCE}),
      written as (
        insert into campaign_sends (campaign_id, contact_id, channel, chunk, state, reason, created_at, updated_at)
        select cast(:campaign_id as uuid), n.id, :channel, n.chunk, case when n.reason is null then 'queued' else 'skipped' end, n.reason,
               :now, :now
          from numbered n),
      parts as (
        insert into campaign_chunks (campaign_id, chunk)
        select cast(:campaign_id as uuid), generate_series(0, (select max(n.chunk) from numbered n)))
      select {audience.HASH} as hash, {audience.BY_REASON} as by_reason"""
    given = {"campaign_id": campaign["id"], "channel": campaign["channel"], "now": tx.now, **segment.parameters}
    row = tx.execute(text(statement), given).one()
    return Counts.of(row.by_reason), row.hash


def begin(tx: Tx, campaign_id: UUID) -> bool:
    """Have a scheduled campaign whose time has come be frozen, in the background; whether it was one.

    One whose freezing was asked for long ago and never came is asked for again.
    """
    campaign = queries.lock(tx, campaign_id)
    if campaign is None:
        return False
    due = campaign["status"] == "scheduled" and campaign["scheduled_at"] <= tx.now
    lost = campaign["status"] == "freezing" and campaign["updated_at"] <= tx.now - LOST_AFTER
    if not due and not lost:
        return False
    queries.write(tx, campaign_id, {"status": "freezing"})
    effects.audit(tx, "campaign.begun", "campaign", campaign_id, {"status": "freezing"})
    effects.publish(tx, "campaign.freeze", {"campaign_id": campaign_id})
    return True


def _drift(campaign: Mapping[str, Any], found: Counts, audience_hash: str) -> dict[str, Any] | None:
    """What is otherwise than in the dry run: its audience by now, and whatever the launch accepted."""
    looked_at = campaign["dry_run"]
    if looked_at is None or looked_at["parts"]["audience"] == audience_hash:
        return None
    changed = {"audience", *((campaign["drift"] or {}).get("changed", ()))}
    return {"expected": looked_at["audience"], "found": found.as_json(), "changed": sorted(changed)}


def _give_up(tx: Tx, campaign_id: UUID, reason: str) -> None:
    queries.write(tx, campaign_id, {"status": "canceled", "status_reason": reason[:500], "finished_at": tx.now})
    effects.audit(tx, "campaign.canceled", "campaign", campaign_id, {"status": "canceled", "reason": reason[:500]})
