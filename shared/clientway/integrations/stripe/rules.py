"""What a Stripe subscription means for a client account: plan, standing, monthly revenue, hours.

Source: design 3, §14. Statuses: Stripe, "How subscriptions work". Billable is active, trialing and past due.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

from clientway.lifecycle.accounts.schemas import PlanStatus, PlanTier, SubscribedPlan

STANDINGS: Final[Mapping[str, PlanStatus]] = {
    "trialing": "active", "active": "active", "past_due": "active", "unpaid": "paused", "paused": "paused",
    "incomplete": "inactive", "incomplete_expired": "inactive", "canceled": "cancelled",
}  # fmt: skip
"""Stripe's status → the support plan's."""

BILLABLE: Final = frozenset({"trialing", "active", "past_due"})
ENDED: Final = frozenset({"canceled", "incomplete_expired"})
_TIERS: Final[tuple[PlanTier, ...]] = ("none", "core", "professional", "premium")
# A standing that says more wins where an organization has several subscriptions.
_STANDING_ORDER: Final[tuple[PlanStatus, ...]] = ("inactive", "cancelled", "paused", "active")
# Months in a year over periods in a year, as fractions: no month is thirty days.
_MONTHS: Final = {"day": Fraction(365, 12), "week": Fraction(52, 12), "month": Fraction(1), "year": Fraction(1, 12)}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one subscription comes to."""

    lookup_key: str | None
    tier: PlanTier
    minutes: int
    mrr_cents: int
    unmapped: tuple[str, ...]
    """Prices that no plan is named for."""


@dataclass(frozen=True, slots=True)
class Running:
    """A subscription as far as its account depends on it."""

    provider_id: str
    status: str
    tier: PlanTier
    minutes: int
    mrr_cents: int
    period_start: datetime | None
    ends_at: datetime | None


def meaning(state: Mapping[str, Any], plans: Mapping[str, tuple[PlanTier, int]], *, now: datetime) -> Meaning:
    """Read a subscription (shapes.subscription) with the tenant's plans: lookup key → tier and minutes.

    The tier comes from a price's lookup_key or its metadata's support_plan, never from a name; of several, the highest.
    """
    keys = [(item["lookup_key"], item["support_plan"]) for item in state["items"]]
    known = [(key, plans[key]) for pair in keys for key in pair if key in plans]
    nothing: tuple[str | None, tuple[PlanTier, int]] = (None, ("none", 0))
    best = max(known, key=lambda found: (_TIERS.index(found[1][0]), found[1][1]), default=nothing)
    unmapped = tuple(sorted({str(pair[0] or pair[1] or "a price without lookup_key") for pair in keys if not set(pair) & plans.keys()}))
    key, (tier, minutes) = best
    return Meaning(key, tier, minutes, mrr_cents(state, now=now), unmapped)


def mrr_cents(state: Mapping[str, Any], *, now: datetime) -> int:
    """What a subscription brings a month, in the currency's smallest unit, half up; 0 for what is not billable or on trial.

    Σ price × quantity × periods a month − recurring discounts: percentages one after the other, then amounts, which Stripe
    takes off each invoice. Metered items count nothing: nobody knows them ahead.
    """
    if state["status"] not in BILLABLE or state["status"] == "trialing":
        return 0
    items = [item for item in state["items"] if item["interval"] in _MONTHS and not item["metered"]]
    total = sum((_monthly(item) for item in items), Fraction())
    running = [one for one in state["discounts"] if one["ends_at"] is None or datetime.fromisoformat(one["ends_at"]) > now]
    for one in running:
        if one["percent_off"] is not None:
            total *= 1 - Fraction(one["percent_off"]) / 100
    if items:
        a_month = _MONTHS[items[0]["interval"]] / items[0]["interval_count"]
        total -= sum((Fraction(one["amount_off"]) * a_month for one in running if one["amount_off"] is not None), Fraction())
    return max(0, int(total + Fraction(1, 2)))


def account_plan(subscriptions: Sequence[Running]) -> SubscribedPlan:
    """Bring an organization's subscriptions together: the best tier that runs, the money of all that are billable.

    What has ended counts only when nothing else is left.
    """
    live = [one for one in subscriptions if one.status not in ENDED]
    nothing: PlanStatus = "inactive"
    standing = max((STANDINGS[one.status] for one in live or subscriptions), key=_STANDING_ORDER.index, default=nothing)
    serving = [one for one in live if STANDINGS[one.status] == standing]
    chief = max(serving, key=lambda one: (_TIERS.index(one.tier), one.minutes, one.provider_id), default=None)
    ending = [one.ends_at for one in serving]
    return SubscribedPlan(
        tier=chief.tier if chief else "none",
        standing=standing,
        minutes=chief.minutes if chief else 0,
        mrr_cents=sum(one.mrr_cents for one in subscriptions if one.status in BILLABLE),
        provider_id=chief.provider_id if chief else None,
        period_start=chief.period_start if chief else None,
        ends_at=max((one for one in ending if one), default=None) if ending and all(ending) else None,
        ended=not live and any(one.status == "canceled" for one in subscriptions),
    )


def may_follow(before: str | None, after: str) -> bool:
    """Whether a subscription may take a status: what has ended for good is never running again."""
    return before not in ENDED or after == before


def unmapped_note(unmapped: Iterable[str]) -> str:
    """How staff are told of prices that no plan is named for."""
    return f"No support plan is named for: {', '.join(unmapped)}"


def _monthly(item: Mapping[str, Any]) -> Fraction:
    return Fraction(item["unit_amount"]) * item["quantity"] * _MONTHS[item["interval"]] / item["interval_count"]
