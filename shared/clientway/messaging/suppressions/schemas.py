"""What goes into and comes out of the list of addresses that nothing is sent to."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.messaging.delivery.message import Channel
from clientway.schemas import Id, Schema, ShortText, Timestamp, Trimmed, Version

Reason = Literal["hard_bounce", "complaint", "stop", "manual"]
Explanation = Annotated[Trimmed, StringConstraints(max_length=500)]


class SuppressionCreate(Schema):
    """Send nothing to an address any more."""

    channel: Channel
    address: ShortText = Field(description="An e-mail address, or a phone number in the tenant's region or with its country's code.")
    detail: Explanation | None = Field(None, description="Why, for colleagues to read.")


class SuppressionLift(Schema):
    """Write to an address again."""

    reason: Explanation = Field(description="Why it is right to write there again; kept with the entry.")


class Suppression(Schema):
    """An address that nothing is sent to, or once was not."""

    id: Id
    channel: Channel
    address: str | None = Field(description="Null once it was erased: the entry still holds.")
    reason: Reason = Field(description="`complaint` and `stop` are the recipient's own word: only an admin lifts them.")
    detail: str | None
    contact_id: Id | None = Field(description="Whom the message was for that it came of.")
    created_by: Id | None
    lifted_at: Timestamp | None
    lifted_by: Id | None
    lift_reason: str | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
