"""What goes into and comes out of the lifecycle's endpoints."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from clientway.lifecycle.stages.rules import Stage
from clientway.schemas import Cents, Currency, Id, Schema, Timestamp, Trimmed

StageName = Annotated[Stage, Field(strict=False)]
Reason = Annotated[Trimmed, StringConstraints(max_length=2000)]


class StageChange(Schema):
    """Move an organization by hand."""

    stage: StageName
    reason: Reason | None = Field(None, description="Required for every move that does not climb the ladder.")


class OrganizationStage(Schema):
    """Where an organization stands after a move."""

    organization_id: Id
    stage: StageName
    previous_stage: StageName
    changed_at: Timestamp


class Transition(Schema):
    """One link of an organization's chain of stages."""

    id: Id
    sequence: int = Field(description="1 for the first move; without gaps.")
    from_stage: StageName
    to_stage: StageName
    trigger: str
    automatic: bool
    reason: str | None
    actor_type: str
    actor_id: Id | None
    changed_at: Timestamp
    seconds_in_stage: int = Field(description="Seconds spent in from_stage.")


class Conversion(Schema):
    """Make an organization a client; what is left out keeps its default."""

    support_plan_tier: Annotated[str, StringConstraints(pattern="^(none|core|professional|premium)$")] = "none"
    support_minutes_included: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    mrr_cents: Cents = 0
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    client_since: Timestamp | None = Field(None, description="Now, when left out; not in the future.")
    reason: Reason | None = None


@dataclass(frozen=True)
class Rung:
    """Where a locked organization stands, and since when."""

    organization_id: UUID
    stage: Stage
    sequence: int
    changed_at: datetime
