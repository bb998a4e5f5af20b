"""What comes out of the endpoint of a client's ledger."""

from typing import Literal

from pydantic import Field

from clientway.schemas import Currency, Id, Page, Schema, Timestamp


class LedgerEntry(Schema):
    """A line of the ledger, with what the client was worth after it."""

    id: Id
    kind: Literal["payment", "release", "refund", "dispute_lost", "contact_moved"]
    amount_cents: int = Field(description="Without tax; negative when money went back.")
    running_cents: int = Field(description="In this currency.")
    currency: Currency
    payment_id: Id | None
    invoice_id: Id | None
    occurred_at: Timestamp


class LedgerCheck(Schema):
    """The client's lifetime value as kept, as the ledger's sum, and as counted anew from invoices; in the tenant's currency."""

    ltv_cents: int
    ledger_cents: int
    recounted_cents: int
    agrees: bool


class ClientLedger(Page[LedgerEntry]):
    """A page of a client's ledger."""

    verification: LedgerCheck | None = Field(description="When asked for.")
