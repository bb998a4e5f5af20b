"""Lines of the timeline, as callers write and read them."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from clientway.lifecycle.timeline.rules import ActivityType
from clientway.schemas import Id, LongText, Schema, Text, Timestamp, Trimmed

ActivityName = Annotated[ActivityType, Field(strict=False)]


class ActivityCreate(Schema):
    """Something that happened with an organization."""

    activity_type: ActivityName
    title: Annotated[Trimmed, StringConstraints(max_length=500)]
    description: LongText | None = None
    contact_id: Id | None = None
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Up to 8 KiB of JSON. `callback_requested: true` on an inbound call makes an SQL."
    )
    machine: bool = Field(False, description="True for an open or click made by a mail client or scanner.")
    client_visible: bool | None = Field(None, description="Whether the portal shows it; by default what the type says.")
    event_key: Annotated[Text, StringConstraints(min_length=1, max_length=255)] | None = Field(
        None, description="Your id of the event: the same one sent again adds nothing."
    )
    occurred_at: Timestamp | None = Field(None, description="Now, when left out; not in the future.")


class Activity(Schema):
    """A line of the timeline. Lines are never changed or deleted."""

    id: Id
    activity_type: ActivityName
    title: str
    description: str | None
    organization_id: Id | None
    contact_id: Id | None
    client_account_id: Id | None
    metadata: dict[str, Any]
    machine: bool
    client_visible: bool
    performed_by_type: str
    performed_by_id: Id | None
    occurred_at: Timestamp
    created_at: Timestamp
