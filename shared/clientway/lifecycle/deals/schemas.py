"""What goes into and comes out of the endpoints of deals."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.lifecycle.deals.rules import DealStage, DealStatus
from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.schemas import Cents, Currency, Day, Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

LostReason = Annotated[Trimmed, StringConstraints(max_length=2000)]
Percent = Annotated[int, Field(ge=0, le=100, description="How likely it is, in percent; by default what its stage says.")]


class DealCreate(Schema):
    """Expected revenue from an organization. An open deal makes it an opportunity."""

    name: ShortText
    stage: DealStage = "qualification"
    amount_cents: Cents = 0
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    probability: Percent | None = None
    expected_close_on: Day | None = None
    contact_id: Id | None = Field(None, description="Whom it is negotiated with: a contact of this organization.")
    owner_rep_id: Id | None = Field(None, description="An active rep of this tenant.")


class DealPatch(Patch):
    """Change a deal: move it on, win it, lose it (with a reason), open it again."""

    REQUIRED: ClassVar = frozenset({"name", "stage", "status", "amount_cents", "currency", "probability"})

    name: ShortText | None = None
    stage: DealStage | None = None
    status: DealStatus | None = None
    amount_cents: Cents | None = None
    currency: Currency | None = None
    probability: Percent | None = None
    expected_close_on: Day | None = None
    lost_reason: LostReason | None = None
    contact_id: Id | None = None
    owner_rep_id: Id | None = None


class Deal(Schema):
    """A deal."""

    id: Id
    organization_id: Id
    contact_id: Id | None
    name: str
    stage: DealStage
    status: DealStatus
    amount_cents: int
    currency: Currency
    probability: int
    expected_close_on: Day | None
    closed_at: Timestamp | None
    lost_reason: str | None
    owner_rep_id: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class DealWithOrganization(Deal):
    """A deal with the organization it is with."""

    organization: RecordOrganization
