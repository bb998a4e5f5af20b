"""What goes into and comes out of the endpoints of payments."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.lifecycle.payments.rules import PaymentStatus
from clientway.schemas import Currency, Day, Id, Patch, Schema, Timestamp, Trimmed, Version

Note = Annotated[Trimmed, StringConstraints(max_length=2000)]


class PaymentCreate(Schema):
    """Money that is due from an organization or came in from it, as staff record it."""

    amount_cents: Annotated[int, Field(ge=1, le=10**15)]
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    status: Literal["due", "paid"]
    due_on: Day | None = Field(None, description="Needed for what is due; for what was paid, it tells whether that was on time.")
    paid_at: Timestamp | None = Field(None, description="Now, when left out for what was paid; not in the future.")
    note: Note | None = None


class PaymentPatch(Patch):
    """Change a payment. Its amount stays: void it and record another. A dispute is opened and closed by its times."""

    REQUIRED: ClassVar = frozenset({"status"})

    status: PaymentStatus | None = None
    due_on: Day | None = None
    paid_at: Timestamp | None = None
    disputed_at: Timestamp | None = None
    dispute_closed_at: Timestamp | None = None
    note: Note | None = None


class Payment(Schema):
    """A payment."""

    id: Id
    organization_id: Id
    amount_cents: int
    currency: Currency
    status: PaymentStatus
    due_on: Day | None
    paid_at: Timestamp | None
    disputed_at: Timestamp | None
    dispute_closed_at: Timestamp | None
    note: str | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class PaymentWithOrganization(Payment):
    """A payment with the organization it is from."""

    organization: RecordOrganization
