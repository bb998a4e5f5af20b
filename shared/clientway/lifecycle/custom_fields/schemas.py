"""What goes into and comes out of the endpoints of the tenant's own fields."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from clientway.schemas import Id, Patch, Schema, Timestamp, Trimmed, Version

Kind = Literal["text", "integer", "number", "boolean", "date", "select"]
FieldKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
FieldLabel = Annotated[Trimmed, StringConstraints(max_length=200)]
Option = Annotated[Trimmed, StringConstraints(max_length=200)]
Options = Annotated[list[Option], Field(min_length=1, max_length=200, description="What a select is chosen from, in this order.")]
Position = Annotated[int, Field(ge=0, le=1_000_000, description="Where it stands among the others; ties by key.")]


def _each_once(options: list[str] | None) -> list[str] | None:
    if options is not None and len(set(options)) < len(options):
        message = "names an option twice"
        raise ValueError(message)
    return options


class CustomFieldCreate(Schema):
    """A field of the tenant's own, for its contacts. Key and kind stay as they are."""

    key: FieldKey = Field(description="Its name in `custom_fields` and in filters.")
    label: FieldLabel
    kind: Kind
    options: Options | None = Field(None, description="For a select, and only for one.")
    required: bool = Field(default=False, description="A contact that staff add has to have it; those there are may lack it.")
    position: Position = 0

    _options = field_validator("options")(_each_once)

    @model_validator(mode="after")
    def _only_a_select_has_options(self) -> Self:
        if (self.kind == "select") != (self.options is not None):
            message = "a select needs options, and nothing else has them"
            raise ValueError(message)
        return self


class CustomFieldPatch(Patch):
    """Change a field. Options that are taken away stay with the contacts that have them."""

    REQUIRED: ClassVar = frozenset({"archived", "label", "options", "position", "required"})

    label: FieldLabel | None = None
    options: Options | None = None
    required: bool | None = None
    position: Position | None = None
    archived: bool | None = Field(None, description="An archived field is neither shown nor taken; its values are kept.")

    _options = field_validator("options")(_each_once)


class CustomField(Schema):
    """A field of the tenant's own."""

    id: Id
    key: str
    label: str
    kind: Kind
    options: list[str] | None
    required: bool
    position: int
    archived_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
