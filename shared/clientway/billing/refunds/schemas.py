"""What goes into and comes out of the endpoints of refunds."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Currency, Id, Schema, Timestamp, Trimmed, Version

RefundStatus = Literal["pending", "succeeded", "failed", "canceled"]
RefundReason = Annotated[Trimmed, StringConstraints(max_length=2000)]


class RefundCreate(Schema):
    """Give money back: out of credit first, then out of what paid invoices, the newest first, unless an invoice is named."""

    amount_cents: Annotated[int, Field(ge=1, le=10**15)]
    invoice_id: Id | None = Field(None, description="Out of what paid this invoice.")
    reopen: bool = Field(default=False, description="Whether the invoice asks for the money again; else it stays paid.")
    reason: RefundReason | None = None


class Refund(Schema):
    """A refund. A provider's is pending until the provider says that it went through: only then the books change."""

    id: Id
    payment_id: Id
    invoice_id: Id | None
    amount_cents: int
    currency: Currency
    status: RefundStatus
    reopen: bool
    reason: str | None
    provider: Literal["staff", "stripe"]
    provider_id: str | None
    failure: str | None
    succeeded_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
