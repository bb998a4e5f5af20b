"""What goes into and comes out of the endpoints of contacts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from clientway.lifecycle.stages.schemas import StageName
from clientway.schemas import Email, Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

RoleType = Literal["owner", "gm", "manager", "chef", "accounting", "other"]
Method = Literal["email", "phone", "sms"]
Status = Literal["active", "inactive"]
Name = Annotated[Trimmed, StringConstraints(max_length=200)]
PRIMARY = "The first contact becomes primary; true takes it over from another. Exactly one is."


class _Details(Schema):
    first_name: Name | None = None
    last_name: Name | None = None
    email: Email | None = Field(None, description="Unique among the tenant's live contacts, whatever its case.")
    phone: ShortText | None = Field(None, description="Kept as written; matched and searched in E.164.")
    title: ShortText | None = None
    role_type: RoleType | None = None
    location_id: Id | None = Field(None, description="A location of the same organization.")
    preferred_contact_method: Method | None = None
    hubspot_contact_id: ShortText | None = None
    source: ShortText | None = None
    source_id: ShortText | None = None


class ContactCreate(_Details):
    """A person at an organization: at least a name, an e-mail or a phone."""

    is_primary: bool = Field(default=False, description=PRIMARY)
    is_decision_maker: bool = False
    portal_enabled: bool = False
    do_not_contact: bool = False
    status: Status = "active"


class ContactPatch(_Details, Patch):
    """Change a contact: what is sent is replaced, null clears."""

    REQUIRED: ClassVar = frozenset({"do_not_contact", "is_decision_maker", "is_primary", "portal_enabled", "status"})

    is_primary: bool | None = Field(None, description=PRIMARY)
    is_decision_maker: bool | None = None
    portal_enabled: bool | None = None
    do_not_contact: bool | None = None
    status: Status | None = None


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
