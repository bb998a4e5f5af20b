"""What goes into and comes out of the endpoints of invoices."""

from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, StringConstraints

from clientway.billing.invoices.rules import InvoiceStatus, PageStatus, PaymentState
from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.schemas import Currency, Day, Id, LongText, Patch, Schema, Timestamp, Trimmed, Version


def _in_thousandths(value: float) -> float:
    # The shortest way to write a float is how it was written: JSON's 0.1 is a tenth here, exactly.
    if Decimal(repr(value)) * 1000 % 1:
        message = "has more than three decimals"
        raise ValueError(message)
    return value


Bps = Annotated[int, Field(ge=0, le=10_000)]
TermsDays = Annotated[int, Field(ge=0, le=365)]
Quantity = Annotated[float, Field(ge=0.001, le=1_000_000), AfterValidator(_in_thousandths)]
LineText = Annotated[Trimmed, StringConstraints(max_length=2000)]
UnitPrice = Annotated[int, Field(ge=-(10**12), le=10**12)]


class InvoiceLineInput(Schema):
    """What is charged for. A service gives description, price and tax rate where they are left out."""

    description: LineText | None = Field(None, description="The service's name, when left out.")
    service_id: Id | None = Field(None, description="A service of the tenant.")
    job_id: Id | None = Field(None, description="A job of the same client that this is for.")
    quantity: Quantity = Field(1, description="At most three decimals: 1.5 hours.")
    unit_price_cents: UnitPrice | None = Field(None, description="The service's, when left out. Below zero it takes something off.")
    discount_bps: Bps = 0
    tax_rate_bps: Bps | None = Field(None, description="The service's, else the client's, else the billing settings', when left out.")


class InvoiceCreate(Schema):
    """An invoice to a client, as a draft or open at once. Without lines it is for the job that it names."""

    contact_id: Id | None = Field(None, description="Whom it is for; the job's client, when left out.")
    job_id: Id | None = Field(None, description="What it is for.")
    quote_id: Id | None = Field(None, description="The client's quote that it bills: deposits on it, and on others of its deal, pay it.")
    lines: list[InvoiceLineInput] = Field(default=[], max_length=200)
    discount_bps: Bps = Field(0, description="Off the whole, before tax.")
    currency: Currency | None = Field(None, description="The job's, else the tenant's, when left out.")
    due_on: Day | None = Field(None, description="Or terms_days: counted from the day it opens.")
    terms_days: TermsDays | None = Field(None, description="The billing settings', when left out.")
    notes: LongText | None = Field(None, description="Printed on it: the client sees them.")
    open: bool = Field(default=False, description="Number it and send it out at once.")


class InvoicePatch(Patch):
    """Change a draft; of one that is open, its due date and notes alone. `lines` replaces all of them."""

    REQUIRED: ClassVar = frozenset({"lines", "discount_bps", "currency"})

    lines: list[InvoiceLineInput] | None = Field(None, max_length=200)
    quote_id: Id | None = None
    discount_bps: Bps | None = None
    currency: Currency | None = None
    due_on: Day | None = Field(None, description="Of an open invoice it moves the reminders too.")
    terms_days: TermsDays | None = None
    notes: LongText | None = None


class InvoiceContact(Schema):
    """Whom an invoice is for."""

    id: Id
    first_name: str | None
    last_name: str | None


class InvoiceLine(Schema):
    """A line of an invoice."""

    id: Id
    position: int
    description: str
    service_id: Id | None
    job_id: Id | None
    quantity: float
    unit_price_cents: int
    discount_bps: int
    tax_rate_bps: int
    amount_cents: int = Field(description="Quantity times price less the line's discount; before the invoice's discount and tax.")
    tax_cents: int


class Invoice(Schema):
    """An invoice as lists show it."""

    id: Id
    organization_id: Id = Field(description="Whose account it is on: the client's own, or the company's they belong to.")
    contact_id: Id | None
    job_id: Id | None
    quote_id: Id | None
    recurring_invoice_id: Id | None
    number: int | None = Field(description="Without gaps within the tenant; given when it opens.")
    number_text: str | None = Field(description="The number with the tenant's prefix.")
    status: InvoiceStatus
    payment_state: PaymentState
    overdue: bool = Field(description="Open and past its due date in the tenant's time zone.")
    currency: Currency
    subtotal_cents: int
    discount_bps: int
    discount_cents: int
    tax_cents: int
    total_cents: int
    credited_cents: int = Field(description="Taken off by credit notes.")
    allocated_cents: int = Field(description="Paid.")
    refunded_cents: int = Field(description="Given back of what was paid.")
    lost_cents: int = Field(description="Lost to disputes of what was paid.")
    reopened_cents: int = Field(description="Of what was given back or lost, what is owed again.")
    balance_cents: int = Field(description="total - credited - allocated + reopened: what is owed; 0 once void.")
    open_disputes: int
    issued_on: Day | None
    due_on: Day | None
    terms_days: int | None
    opened_at: Timestamp | None
    paid_at: Timestamp | None = Field(description="When the money came in that settled it.")
    voided_at: Timestamp | None
    uncollectible_at: Timestamp | None
    notes: str | None
    payment_url: str | None = Field(description="Where the client can pay what is owed; null while there is no such page.")
    payment_page_status: PageStatus = Field(description="none: no payment provider is connected.")
    payment_page_error: str | None
    organization: RecordOrganization
    contact: InvoiceContact | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class InvoiceWithLines(Invoice):
    """An invoice with its lines."""

    lines: list[InvoiceLine]
