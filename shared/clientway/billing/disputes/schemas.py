"""What goes into and comes out of the endpoints of disputes."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.schemas import Currency, Id, Patch, Schema, Timestamp, Trimmed, Version

DisputeStatus = Literal["open", "won", "lost"]


class DisputeCreate(Schema):
    """A client disputes a payment that staff recorded (a bounced check, a bank's recall)."""

    amount_cents: Annotated[int, Field(ge=1, le=10**15)] | None = Field(None, description="All that is left of it, when left out.")
    reason: Annotated[Trimmed, StringConstraints(max_length=200)] | None = None
    opened_at: Timestamp | None = Field(None, description="Now, when left out; not in the future.")


class DisputePatch(Patch):
    """Close a dispute. One that is lost takes its money out of the books, and its invoices ask for it again."""

    REQUIRED: ClassVar = frozenset({"status"})

    status: Literal["won", "lost"] | None = None


class Dispute(Schema):
    """A dispute."""

    id: Id
    organization_id: Id
    payment_id: Id
    amount_cents: int
    currency: Currency
    status: DisputeStatus
    lost_cents: int = Field(description="What it took once lost: no more than was there.")
    reason: str | None
    provider: Literal["staff", "stripe"]
    provider_id: str | None
    opened_at: Timestamp
    closed_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class DisputeWithOrganization(Dispute):
    """A dispute with the organization it is of."""

    organization: RecordOrganization
