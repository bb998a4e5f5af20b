"""What goes into and comes out of the endpoints of NPS answers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Schema, Timestamp, Trimmed

Score = Annotated[int, Field(ge=0, le=10, description="How likely they are to recommend us, 0 to 10.")]


class NpsAnswerCreate(Schema):
    """Somebody's answer to how likely they are to recommend the tenant."""

    score: Score
    comment: Annotated[Trimmed, StringConstraints(max_length=5000)] | None = None
    contact_id: Id | None = Field(None, description="Who answered: a contact of this organization.")
    answered_at: Timestamp | None = Field(None, description="Now, when left out; not in the future.")


class NpsAnswer(Schema):
    """An answer; it stays as it was given."""

    id: Id
    organization_id: Id
    contact_id: Id | None
    score: int
    comment: str | None
    answered_at: Timestamp
    created_at: Timestamp
