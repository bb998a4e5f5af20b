"""The base of every request and answer model, and the types their fields share.

Requests are strict ("5" is not 5) and refuse unknown fields. JSON has no UUID, time or enum, so those alone are read
from strings; each accepts a string and nothing else (a number is not a time).
"""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from clientway.moments import rfc3339

T = TypeVar("T")


def _text_only(value: Any) -> Any:
    if isinstance(value, (str, UUID, date, StrEnum)):
        return value
    message = "must be a string"
    raise ValueError(message)


def _calendar_only(value: Any) -> Any:
    # pydantic takes "0.5" for a moment in 1970.
    if isinstance(value, str) and not _CALENDAR.match(value):
        message = "must be a date in ISO 8601 form"
        raise ValueError(message)
    return _text_only(value)


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        message = "lies before the year 1 or after 9999 in UTC"
        raise ValueError(message) from None


_CALENDAR = re.compile(r"\d{4}-\d{2}-\d{2}")


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

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema says so too: what may not be cleared takes no null."""
        schema = handler(core_schema)
        members = handler.resolve_ref_schema(schema)["properties"]
        for name in cls.REQUIRED & members.keys():
            options = [one for one in members[name].pop("anyOf", ()) if one != {"type": "null"}]
            members[name] |= options[0] if len(options) == 1 else {"anyOf": options} if options else {}
            if members[name].get("default", ...) is None:
                del members[name]["default"]
        return schema


Id = Annotated[UUID, BeforeValidator(_text_only), Field(strict=False)]
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_calendar_only),
    Field(strict=False),
    AfterValidator(_in_utc),
    # As the database writes it: pydantic's own "Z" would make one moment look like two.
    PlainSerializer(rfc3339, when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, BeforeValidator(_calendar_only), Field(strict=False)]
Cents = Annotated[int, Field(ge=0, le=10**15)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
# PostgreSQL cannot store NUL, and lone surrogates are not UTF-8: both would surface as a 500. A constraint rather than a
# validator, so that trimming (strip_whitespace) comes before the length is checked.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Trimmed = Annotated[
    Text,
    StringConstraints(min_length=1, strip_whitespace=True),
    # What is trimmed before it is measured has to be more than blanks.
    Field(json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"}),
]
ShortText = Annotated[Trimmed, StringConstraints(max_length=300)]
Email = Annotated[ShortText, Field(json_schema_extra={"format": "email"})]
"""Said to be an address; whether it is one, normalise.email decides."""
LongText = Annotated[Text, StringConstraints(max_length=20_000)]
Version = Annotated[int, Field(ge=1, description="Counts the changes; sent as the ETag and expected in If-Match.")]


class Page(Schema, Generic[T]):
    """One page of a list, newest or first in its order."""

    data: list[T]
    has_more: bool
    next_cursor: str | None = Field(description="Opaque; pass it as `cursor` with the same filters and sort.")
