"""What goes over the queues between Stripe and the database, and what the endpoints of plans and subscriptions take and answer."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Currency, Id, Patch, Schema, Timestamp, Trimmed, Version

Tier = Literal["none", "core", "professional", "premium"]
PaidTier = Literal["core", "professional", "premium"]
SubscriptionStatus = Literal["trialing", "active", "past_due", "incomplete", "incomplete_expired", "unpaid", "paused", "canceled"]
Kind = Literal["payment_intent", "charge", "refund", "dispute", "subscription", "account", "deauthorized"]
LookupKey = Annotated[Trimmed, StringConstraints(max_length=200)]


class Received(Schema):
    """What Stripe is answered; it looks at the status alone."""

    received: bool
    queued: bool = Field(description="False for the types of event that change nothing here.")


class Subject(Schema):
    """What is to be fetched."""

    kind: Kind
    id: str


class Event(Schema):
    """What is kept of a delivery."""

    id: str
    type: str
    created: int | None = None


class Heard(Schema):
    """The queue's message from the ingress: an event came in."""

    endpoint: str
    account_id: str | None
    event: Event
    subject: Subject


class Told(Schema):
    """The queue's message from the fetcher: what Stripe says now of what an event was about."""

    kind: Literal["event"]
    endpoint: str
    account_id: str | None
    event: Event
    subject: Subject
    state: dict[str, Any] | None
    fetched_at: Timestamp


class Failure(Schema):
    """Why a sender could not do what it was asked to."""

    code: str
    message: str
    retryable: bool = False


class Report(Schema):
    """The queue's message from a sender: what came of an outbox row."""

    kind: Literal["report"]
    tenant_id: Id
    id: str = Field(description="The outbox row's; a report of a row counts once.")
    topic: str
    payload: dict[str, Any]
    result: dict[str, Any] | None = None
    error: Failure | None = None


class PlanCreate(Schema):
    """Which support plan a price stands for."""

    lookup_key: LookupKey = Field(description="The price's lookup_key, or what its metadata has as support_plan.")
    support_plan_tier: PaidTier
    support_minutes_included: Annotated[int, Field(ge=0, le=1_000_000)] = Field(0, description="In each billing period.")


class PlanPatch(Patch):
    """Change what a price stands for; subscriptions follow soon after."""

    REQUIRED: ClassVar = frozenset({"support_plan_tier", "support_minutes_included"})

    support_plan_tier: PaidTier | None = None
    support_minutes_included: Annotated[int, Field(ge=0, le=1_000_000)] | None = None


class Plan(Schema):
    """A price and the support plan that it stands for."""

    id: Id
    lookup_key: str
    support_plan_tier: PaidTier
    support_minutes_included: int
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class Subscription(Schema):
    """A subscription as the provider last had it."""

    id: Id
    organization_id: Id
    provider: Literal["stripe"]
    provider_id: str
    status: SubscriptionStatus
    support_plan_tier: Tier
    lookup_key: str | None
    mrr_cents: int = Field(description="Per month, without recurring discounts, tax and trials.")
    currency: Currency
    current_period_start: Timestamp | None
    current_period_end: Timestamp | None
    ends_at: Timestamp | None = Field(description="Cancelled by then; until then it is what its status says.")
    ended_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
