"""Launching a campaign, and what is done to one that is on its way."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from clientway import access, effects, wake
from clientway.db import Tx
from clientway.errors import Conflict
from clientway.messaging.campaigns import audience, chunks, queries, rules
from clientway.messaging.campaigns.audience import Counts
from clientway.messaging.campaigns.rules import LARGEST_AUDIENCE, Move
from clientway.messaging.campaigns.schemas import CampaignLaunch
from clientway.messaging.campaigns.service import check_times, held, may_send, read, refused, words

AT_ONCE: Final = 20_000
"""Sends that are canceled with the request; those beyond are canceled in the background."""


class AudienceDrifted(Conflict):
    """409: what the dry run showed is not what would be sent now; `expected`, `found` and `by_reason` say how it differs."""

    code, title = "audience_drifted", "Audience changed since the dry run"


class DryRunRequired(Conflict):
    """409: no dry run of this campaign has this hash; run it and look at it first."""

    code, title = "dry_run_required", "Dry run required"


class AudienceTooLarge(Conflict):
    """409: more recipients than one campaign takes."""

    code, title = "audience_too_large", "Audience too large"


def launch(tx: Tx, campaign_id: UUID, wanted: CampaignLaunch) -> Any:
    """Send a draft, now or at its time, to whom its dry run showed.

    Raises NotFound (404), Forbidden (403), MoveRefused, AudienceDrifted, DryRunRequired, AudienceTooLarge (409), CampaignRefused (422).
    """
    campaign = held(tx, campaign_id)
    may_send(tx, campaign)
    rules.after(campaign["status"], "launch")
    scheduled_at = wanted.scheduled_at or campaign["scheduled_at"]
    campaign |= ready({**campaign, "scheduled_at": scheduled_at}, tx.now)
    counts, audience_hash = audience.count(tx, campaign, audience.where(tx, campaign))
    within(counts)
    # As the campaign has it: a time that the launch itself names is no surprise to whoever launches.
    drift = _compared(campaign, audience.parts(campaign, audience_hash), counts, wanted)
    later = scheduled_at is not None and scheduled_at > tx.now
    changes = {
        "status": "scheduled" if later else rules.after(campaign["status"], "launch"),
        **{name: campaign[name] for name in ("subject", "body_text", "body_html")},
        "scheduled_at": scheduled_at,
        "launched_at": tx.now,
        "launched_by": tx.actor.id,
        "drift": drift,
    }
    answer = queries.update(tx, campaign_id, changes)
    told = {"status": changes["status"], "audience": counts.as_json(), "hash": wanted.dry_run_hash, "drift": drift is not None}
    effects.audit(tx, "campaign.launched", "campaign", campaign_id, told)
    if later and scheduled_at is not None:
        wake.at(tx, scheduled_at, "messages")
    else:
        effects.publish(tx, "campaign.freeze", {"campaign_id": campaign_id})
    return answer


def ready(campaign: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The words of a campaign that can be sent. Raises CampaignRefused (422) for what it lacks."""
    check_times(campaign["scheduled_at"], campaign["ends_at"], now)
    if (campaign["channel"], campaign["purpose"]) == ("email", "marketing") and not campaign["postal_address"]:
        detail = "marketing mail shows the sender's postal address: set it in the messaging settings"
        raise refused("purpose", "postal_address_missing", detail)
    return words(campaign)


def within(counts: Counts) -> None:
    """Raise AudienceTooLarge (409) for more than one campaign takes."""
    if counts.total > LARGEST_AUDIENCE:
        detail = f"The audience has {counts.total:,} contacts; {LARGEST_AUDIENCE:,} are allowed."
        raise AudienceTooLarge(detail, total=counts.total, most=LARGEST_AUDIENCE)


def pause(tx: Tx, campaign_id: UUID) -> Any:
    """Claim nothing of a campaign any more; what is with the provider already is on its way. Raises NotFound, MoveRefused."""
    return _move(tx, campaign_id, "pause", {})


def resume(tx: Tx, campaign_id: UUID) -> Any:
    """Go on with a campaign; one that was stopped for its complaints takes an admin. Raises NotFound, MoveRefused, Forbidden."""
    campaign = held(tx, campaign_id)
    if campaign["status"] == "stopped":
        access.require(tx.actor.role, "campaigns:restart", "The campaign was stopped because of complaints: only an admin may resume it.")
    if rules.settled(campaign["status"], "resume"):
        return read(tx, campaign_id)
    answer = _moved(tx, campaign, "resume", {"status_reason": None})
    # Where nothing is left to be sent, that has finished it.
    return answer if chunks.pump(tx, campaign_id) else read(tx, campaign_id)


def cancel(tx: Tx, campaign_id: UUID) -> Any:
    """End a campaign: whom it has not been sent to gets nothing. Raises NotFound, MoveRefused."""
    campaign = held(tx, campaign_id)
    if rules.settled(campaign["status"], "cancel"):
        return read(tx, campaign_id)
    rules.after(campaign["status"], "cancel")
    # First, so that the answer counts them.
    cancel_rest(tx, campaign_id)
    return _moved(tx, campaign, "cancel", {"finished_at": tx.now})


def cancel_rest(tx: Tx, campaign_id: UUID) -> int:
    """Cancel what waits of a campaign that is over, as much as one transaction may; asks to be called again for what is left."""
    count = queries.cancel_sends(tx, campaign_id, AT_ONCE)
    if count == AT_ONCE:
        effects.publish(tx, "campaign.cancel", {"campaign_id": campaign_id})
    return count


def _move(tx: Tx, campaign_id: UUID, move: Move, changes: dict[str, Any]) -> Any:
    campaign = held(tx, campaign_id)
    if rules.settled(campaign["status"], move):
        return read(tx, campaign_id)
    return _moved(tx, campaign, move, changes)


def _moved(tx: Tx, campaign: Mapping[str, Any], move: Move, changes: dict[str, Any]) -> Any:
    status = rules.after(campaign["status"], move)
    answer = queries.update(tx, campaign["id"], {"status": status, **changes})
    effects.audit(tx, f"campaign.{move}", "campaign", campaign["id"], {"status": status, "before": campaign["status"]})
    return answer


def _compared(campaign: Mapping[str, Any], parts: dict[str, str], counts: Counts, wanted: CampaignLaunch) -> dict[str, Any] | None:
    """What is otherwise than in the dry run whose hash was quoted; None when nothing is."""
    if audience.digest(parts) == wanted.dry_run_hash:
        return None
    looked_at = campaign["dry_run"]
    if looked_at is None or campaign["dry_run_hash"] != wanted.dry_run_hash:
        raise DryRunRequired("The last dry run of this campaign has another hash; run it again and look at it.")
    before = looked_at["audience"]
    changed = sorted(name for name, value in parts.items() if looked_at["parts"][name] != value)
    drift = {"expected": before, "found": counts.as_json(), "changed": changed}
    if not wanted.accept_drift:
        reasons = sorted(before["excluded"].keys() | counts.excluded.keys())
        by_reason = {one: {"expected": before["excluded"].get(one, 0), "found": counts.excluded.get(one, 0)} for one in reasons}
        detail = f"Changed since the dry run: {', '.join(changed)}. Look at a new one, or accept the changes."
        raise AudienceDrifted(detail, **drift, by_reason=by_reason)
    return drift
