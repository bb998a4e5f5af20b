"""What goes into and comes out of the endpoints of segments."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, WrapValidator, model_validator

from clientway.messaging.segments.definition import SegmentNode
from clientway.schemas import Id, Patch, Schema, Text, Timestamp, Trimmed, Version

Kind = Literal["manual", "dynamic", "snapshot"]
SegmentName = Annotated[Trimmed, StringConstraints(max_length=200)]
Description = Annotated[Text, StringConstraints(max_length=2000)]
MOST_AT_ONCE = 100


def _as_it_came(value: Any, _read: Any) -> Any:
    # Read by rules.read, which names the very place of an error; the contract has it from here.
    if isinstance(value, dict):
        return value
    message = "must be an object"
    raise ValueError(message)


SegmentDefinition = Annotated[SegmentNode, WrapValidator(_as_it_came)]
_DEFINITION = "Who belongs to it. Groups nest at most 5 deep and hold at most 50 conditions."
ContactIds = Annotated[list[Id], Field(max_length=MOST_AT_ONCE)]


class SegmentCreate(Schema):
    """A segment: `dynamic` is whoever fits the definition, `snapshot` who fitted it when it was taken, `manual` who was put into it."""

    name: SegmentName = Field(description="Unique among the tenant's segments.")
    description: Description | None = None
    kind: Kind = "dynamic"
    definition: SegmentDefinition | None = Field(None, description=_DEFINITION)
    contact_ids: ContactIds | None = Field(None, description="The first members of a manual segment.")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if (self.kind == "manual") != (self.definition is None):
            message = "a dynamic segment and a snapshot have a definition, a manual segment has none"
            raise ValueError(message)
        if self.kind != "manual" and self.contact_ids:
            message = "only a manual segment takes members"
            raise ValueError(message)
        return self


class SegmentPatch(Patch):
    """Change a segment. Its kind stays, and so do the members of a snapshot."""

    REQUIRED: ClassVar = frozenset({"definition", "name"})

    name: SegmentName | None = None
    description: Description | None = None
    definition: SegmentDefinition | None = Field(None, description=f"{_DEFINITION} Of a dynamic segment alone.")


class Segment(Schema):
    """Contacts that belong together for messages."""

    id: Id
    name: str
    description: str | None
    kind: Kind
    definition: dict[str, Any] | None = Field(description="As it was sent.")
    english: str | None = Field(description="The definition in a sentence, with the names of when it was last changed.")
    taken_at: Timestamp | None = Field(description="When a snapshot was taken.")
    created_by: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class SegmentContact(Schema):
    """A contact, as far as a segment shows it."""

    id: Id
    organization_id: Id | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    status: str
    created_at: Timestamp
    updated_at: Timestamp


class SegmentPreviewRequest(Schema):
    """A definition that is being written, or a segment that is kept: one of the two."""

    segment_id: Id | None = None
    definition: SegmentDefinition | None = Field(None, description=_DEFINITION)

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if (self.segment_id is None) == (self.definition is None):
            message = "either a segment_id or a definition"
            raise ValueError(message)
        return self


class SegmentPreview(Schema):
    """How many and who, now."""

    count: int
    count_capped: bool = Field(description="There are more than `count`: that many are counted at most.")
    sample: list[SegmentContact] = Field(description="The ten that were added last.")
    english: str
    took_ms: int


class SegmentMembersAdd(Schema):
    """Contacts to put into a manual segment."""

    contact_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_AT_ONCE)]


class SegmentMembersAdded(Schema):
    """What came of it."""

    added: int
    already: int = Field(description="They were members before.")


class SegmentField(Schema):
    """What a condition may ask about."""

    field: str
    label: str
    type: Literal["text", "enum", "integer", "number", "money", "date", "time", "boolean", "set"]
    ops: list[str]
    nullable: bool = Field(description="It may be unknown: such contacts match with `include_unknown` alone.")
    values: list[str] | None = Field(description="What there is to choose from.")
    custom: bool


class SegmentEvent(Schema):
    """What a condition may count."""

    event: str
    label: str
    where: list[str] = Field(description="What it may be narrowed by.")


class SegmentFields(Schema):
    """All of them, those of the tenant's own fields too."""

    fields: list[SegmentField]
    events: list[SegmentEvent]
