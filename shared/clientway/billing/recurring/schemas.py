"""What goes into and comes out of the endpoints of recurring invoices."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from clientway.billing.invoices.rules import InvoiceStatus
from clientway.billing.invoices.schemas import Bps, LineText, Quantity, TermsDays, UnitPrice
from clientway.schemas import Currency, Day, Id, LongText, Patch, Schema, ShortText, Timestamp, Version
from clientway.work.jobs.schemas import StatusReason, TimeZone
from clientway.work.series.schemas import Rrule

RecurringStatus = Literal["active", "paused", "ended"]
_STARTS = "From when the rule counts. Nothing is billed for the past: the first invoice is of today or later."
_ZONE = "Whose calendar the days are of; the tenant's, when left out."
_OPEN = "Number and send each invoice as it is made; otherwise it waits as a draft."


class RecurringLine(Schema):
    """What is charged for each time. A service gives description, price and tax rate of the day where they are left out."""

    description: LineText | None = Field(None, description="The service's name, when left out.")
    service_id: Id | None = Field(None, description="A service of the tenant.")
    quantity: Quantity = Field(1, description="At most three decimals: 1.5 hours.")
    unit_price_cents: UnitPrice | None = Field(None, description="The service's, when left out.")
    discount_bps: Bps = 0
    tax_rate_bps: Bps | None = Field(None, description="The service's, else the client's, else the billing settings', when left out.")


RecurringLines = Annotated[list[RecurringLine], Field(min_length=1, max_length=100)]


class RecurringInvoiceCreate(Schema):
    """An invoice to a client that repeats."""

    contact_id: Id
    name: ShortText = Field(description="What staff know it by.")
    lines: RecurringLines
    discount_bps: Bps = Field(0, description="Off the whole, before tax.")
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    notes: LongText | None = Field(None, description="Printed on each invoice: the client sees them.")
    terms_days: TermsDays | None = Field(None, description="Days until each is due; the billing settings', when left out.")
    auto_open: bool = Field(default=True, description=_OPEN)
    rrule: Rrule
    starts_on: Day = Field(description=_STARTS)
    time_zone: TimeZone | None = Field(None, description=_ZONE)


class RecurringInvoicePatch(Patch):
    """Change what the invoices to come are like; pause, resume or end them. What fell due during a pause is not billed."""

    REQUIRED: ClassVar = frozenset({"name", "lines", "discount_bps", "auto_open", "rrule", "starts_on", "time_zone", "status"})

    name: ShortText | None = None
    lines: RecurringLines | None = None
    discount_bps: Bps | None = None
    notes: LongText | None = None
    terms_days: TermsDays | None = None
    auto_open: bool | None = Field(None, description=_OPEN)
    rrule: Rrule | None = None
    starts_on: Day | None = Field(None, description=_STARTS)
    time_zone: TimeZone | None = Field(None, description=_ZONE)
    status: RecurringStatus | None = Field(None, description="active ↔ paused; ended is for good.")
    status_reason: StatusReason | None = Field(None, description="Why it is paused or ended.")


class IssuedInvoice(Schema):
    """An invoice that was made of a recurring one."""

    id: Id
    recurring_on: Day
    number_text: str | None
    status: InvoiceStatus
    total_cents: int
    balance_cents: int


class RecurringInvoice(Schema):
    """An invoice that repeats."""

    id: Id
    organization_id: Id
    contact_id: Id
    name: str
    lines: list[RecurringLine]
    discount_bps: int
    currency: Currency
    notes: str | None
    terms_days: int | None
    auto_open: bool
    rrule: str
    starts_on: Day
    time_zone: str
    next_on: Day | None = Field(description="When the next invoice is made; null once there will be none.")
    issued_count: int
    status: RecurringStatus
    status_reason: str | None = Field(description="Why it is paused or ended; Clientway gives one when it stops it by itself.")
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class RecurringInvoiceWithInvoices(RecurringInvoice):
    """A recurring invoice with the last invoices made of it."""

    invoices: list[IssuedInvoice]
