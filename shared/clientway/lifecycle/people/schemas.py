"""What goes into and comes out of the search for the person that somebody means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from clientway.lifecycle.stages.schemas import Rung
from clientway.schemas import Email, Id, Schema, ShortText, Trimmed, Version

PersonName = Annotated[Trimmed, StringConstraints(max_length=200)]
MatchedBy = Literal["verified_email", "email", "phone_and_name"]


class PersonInput(Schema):
    """How somebody is known: at least an e-mail or a phone."""

    email: Email | None = Field(None, description="Matched whatever its case.")
    phone: ShortText | None = Field(None, description="Matched in E.164; without a country code it is of the tenant's region.")
    first_name: PersonName | None = Field(None, description="A phone alone matches nobody: it takes a compatible first name.")
    last_name: PersonName | None = None


class UpsertedPerson(Schema):
    """Who it is to this tenant."""

    person_id: Id = Field(description="The tenant's own id of them, the same as `contact_id`: no two tenants have one in common.")
    contact_id: Id
    organization_id: Id | None = Field(description="Where they belong; a private client has none before their first job or invoice.")
    is_new: bool = Field(description="New to this tenant.")
    matched_by: MatchedBy | None = Field(description="What told who it is; null for somebody new.")
    deleted_contact_id: Id | None = Field(description="A deleted contact that had the e-mail: it can be restored in place of the new one.")
    suggested_contact_ids: list[Id] = Field(description="Contacts that may be the same person: look at /api/duplicates.")
    ignored: list[Literal["email", "phone"]] = Field(description="What belongs to nobody in particular, and was left out.")
    version: Version


@dataclass(frozen=True)
class Known:
    """A contact that was found, or made."""

    contact_id: UUID
    organization_id: UUID | None
    is_new: bool
    version: int
    matched_by: MatchedBy | None = None
    deleted_contact_id: UUID | None = None
    suggested: tuple[UUID, ...] = ()
    ignored: tuple[Literal["email", "phone"], ...] = ()
    made: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """The row of a contact that is new, for `hold_new`."""


@dataclass(frozen=True)
class Holder:
    """The locked contact that a job or an invoice is for, with the organization that its account hangs on."""

    contact_id: UUID
    organization_id: UUID
    organization_is_live: bool
    name: str
    email: str | None
    currency: str
    time_zone: str
    """The tenant's."""
    default_address_id: UUID | None
    tax_rate_bps: int | None
    """The contact's own, or None for the tenant's."""
    pricing_tier: str | None
    do_not_contact: bool
    opened: Rung | None
    """Where the organization stands, if it was opened just now: the contact had none."""
