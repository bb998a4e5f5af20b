"""What goes into and comes out of the consent ledger."""

import ipaddress
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from clientway.schemas import Id, LongText, Schema, ShortText, Text, Timestamp, Trimmed

Channel = Literal["email", "phone", "sms"]
Purpose = Literal["marketing", "transactional"]
State = Literal["granted", "denied"]
EvidenceKey = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
EvidenceValue = Annotated[Text, StringConstraints(max_length=2000)] | bool | int | float | None
Evidence = Annotated[dict[EvidenceKey, EvidenceValue], Field(max_length=50)]


class ConsentCreate(Schema):
    """Somebody allowed something, or forbade it. What was written is never changed: a change of mind is a further event."""

    channel: Channel
    purpose: Purpose
    state: State
    source: Annotated[Trimmed, StringConstraints(max_length=100)] = Field(description="Where they said so: web_form, phone, paper …")
    text_shown: LongText | None = Field(None, description="What they read when they said so.")
    ip: ShortText | None = Field(None, description="From where; only a keyed hash of it is kept.")
    evidence: Evidence = Field(default_factory=dict, description="Whatever else proves it: a form's id, a recording's address.")
    occurred_at: Timestamp | None = Field(None, description="Now, unless given; not in the future.")

    @field_validator("ip")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        # Written in one way, so that one address has one hash.
        return value if value is None else str(ipaddress.ip_address(value))


class ConsentEvent(Schema):
    """One line of the ledger."""

    id: Id
    contact_id: Id
    channel: Channel
    purpose: Purpose
    state: State
    source: str
    text_shown: str | None
    ip_hash: str | None
    evidence: dict[str, str | bool | int | float | None]
    actor_type: str
    actor_id: Id | None
    is_current: bool = Field(description="Whether it is what counts for its channel and purpose: the latest by time of occurrence.")
    occurred_at: Timestamp
    created_at: Timestamp
