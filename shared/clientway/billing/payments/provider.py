"""What a payment provider's verified events say of money, and what the books make of it.

Each function may be called any number of times and in any order: the same news counts once, and older news than what is
known changes nothing. It locks the organization, its invoices and the payment, in this order.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Outcome = Literal["applied", "unchanged", "unknown_object"]
"""unknown_object: of a payment or a client not heard of yet; fetch that first, or there is none."""

PaymentStatus = Literal["pending", "succeeded", "failed", "canceled"]
RefundStatus = Literal["pending", "succeeded", "failed", "canceled"]
DisputeStatus = Literal["open", "won", "lost"]
Method = Literal["card", "bank_transfer", "cash", "check", "other"]
Provider = Literal["stripe"]


@dataclass(frozen=True)
class ProviderPayment:
    """A payment as the provider has it now; `invoice_id` and the others are ours, from its metadata."""

    provider: Provider
    provider_id: str
    status: PaymentStatus
    method: Method
    amount_cents: int
    currency: str
    at: datetime
    """When it took this status."""
    invoice_id: UUID | None = None
    organization_id: UUID | None = None
    contact_id: UUID | None = None
    failure: str | None = None


@dataclass(frozen=True)
class ProviderRefund:
    """A refund as the provider has it now; `refund_id` is ours when we asked for it, `provider_id` None when it refused at once."""

    provider: Provider
    provider_id: str | None
    payment_provider_id: str
    refund_id: UUID | None
    amount_cents: int
    currency: str
    status: RefundStatus
    at: datetime
    failure: str | None = None


@dataclass(frozen=True)
class ProviderDispute:
    """A dispute as the provider has it now."""

    provider: Provider
    provider_id: str
    payment_provider_id: str
    amount_cents: int
    currency: str
    status: DisputeStatus
    reason: str | None
    opened_at: datetime
    closed_at: datetime | None = None
