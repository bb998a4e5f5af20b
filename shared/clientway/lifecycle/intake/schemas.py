"""A client as somebody who takes a booking writes them down."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from clientway.lifecycle.people.schemas import MatchedBy, PersonName
from clientway.schemas import Email, Schema, ShortText, Text, Trimmed


class ClientAddress(Schema):
    """Where a client is to be found."""

    label: Annotated[Trimmed, StringConstraints(max_length=60)] | None = None
    address1: ShortText
    address2: ShortText | None = None
    city: Annotated[Trimmed, StringConstraints(max_length=200)] | None = None
    state: Annotated[Trimmed, StringConstraints(max_length=100)] | None = None
    postal: Annotated[Trimmed, StringConstraints(max_length=20)] | None = None
    country: Annotated[Text, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"
    time_zone: ShortText | None = Field(None, description="Its IANA name.")


class ClientIntake(Schema):
    """A client who may be known already: by the e-mail, or the phone and the first name."""

    first_name: PersonName
    last_name: PersonName | None = None
    email: Email | None = None
    phone: ShortText | None = Field(None, description="Without a country code it is of the tenant's region.")
    address: ClientAddress | None = Field(None, description="Added unless the client has it; the first one becomes the default.")


@dataclass(frozen=True)
class TakenIn:
    """A client who is held: where their account is, and the address to write down with what comes next."""

    contact_id: UUID
    organization_id: UUID
    organization_is_live: bool
    default_address_id: UUID | None
    is_new: bool = False
    matched_by: MatchedBy | None = None
    suggested: tuple[UUID, ...] = ()
    address: dict[str, Any] | None = None
    """A row of contact_addresses to come, for `HOME_SQL`."""
