"""The base of every request and answer model, and the types their fields share.

Requests are strict ("5" is not 5) and refuse unknown fields. JSON has no UUID, time or enum, so those alone are read
from strings; each accepts a string and nothing else (a number is not a time).
"""

from datetime import UTC, date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

T = TypeVar("T")


def _text_only(value: Any) -> Any:
    if isinstance(value, (str, UUID, date, StrEnum)):
        return value
    message = "must be a string"
    raise ValueError(message)


class Schema(BaseModel):
    """A request or answer: strict, closed, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, defer_build=True)


class Patch(Schema):
    """A change: what is sent is replaced, null clears. `REQUIRED` names the fields that may be left out but not cleared."""

    REQUIRED: ClassVar[frozenset[str]] = frozenset()

    @field_validator("*")
    @classmethod
    def _keeps_what_is_required(cls, value: Any, field: ValidationInfo) -> Any:
        # By field rather than for the model, so that the error points at it. What was not sent is not looked at.
        if value is None and field.field_name in cls.REQUIRED:
            message = "may not be null"
            raise ValueError(message)
        return value


Id = Annotated[UUID, BeforeValidator(_text_only), Field(strict=False)]
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    Field(strict=False),
    # As the database writes it: pydantic's own "Z" would make one moment look like two.
    PlainSerializer(lambda moment: moment.astimezone(UTC).isoformat(), when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, BeforeValidator(_text_only), Field(strict=False)]
Cents = Annotated[int, Field(ge=0, le=10**15)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
# PostgreSQL cannot store NUL, and lone surrogates are not UTF-8: both would surface as a 500. A constraint rather than a
# validator, so that trimming (strip_whitespace) comes before the length is checked.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
ShortText = Annotated[Text, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
LongText = Annotated[Text, StringConstraints(max_length=20_000)]
Version = Annotated[int, Field(ge=1, description="Counts the changes; sent as the ETag and expected in If-Match.")]


class Page(Schema, Generic[T]):
    """One page of a list, newest or first in its order."""

    data: list[T]
    has_more: bool
    next_cursor: str | None = Field(description="Opaque; pass it as `cursor` with the same filters and sort.")
