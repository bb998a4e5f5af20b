"""What goes into and comes out of the endpoints of quotes."""

from typing import ClassVar

from pydantic import Field

from clientway.lifecycle.quotes.rules import QuoteStatus
from clientway.schemas import Cents, Currency, Day, Id, Patch, Schema, ShortText, Timestamp, Version


class QuoteCreate(Schema):
    """A price for a deal, as a draft."""

    title: ShortText
    amount_cents: Cents
    currency: Currency | None = Field(None, description="The deal's, when left out.")
    valid_until: Day | None = Field(None, description="The last day on which it can be accepted; not in the past.")


class QuotePatch(Patch):
    """Change a draft, or record that the quote was sent, seen, accepted or declined. What was sent stays as it is."""

    REQUIRED: ClassVar = frozenset({"title", "amount_cents", "currency", "status"})

    title: ShortText | None = None
    amount_cents: Cents | None = None
    currency: Currency | None = None
    valid_until: Day | None = None
    status: QuoteStatus | None = None


class Quote(Schema):
    """A quote."""

    id: Id
    deal_id: Id
    organization_id: Id
    title: str
    amount_cents: int
    currency: Currency
    status: QuoteStatus
    valid_until: Day | None
    sent_at: Timestamp | None
    viewed_at: Timestamp | None
    accepted_at: Timestamp | None
    declined_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
