"""What goes into and comes out of the endpoint of billing settings."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.billing.invoices.schemas import Bps, TermsDays
from clientway.schemas import Patch, Schema, Text, Trimmed, Version

InvoicePrefix = Annotated[Text, StringConstraints(pattern=r"^[A-Za-z0-9/_-]{0,20}$")]
TaxLabel = Annotated[Trimmed, StringConstraints(max_length=60)]
InvoiceFooter = Annotated[Text, StringConstraints(max_length=2000)]


class BillingSettings(Schema):
    """How the tenant bills."""

    invoice_prefix: str
    next_number: int = Field(description="What the next invoice that opens is numbered.")
    terms_days: int
    tax_rate_bps: int
    tax_label: str
    footer: str | None
    version: Version


class BillingSettingsPatch(Patch):
    """Change how the tenant bills. What is open already stays as it is."""

    REQUIRED: ClassVar = frozenset({"invoice_prefix", "next_number", "terms_days", "tax_rate_bps", "tax_label"})

    invoice_prefix: InvoicePrefix | None = Field(None, description="Stands before the number of an invoice.")
    next_number: Annotated[int, Field(ge=1, le=10**12)] | None = Field(
        None, description="To go on from another system: as long as no invoice has a number here."
    )
    terms_days: TermsDays | None = Field(None, description="Days from opening until an invoice is due.")
    tax_rate_bps: Bps | None = Field(None, description="Where neither line, service nor client say otherwise.")
    tax_label: TaxLabel | None = None
    footer: InvoiceFooter | None = None
