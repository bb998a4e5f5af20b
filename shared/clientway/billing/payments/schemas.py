"""What goes into and comes out of the endpoints of payments."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.billing.disputes.schemas import Dispute
from clientway.billing.refunds.schemas import Refund
from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.schemas import Currency, Id, Patch, Schema, Text, Timestamp, Version

PaymentStatus = Literal["pending", "succeeded", "failed", "canceled"]
PaymentMethod = Literal["card", "bank_transfer", "cash", "check", "other"]
PaymentState = Literal[
    "pending", "failed", "canceled", "unapplied", "partially_applied", "applied", "partially_refunded", "refunded", "disputed"
]
MoneyProvider = Literal["staff", "stripe"]
PositiveCents = Annotated[int, Field(ge=1, le=10**15)]
PaymentNote = Annotated[Text, StringConstraints(max_length=2000)]


_DEPOSIT = (
    "A deposit on this quote. It pays the next invoice that names a quote of its deal, or one that names none while the client "
    "has deposits on no other deal; never a recurring one, and nothing once the deal is lost."
)


class AllocationCreate(Schema):
    """What of a payment pays an invoice."""

    invoice_id: Id = Field(description="An invoice of the same client in the same currency.")
    amount_cents: PositiveCents | None = Field(None, description="As much as is there and is owed, when left out.")


class PaymentAllocation(Schema):
    """What a new payment is to pay."""

    invoice_id: Id
    amount_cents: PositiveCents


class OrganizationPaymentCreate(Schema):
    """Money that came in. What pays no invoice is the client's credit; name one of invoice_id, allocations and quote_id, or none."""

    amount_cents: PositiveCents
    currency: Currency | None = Field(None, description="The invoices', else the tenant's, when left out.")
    method: PaymentMethod = "other"
    captured_at: Timestamp | None = Field(None, description="When it came in: now, when left out; not in the future.")
    contact_id: Id | None = Field(
        None, description="Who paid: a contact of this client; the invoices', else the primary one, when left out."
    )
    invoice_id: Id | None = Field(None, description="Pays this invoice, up to what is owed.")
    allocations: list[PaymentAllocation] = Field(default=[], max_length=50, description="Pays these invoices, each up to what is owed.")
    quote_id: Id | None = Field(None, description=_DEPOSIT)
    note: PaymentNote | None = None


class PaymentCreate(OrganizationPaymentCreate):
    """Money that came in from whoever a contact, an invoice or a quote names."""


class PaymentPatch(Patch):
    """Change what is noted of a payment; money itself is refunded, never changed."""

    note: PaymentNote | None = None


class Allocation(Schema):
    """What of a payment pays an invoice, and what of that was given back, lost, or is asked for again."""

    id: Id
    payment_id: Id
    invoice_id: Id
    amount_cents: int
    refunded_cents: int
    lost_cents: int
    reopened_cents: int
    released_at: Timestamp | None
    created_at: Timestamp


class Payment(Schema):
    """A payment."""

    id: Id
    organization_id: Id
    contact_id: Id | None
    amount_cents: int
    currency: Currency
    status: PaymentStatus
    payment_state: PaymentState
    method: PaymentMethod
    provider: MoneyProvider
    provider_id: str | None
    quote_id: Id | None
    settles_elsewhere: bool = Field(
        description="What it pays stands at the provider: a period of a subscription, an invoice of its own. It is no credit here."
    )
    captured_at: Timestamp | None
    failed_at: Timestamp | None
    failure: str | None
    allocated_cents: int = Field(description="What of it pays invoices.")
    unapplied_cents: int = Field(description="What of it is the client's credit.")
    refunded_cents: int
    refunding_cents: int = Field(description="What is on its way back.")
    lost_cents: int = Field(description="What lost disputes took.")
    open_disputes: int
    note: str | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class PaymentWithOrganization(Payment):
    """A payment with the organization it is from."""

    organization: RecordOrganization


class PaymentDetail(Payment):
    """A payment with all that became of it."""

    allocations: list[Allocation]
    refunds: list[Refund]
    disputes: list[Dispute]
