"""What goes into and comes out of the endpoints of contacts."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator

from clientway.lifecycle.organizations.schemas import Tag
from clientway.lifecycle.stages.schemas import StageName
from clientway.schemas import Day, Email, Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

RoleType = Literal["owner", "gm", "manager", "chef", "accounting", "other"]
Method = Literal["email", "phone", "sms"]
Status = Literal["lead", "active", "inactive"]
MOST_TAGS = 50
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]
PricingTier = Annotated[Trimmed, StringConstraints(max_length=60)]
CustomText = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
CustomValue = CustomText | bool | int | float
CustomKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
CustomFields = Annotated[
    dict[CustomKey, CustomValue | None],
    Field(max_length=200, description="Values of the tenant's own fields (/api/custom-fields) by key; dates as YYYY-MM-DD."),
]
Name = Annotated[Trimmed, StringConstraints(max_length=200)]
PRIMARY = "The first contact becomes primary; true takes it over from another. Exactly one is."


def _without_repeats(tags: list[str] | None) -> list[str] | None:
    return tags if tags is None else sorted(set(tags))


class _Details(Schema):
    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = Field(None, description="Unique among the tenant's live contacts, whatever its case.")
    phone: ShortText | None = Field(None, description="Kept as written; matched and searched in E.164.")
    title: ShortText | None = None
    role_type: RoleType | None = None
    preferred_contact_method: Method | None = None
    hubspot_contact_id: ShortText | None = None
    source: ShortText | None = None
    source_id: ShortText | None = None
    birth_date: Day | None = Field(None, description="Not in the future.")
    time_zone: ShortText | None = Field(None, description="Its IANA name, where it is not that of the address or the tenant.")
    pricing_tier: PricingTier | None = Field(None, description="A name of the tenant's own.")
    tax_rate_bps: int | None = Field(None, ge=0, le=10_000, description="In hundredths of a percent; null: the tenant's.")


class ClientCreate(_Details):
    """A private client: at least a name, an e-mail or a phone."""

    is_decision_maker: bool = False
    portal_enabled: bool = False
    do_not_contact: bool = False
    status: Status = "active"
    tags: Tags = Field(default_factory=list)
    custom_fields: CustomFields = Field(default_factory=dict)

    _tags = field_validator("tags")(_without_repeats)


class ContactCreate(ClientCreate):
    """A person at an organization: at least a name, an e-mail or a phone."""

    location_id: Id | None = Field(None, description="A location of the same organization.")
    is_primary: bool = Field(default=False, description=PRIMARY)


class ContactPatch(_Details, Patch):
    """Change a contact: what is sent is replaced, null clears; of custom_fields, those that are named."""

    REQUIRED: ClassVar = frozenset({
        "custom_fields", "default_address_id", "do_not_contact", "is_decision_maker", "is_primary", "portal_enabled", "status", "tags",
    })  # fmt: skip

    location_id: Id | None = Field(None, description="A location of the same organization.")
    default_address_id: Id | None = Field(None, description="One of the contact's own addresses.")
    is_primary: bool | None = Field(None, description=PRIMARY)
    is_decision_maker: bool | None = None
    portal_enabled: bool | None = None
    do_not_contact: bool | None = None
    status: Status | None = None
    tags: Tags | None = Field(None, description="Replaces the whole list.")
    custom_fields: CustomFields | None = None

    _tags = field_validator("tags")(_without_repeats)


class ContactEmail(Schema):
    """One of a contact's e-mails."""

    id: Id
    email: str
    label: str | None
    is_primary: bool = Field(description="The one that is also the contact's `email`.")
    verified_at: Timestamp | None
    created_at: Timestamp


class ContactPhone(Schema):
    """One of a contact's phones."""

    id: Id
    phone: str
    phone_e164: str | None = Field(description="Null for a number that is none: it is kept, and matches nobody.")
    label: str | None
    is_primary: bool = Field(description="The one that is also the contact's `phone`.")
    shared: bool = Field(description="Three contacts or more have it: it says nothing about who somebody is.")
    verified_at: Timestamp | None
    created_at: Timestamp


class Contact(Schema):
    """The tenant's own record of a person."""

    id: Id
    organization_id: Id | None
    location_id: Id | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    phone_e164: str | None
    title: str | None
    role_type: RoleType | None
    is_primary: bool
    is_decision_maker: bool
    portal_enabled: bool
    slug: str
    preferred_contact_method: Method | None
    do_not_contact: bool
    unsubscribed_at: Timestamp | None
    hubspot_contact_id: str | None
    last_contacted_at: Timestamp | None
    total_emails_received: int
    total_emails_opened: int
    status: Status
    source: str | None
    source_id: str | None
    emails: list[ContactEmail] = Field(description="The primary one first.")
    phones: list[ContactPhone] = Field(description="The primary one first.")
    tags: list[str]
    birth_date: Day | None
    time_zone: str | None
    pricing_tier: str | None
    tax_rate_bps: int | None
    default_address_id: Id | None
    ltv_cents: int = Field(description="What they paid less what went back, tax left out.")
    custom_fields: dict[str, str | bool | int | float] = Field(description="By key; archived fields are left out.")
    merged_into: Id | None = Field(description="The contact that this one turned out to be. A merged id is answered with that contact.")
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None


class ContactOrganization(Schema):
    """Where a contact works."""

    id: Id
    name: str = Field(description="The name on the door, or else the legal name.")
    lifecycle_stage: StageName


class ContactWithOrganization(Contact):
    """A contact with the organization it belongs to; a private client has none."""

    organization: ContactOrganization | None


@dataclass(frozen=True)
class CustomFilter:
    """A condition on the value of a custom field."""

    field_id: UUID
    column: str
    operator: str
    value: str | int | float | bool | date


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a caller asked of the list of all contacts."""

    organization_id: UUID | None = None
    lifecycle_stage: str | None = None
    email_norm: str | None = None
    role_type: str | None = None
    status: str | None = None
    source: str | None = None
    is_primary: bool | None = None
    is_decision_maker: bool | None = None
    portal_enabled: bool | None = None
    do_not_contact: bool | None = None
    updated_since: datetime | None = None
    created_before: datetime | None = None
    include_deleted: bool = False
    q: str | None = None
    tag: str | None = None
    pricing_tier: str | None = None
    custom: tuple[CustomFilter, ...] = ()
