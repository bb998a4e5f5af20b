"""What goes into and comes out of the endpoints of contacts' addresses."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.lifecycle.locations.schemas import Latitude, Longitude
from clientway.schemas import Id, Patch, Schema, ShortText, Text, Timestamp, Trimmed, Version

_Label = Annotated[Trimmed, StringConstraints(max_length=60)]
_City = Annotated[Trimmed, StringConstraints(max_length=200)]
_State = Annotated[Trimmed, StringConstraints(max_length=100)]
_Postal = Annotated[Trimmed, StringConstraints(max_length=20)]
_Country = Annotated[Text, StringConstraints(pattern=r"^[A-Z]{2}$")]
_DEFAULT = "Where a job is, unless it says otherwise. The first address is; exactly one is."


class _Place(Schema):
    label: _Label | None = Field(None, description="As home, or a word of your own.")
    address2: ShortText | None = None
    city: _City | None = None
    state: _State | None = Field(None, description="One of the US is kept as its two letters.")
    postal: _Postal | None = Field(None, description="In the US a ZIP code, of five digits or nine.")
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    time_zone: ShortText | None = Field(None, description="Its IANA name.")


class AddressInput(_Place):
    """An address of somebody."""

    address1: ShortText
    country: _Country = "US"
    is_default: bool = Field(default=False, description=_DEFAULT)


class AddressPatch(_Place, Patch):
    """Change an address: what is sent is replaced, null clears."""

    REQUIRED: ClassVar = frozenset({"address1", "country", "is_default"})

    address1: ShortText | None = None
    country: _Country | None = None
    is_default: Literal[True] | None = Field(None, description="Make another one the default to have this one no longer so.")


class ContactAddress(Schema):
    """An address of a contact."""

    id: Id
    contact_id: Id
    label: str | None
    address1: str
    address2: str | None
    city: str | None
    state: str | None
    postal: str | None
    country: str
    latitude: float | None
    longitude: float | None
    time_zone: str | None
    is_default: bool
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None
