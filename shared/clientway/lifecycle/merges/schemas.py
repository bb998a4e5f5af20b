"""What goes into and comes out of merges of contacts."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Schema, Text, Timestamp, Trimmed, Version

Side = Literal["survivor", "merged"]
Reason = Annotated[Trimmed, StringConstraints(max_length=2000)]


class MergeChoices(Schema):
    """Whose value stands, where both have one. Left out: the survivor's if it has one, else the other's."""

    first_name: Side | None = None
    last_name: Side | None = None
    email: Side | None = Field(None, description="Which is the primary one; all of both are kept.")
    phone: Side | None = Field(None, description="Which is the primary one; all of both are kept.")
    organization_id: Side | None = Field(None, description="A company comes before an organization of a private client's own.")
    title: Side | None = None
    role_type: Side | None = None
    preferred_contact_method: Side | None = None
    hubspot_contact_id: Side | None = Field(None, description="Has to be chosen where both have one and they differ.")
    status: Side | None = Field(None, description="Left out: active before inactive before lead.")
    source: Side | None = None
    birth_date: Side | None = None
    time_zone: Side | None = None
    pricing_tier: Side | None = None
    tax_rate_bps: Side | None = None
    default_address_id: Side | None = None


class MergePreviewRequest(Schema):
    """Whom to merge into the contact of the path, which survives."""

    merged_id: Id
    choices: MergeChoices = MergeChoices()
    across_organizations: bool = Field(default=False, description="Merge although they work at two different companies.")


class MergeRequest(MergePreviewRequest):
    """Merge a contact into the one of the path."""

    reason: Reason | None = None


class MergeField(Schema):
    """A field of the result."""

    name: str
    survivor: Any = Field(description="The survivor's value.")
    merged: Any = Field(description="The other's value.")
    value: Any = Field(description="What the survivor has afterwards.")
    chosen: Literal["survivor", "merged", "both"]
    why: str


class MergeConsent(Schema):
    """A consent of the result: a refusal to either is a refusal."""

    channel: Literal["email", "phone", "sms"]
    purpose: Literal["marketing", "transactional"]
    survivor: Literal["granted", "denied"] | None
    merged: Literal["granted", "denied"] | None
    state: Literal["granted", "denied"]


class MergeConflict(Schema):
    """What stands in the way, or is worth knowing."""

    code: str
    message: str
    blocks: bool = Field(description="Whether the merge is refused as long as this is so.")


class MergePreview(Schema):
    """What a merge would do. Nothing has been changed."""

    survivor_id: Id
    merged_id: Id
    organization_id: Id | None = Field(description="Where the survivor belongs afterwards.")
    closed_organization_ids: list[Id] = Field(description="Organizations of a private client's own that are emptied into it and deleted.")
    lifecycle_stage: str | None = Field(description="The furthest of both, where one of the organizations is closed.")
    fields: list[MergeField]
    consents: list[MergeConsent]
    moves: dict[str, int] = Field(description="How many rows of each table change hands.")
    conflicts: list[MergeConflict]


class ContactMerge(Schema):
    """A merge that was done."""

    id: Id
    survivor_id: Id
    merged_id: Id
    choices: dict[str, Side]
    reason: Text | None
    before: dict[str, Any] = Field(description="The survivor's fields as they were, of those that changed.")
    after: dict[str, Any] = Field(description="What they became.")
    moved: dict[str, int] = Field(description="How many rows of each table changed hands.")
    merged_by: Id | None
    undo_until: Timestamp
    undone_at: Timestamp | None
    undone_by: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class MergeUndone(Schema):
    """What an undo gave back."""

    merge_id: Id
    survivor_id: Id
    merged_id: Id
    undone_at: Timestamp
    given_back: dict[str, int] = Field(description="How many rows of each table went back.")
    kept: dict[str, int] = Field(
        description="How many rows that the merge moved are no longer the survivor's, or were changed since, and stayed."
    )
    kept_fields: list[str] = Field(description="The survivor's fields that were changed after the merge, and stay.")
    lost_fields: list[str] = Field(description="What the other contact could not get back because somebody else has it by now.")
