"""What goes into and comes out of the endpoints of client accounts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from clientway.schemas import Cents, Currency, Day, Id, Patch, Schema, Timestamp, Version

AccountStatus = Literal["active", "paused", "cancelled", "churned"]
PlanTier = Literal["none", "core", "professional", "premium"]
PlanStatus = Literal["inactive", "active", "paused", "cancelled"]
Risk = Literal["low", "medium", "high", "critical"]
Trend = Literal["improving", "stable", "declining"]
Minutes = Annotated[int, Field(ge=0, le=10_000_000)]


class AccountOrganization(Schema):
    """The organization behind an account."""

    id: Id
    name: str
    slug: str
    lifecycle_stage: str


class AccountRep(Schema):
    """The rep who looks after an account."""

    id: Id
    slug: str
    name: str


class AccountHealth(Schema):
    """The score in short; /health explains it."""

    score: int
    trend: Trend
    churn_risk: Risk
    confidence: float
    computed_at: Timestamp | None


class ClientAccount(Schema):
    """The commercial relation with an organization that pays."""

    id: Id
    organization: AccountOrganization
    status: AccountStatus
    client_since: Timestamp
    support_plan_tier: PlanTier
    support_plan_status: PlanStatus
    support_plan_started_at: Timestamp | None
    support_minutes_included: int
    support_minutes_used: int
    mrr_cents: int
    total_revenue_cents: int
    currency: str
    stripe_subscription_id: str | None
    nps_score: int | None
    health: AccountHealth
    last_activity_at: Timestamp | None
    last_support_ticket_at: Timestamp | None
    assigned_rep: AccountRep | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class ClientAccountPatch(Patch):
    """Change an account: what is sent is replaced."""

    REQUIRED: ClassVar = frozenset(
        {"currency", "mrr_cents", "status", "support_minutes_included", "support_minutes_used", "support_plan_status", "support_plan_tier"}
    )

    status: Literal["active", "paused", "cancelled"] | None = Field(None, description="cancelled ends it: the organization churns.")
    support_plan_tier: PlanTier | None = None
    support_plan_status: PlanStatus | None = None
    support_minutes_included: Minutes | None = None
    support_minutes_used: Minutes | None = None
    mrr_cents: Cents | None = None
    currency: Currency | None = None
    nps_score: Annotated[int, Field(ge=-100, le=100)] | None = Field(None, description="Of the account as a whole; null clears.")
    assigned_rep_id: Id | None = Field(None, description="An active rep; null unassigns.")


class HealthComponent(Schema):
    """One of the five parts of the score."""

    name: str
    points: float | None = Field(description="0 to 100; null without data, and then it does not count.")
    weight: float
    contribution: float = Field(description="What it adds to the score; contributions and adjustments sum to the score.")
    inputs: dict[str, Any]
    reason: str
    recommendation: str


class HealthAdjustment(Schema):
    """A step between the sum of the contributions and the score."""

    name: str
    points: float
    reason: str


class AccountHealthReport(Schema):
    """A health score that explains itself."""

    client_account_id: Id
    as_of: Day
    score: int
    churn_risk: Risk
    trend: Trend
    confidence: float = Field(description="Weight of the components that have data, 0 to 1.")
    insufficient_data: bool
    capped_by: str | None
    components: list[HealthComponent]
    adjustments: list[HealthAdjustment]
    formula_version: str


class PaymentSummary(Schema):
    """What was paid and what is open."""

    paid_cents: int
    paid_count: int
    due_cents: int
    overdue_cents: int
    last_paid_at: Timestamp | None
    next_due_on: Day | None
    open_disputes: int


class Billing(Schema):
    """Plan, hours and money of an account."""

    client_account_id: Id
    support_plan_tier: PlanTier
    support_plan_status: PlanStatus
    support_plan_started_at: Timestamp | None
    support_minutes_included: int
    support_minutes_used: int
    support_minutes_left: int
    mrr_cents: int
    total_revenue_cents: int
    currency: str
    stripe_customer_id: str | None
    stripe_subscription_id: str | None
    payments: PaymentSummary


@dataclass(frozen=True, kw_only=True)
class SubscribedPlan:
    """What all of an organization's subscriptions make of its account."""

    tier: PlanTier
    standing: PlanStatus
    minutes: int
    mrr_cents: int
    provider_id: str | None
    period_start: datetime | None
    ends_at: datetime | None
    ended: bool
    """The last one is over."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a caller asked of the list."""

    status: str | None = None
    tier: str | None = None
    risk: str | None = None
    rep: str | None = None
    updated_since: datetime | None = None
