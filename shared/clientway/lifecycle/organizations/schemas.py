"""What goes into and comes out of the endpoints of organizations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from clientway.lifecycle.stages.schemas import StageName
from clientway.schemas import Id, LongText, Patch, Schema, ShortText, Timestamp, Trimmed, Version

EntityType = Literal["single_location", "multi_location", "franchise", "group", "individual"]
Key = Annotated[Trimmed, StringConstraints(max_length=100)]
Tag = Annotated[Trimmed, StringConstraints(max_length=60)]
MOST_TAGS = 50
Tags = Annotated[list[Tag], Field(max_length=MOST_TAGS)]
SOURCES = "Where it came from: builtwith, hubspot, manual, referral, website, or a name of your own."


def _without_repeats(tags: list[str] | None) -> list[str] | None:
    return tags if tags is None else sorted(set(tags))


class OrganizationCreate(Schema):
    """A company that the tenant sells to. The stage starts at lead and moves by facts or by stage-change."""

    legal_name: ShortText
    dba_name: ShortText | None = Field(None, description="The name on the door, if it is another.")
    entity_type: EntityType | None = None
    industry: Key = "restaurant"
    source: Key = Field("manual", description=SOURCES)
    source_id: ShortText | None = Field(None, description="Its id in the source; unique per source among live organizations.")
    source_campaign: ShortText | None = None
    hubspot_company_id: Key | None = None
    stripe_customer_id: Key | None = None
    square_customer_id: Key | None = None
    assigned_rep_id: Id | None = Field(None, description="An active rep of this tenant.")
    tags: Tags = Field(default_factory=list)
    notes: LongText | None = None

    _tags = field_validator("tags")(_without_repeats)


class OrganizationPatch(Patch):
    """Change an organization: what is sent is replaced, null clears, `tags` replaces the whole list."""

    REQUIRED: ClassVar = frozenset({"industry", "legal_name", "tags"})

    legal_name: ShortText | None = None
    dba_name: ShortText | None = None
    entity_type: EntityType | None = None
    industry: Key | None = None
    source: Key | None = Field(None, description=SOURCES)
    source_id: ShortText | None = None
    source_campaign: ShortText | None = None
    hubspot_company_id: Key | None = None
    stripe_customer_id: Key | None = None
    square_customer_id: Key | None = None
    assigned_rep_id: Id | None = Field(None, description="An active rep of this tenant; null unassigns.")
    tags: Tags | None = None
    notes: LongText | None = None

    _tags = field_validator("tags")(_without_repeats)


class RepSummary(Schema):
    """The rep who looks after an organization."""

    id: Id
    slug: str
    name: str


class LocationSummary(Schema):
    """The primary location, in short."""

    id: Id
    name: str
    city: str | None
    state: str | None
    phone: str | None
    email: str | None
    website_url: str | None
    pos_system: str | None


class ContactSummary(Schema):
    """The primary contact, in short."""

    id: Id
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    title: str | None
    role_type: str | None


class Organization(Schema):
    """An organization with what is known of it."""

    id: Id
    legal_name: str
    dba_name: str | None
    slug: str
    entity_type: EntityType | None
    industry: str
    lifecycle_stage: StageName
    lifecycle_changed_at: Timestamp
    lifecycle_changed_by: str | None
    source: str | None
    source_id: str | None
    source_campaign: str | None
    hubspot_company_id: str | None
    stripe_customer_id: str | None
    square_customer_id: str | None
    tags: list[str]
    notes: str | None
    data_completeness: int = Field(description="Percent of what is worth knowing, 0 to 100.")
    missing_fields: list[str] = Field(description="What to find out next, the weightiest first.")
    assigned_rep: RepSummary | None
    primary_location: LocationSummary | None
    primary_contact: ContactSummary | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp = Field(description="Also moves when a location or a contact changes; `version` does not.")
    deleted_at: Timestamp | None


class RecordOrganization(Schema):
    """Whose a deal, a ticket or a payment is."""

    id: Id
    name: str
    slug: str


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a caller asked of the list."""

    lifecycle_stage: str | None = None
    source: str | None = None
    tag: str | None = None
    rep: str | None = None
    state: str | None = None
    pos_system: str | None = None
    updated_since: datetime | None = None
    created_before: datetime | None = None
    include_deleted: bool = False
    q: str | None = None
