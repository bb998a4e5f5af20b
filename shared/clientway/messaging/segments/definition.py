"""A definition of a segment as callers write it: groups within groups, and what is asked at their ends."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema

from clientway.messaging.segments.fields import EVENTS, Op
from clientway.schemas import Id, Schema, Text

MOST_DEPTH = 5
MOST_LEAVES = 50
MOST_VALUES = 100
MOST_DAYS = 3650

_Word = Annotated[Text, Field(max_length=2000)]
Scalar = bool | int | Annotated[float, Field(allow_inf_nan=False)] | _Word
EventName = Annotated[str, Field(json_schema_extra={"enum": sorted(EVENTS)})]
_UNKNOWN = "Those too whose value is not known. By default they match nothing, not even `ne`."


# The contract goes no deeper than one level: what is tried of it, in every combination, has no end otherwise.
Inner = Annotated["SegmentNode", WithJsonSchema({"type": "object", "description": "Again a condition or a group, as the whole is."})]


class SegmentAllOf(Schema):
    """Everything of it holds. With nothing in it: everybody."""

    all: list[Inner] = Field(max_length=MOST_LEAVES)


class SegmentAnyOf(Schema):
    """Something of it holds."""

    any: list[Inner] = Field(min_length=1, max_length=MOST_LEAVES)


class SegmentNotOf(Schema):
    """It does not hold; also where it is not known whether it does."""

    no: Inner = Field(alias="not")


class SegmentFieldIs(Schema):
    """What a contact is or has: see GET /api/segments/fields for fields, operators and values."""

    field: Annotated[Text, Field(min_length=1, max_length=100)]
    op: Op
    value: Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MOST_VALUES)] | None = None
    include_unknown: bool = Field(default=False, description=_UNKNOWN)


class SegmentEventCount(Schema):
    """How many times."""

    op: Literal["gte", "eq", "lte"] = "gte"
    n: int = Field(ge=0, le=1000)


class SegmentEventWhere(Schema):
    """Which of them. What does not go with an event is refused."""

    machine: bool | None = Field(None, description="True: those too that a mail program made by itself.")
    channel: Literal["email", "sms"] | None = None
    campaign_id: Id | None = None
    min_amount_cents: int | None = Field(None, ge=0, le=10**15)


class SegmentEventHappened(Schema):
    """What happened to a contact, or, with `{"op": "eq", "n": 0}`, did not."""

    event: EventName
    within_days: int | None = Field(None, ge=1, le=MOST_DAYS, description="Ever, when left out.")
    count: SegmentEventCount = SegmentEventCount(op="gte", n=1)
    where: SegmentEventWhere | None = None


class SegmentWithin(Schema):
    """Belongs to another segment."""

    segment: Id


TAGS = ("all", "any", "not", "field", "event", "segment")


def _tag(value: Any) -> str | None:
    return next((tag for tag in TAGS if tag in value), None) if isinstance(value, dict) else None


SegmentNode = Annotated[
    Annotated[SegmentFieldIs, Tag("field")]
    | Annotated[SegmentAllOf, Tag("all")]
    | Annotated[SegmentAnyOf, Tag("any")]
    | Annotated[SegmentNotOf, Tag("not")]
    | Annotated[SegmentEventHappened, Tag("event")]
    | Annotated[SegmentWithin, Tag("segment")],
    Discriminator(_tag),
]
