"""Subscriptions as Stripe has them, and what they make of their organization's account and stage."""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.billing.gateway import gateway
from clientway.db import Tx
from clientway.integrations.stripe import queries, rules
from clientway.integrations.stripe.schemas import Subscription
from clientway.lifecycle.accounts import service as accounts
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.rules import Stage
from clientway.paging import Request

logger = logging.getLogger(__name__)


def find(tx: Tx, request: Request, *, organization_id: UUID | None, status: str | None) -> Any:
    """A page of the tenant's subscriptions."""
    return queries.subscriptions(tx, request, Subscription, organization_id=organization_id, status=status)


def reread(tx: Tx) -> None:
    """Have all subscriptions told anew: what they mean has changed, or nobody has heard of them yet."""
    found = gateway(tx)
    if found is not None:
        queries.forget_subscriptions(tx)
        effects.publish(tx, "stripe.subscriptions.read", {"gateway": found.as_json()})


def apply(tx: Tx, state: dict[str, Any]) -> str:
    """Write a subscription's whole state (shapes.subscription) and let account and stage follow.

    Returns what came of it: `applied`, `unchanged` or `unknown_object`, when nobody of this tenant subscribes by it.
    """
    standing = queries.lock_subscriber(tx, state["id"], state["customer"], state["metadata"].get("clientway_organization"))
    if standing is None:
        return "unknown_object"
    if not rules.may_follow(standing.status, state["status"]):
        return "unchanged"
    meant = rules.meaning(state, standing.plans, now=tx.now)
    row = {
        "provider_id": state["id"], "provider_customer_id": state["customer"], "status": state["status"], "currency": state["currency"],
        "support_plan_tier": meant.tier, "lookup_key": meant.lookup_key, "mrr_cents": meant.mrr_cents,
        "current_period_start": state["period_start"], "current_period_end": state["period_end"],
        "ends_at": state["ends_at"], "ended_at": state["ended_at"],
    }  # fmt: skip
    queries.keep_subscription(tx, standing.organization_id, row)
    plan = rules.account_plan([*standing.others, _running(state, meant)])
    # Who pays each month is a client, whether or not the first payment has been heard of yet.
    if plan.standing == "active" and not standing.has_account:
        stages.place(tx, {standing.organization_id: Stage.CLIENT}, trigger="subscription_active", reasons={})
    accounts.follow_subscriptions(tx, standing.organization_id, plan)
    _tell(tx, standing, state, meant)
    stages.reconsider(tx, [standing.organization_id], event_key=f"subscription:{state['id']}:{state['status']}")
    return "applied"


def _running(state: dict[str, Any], meant: rules.Meaning) -> rules.Running:
    return rules.Running(
        provider_id=state["id"], status=state["status"], tier=meant.tier, minutes=meant.minutes, mrr_cents=meant.mrr_cents,
        period_start=_time(state["period_start"]), ends_at=_time(state["ends_at"]),
    )  # fmt: skip


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _tell(tx: Tx, standing: queries.Subscriber, state: dict[str, Any], meant: rules.Meaning) -> None:
    facts = {
        "subscription": state["id"], "status": state["status"], "support_plan_tier": meant.tier, "mrr_cents": meant.mrr_cents,
        "currency": state["currency"],
    }  # fmt: skip
    if standing.status != state["status"] or standing.tier != meant.tier:
        title = f"Subscription {state['status'].replace('_', ' ')}: {meant.tier} plan"
        effects.record(tx, "subscription_changed", title, organization_id=standing.organization_id, metadata=facts, machine=True)
        effects.publish(tx, "subscription.changed", {"organization_id": standing.organization_id, **facts})
    if meant.unmapped and standing.status is None:
        # An alert, not a refusal: what was paid for is known to staff only.
        logger.warning("stripe price without a support plan", extra={"subscription": state["id"], "prices": list(meant.unmapped)})
        note = rules.unmapped_note(meant.unmapped)
        effects.record(tx, "note_added", note, organization_id=standing.organization_id, metadata=facts, machine=True)
    effects.audit(tx, "subscription.applied", "subscription", None, facts)
