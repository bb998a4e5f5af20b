"""What goes into and comes out of the endpoint of credit notes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from clientway.billing.invoices.rules import MOST_CENTS
from clientway.schemas import Currency, Id, Schema, Timestamp, Trimmed

CreditReason = Annotated[Trimmed, StringConstraints(max_length=2000)]


class CreditNoteCreate(Schema):
    """What nobody is to pay of an invoice any more."""

    amount_cents: Annotated[int, Field(ge=1, le=MOST_CENTS)] = Field(description="At most what is owed.")
    reason: CreditReason


class CreditNote(Schema):
    """A credit note; it stays as it is."""

    id: Id
    invoice_id: Id
    amount_cents: int
    currency: Currency
    reason: str
    created_by: Id | None = Field(description="The user who made it; null for an API key.")
    created_at: Timestamp
