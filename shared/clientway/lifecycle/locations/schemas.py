"""What goes into and comes out of the endpoints of locations."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Cents, Currency, Email, Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

Status = Literal["active", "closed"]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Word = Annotated[Trimmed, StringConstraints(max_length=100)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
PRIMARY = "The first location becomes primary; true takes it over from another. Exactly one is."


class _Details(Schema):
    address_line1: ShortText | None = None
    city: Word | None = None
    state: Word | None = Field(None, description="In the US the two-letter code; a state's name is turned into it.")
    zip: Word | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    phone: ShortText | None = Field(None, description="Kept as written; matched and searched in E.164.")
    email: Email | None = None
    website_url: ShortText | None = None
    cuisine_primary: Word | None = None
    service_style: Word | None = None
    menu_complexity: Word | None = None
    pos_system: Word | None = None
    pos_account_id: Word | None = None
    seating_capacity: Count | None = None
    employee_count: Count | None = None
    estimated_annual_revenue_cents: Cents | None = None
    avg_check_size_cents: Cents | None = None


class LocationCreate(_Details):
    """An address of an organization."""

    name: ShortText
    country: Country = "US"
    currency: Currency | None = Field(None, description="The tenant's, when left out.")
    status: Status = "active"
    is_primary: bool = Field(default=False, description=PRIMARY)


class LocationPatch(_Details, Patch):
    """Change a location: what is sent is replaced, null clears."""

    REQUIRED: ClassVar = frozenset({"country", "currency", "is_primary", "name", "status"})

    name: ShortText | None = None
    country: Country | None = None
    currency: Currency | None = None
    status: Status | None = None
    is_primary: bool | None = Field(None, description=PRIMARY)


class Location(Schema):
    """A location with what is known of it."""

    id: Id
    organization_id: Id
    name: str
    slug: str
    address_line1: str | None
    city: str | None
    state: str | None
    zip: str | None
    country: str
    latitude: float | None
    longitude: float | None
    phone: str | None
    phone_e164: str | None
    email: str | None
    website_url: str | None
    cuisine_primary: str | None
    service_style: str | None
    menu_complexity: str | None
    pos_system: str | None
    pos_account_id: str | None
    seating_capacity: int | None
    employee_count: int | None
    estimated_annual_revenue_cents: int | None
    avg_check_size_cents: int | None
    currency: Currency
    is_primary: bool
    status: Status
    last_enriched_at: Timestamp | None
    data_completeness: int
    missing_fields: list[str]
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None
