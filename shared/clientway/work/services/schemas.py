"""What goes into and comes out of the endpoints of services."""

from typing import Annotated, ClassVar

from pydantic import Field

from clientway.schemas import Cents, Currency, Id, LongText, Patch, Schema, ShortText, Timestamp, Version

Minutes = Annotated[int, Field(ge=1, le=43_200, description="How long it takes: what a job lasts unless it says so itself.")]
TaxRate = Annotated[int, Field(ge=0, le=10_000, description="In hundredths of a percent; null: the client's or the tenant's.")]


class ServiceCreate(Schema):
    """Something that is done for clients: a job of it takes its name, duration and price."""

    name: ShortText = Field(description="Unique among the services that are offered.")
    description: LongText | None = None
    duration_minutes: Minutes = 60
    price_cents: Cents = 0
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    tax_rate_bps: TaxRate | None = None


class ServicePatch(Patch):
    """Change a service; jobs and invoices that exist stay as they are."""

    REQUIRED: ClassVar = frozenset({"name", "duration_minutes", "price_cents", "currency", "active"})

    name: ShortText | None = None
    description: LongText | None = None
    duration_minutes: Minutes | None = None
    price_cents: Cents | None = None
    currency: Currency | None = None
    tax_rate_bps: TaxRate | None = None
    active: bool | None = Field(None, description="Whether it is offered: false is what DELETE does, true takes it back.")


class Service(Schema):
    """A service."""

    id: Id
    name: str
    description: str | None
    duration_minutes: int
    price_cents: int
    currency: Currency
    tax_rate_bps: int | None
    active: bool
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
