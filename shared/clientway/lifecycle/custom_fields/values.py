"""Values of the tenant's own fields: each of its kind, in the column of that kind."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from clientway.errors import FieldError, Unprocessable

DEFINITIONS: Final = (
    "(select coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'key', f.key, 'kind', f.kind, 'options', f.options, 'required', f.required)"
    " order by f.position, f.key), '[]') from custom_fields f where f.tenant_id = app.tenant() and f.archived_at is null)"
)
"""SQL of the tenant's fields that are not archived, as jsonb."""

COLUMNS: Final[Mapping[str, str]] = {
    "text": "text_value", "select": "text_value", "integer": "integer_value", "number": "number_value", "boolean": "boolean_value",
    "date": "date_value",
}  # fmt: skip
"""Where a value of each kind stands."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_BIGINT = 2**63
_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "text": ("not_text", "is no text"),
    "select": ("not_an_option", "is none of the options"),
    "integer": ("not_an_integer", "is no whole number"),
    "number": ("not_a_number", "is no number"),
    "boolean": ("not_a_boolean", "is neither true nor false"),
    "date": ("not_a_date", "is no date as of ISO 8601"),
}


@dataclass(frozen=True)
class Changed:
    """What a contact has of the fields after a change, by key; the rows to write; the ids of the fields to clear."""

    values: dict[str, Any]
    rows: list[dict[str, Any]]
    cleared: list[str]


def settle(definitions: Sequence[Mapping[str, Any]], sent: Mapping[str, Any], current: Mapping[str, Any], *, complete: bool) -> Changed:
    """Check what was sent and work out what comes of it; null clears. `complete`: what is required has to be there.

    Raises Unprocessable (422) for a key that is no field, a value of another kind, and a required field left out or cleared.
    """
    known = {field["key"]: field for field in definitions}
    errors = [
        FieldError(f"#/custom_fields/{key}", "unknown_field", "not a custom field of this tenant") for key in sent if key not in known
    ]
    for key, value in sent.items():
        field = known.get(key)
        if field is not None and value is not None and not _fits(field, value):
            errors.append(FieldError(f"#/custom_fields/{key}", *_CODES[field["kind"]]))
    after = {key: value for key in known if (value := sent.get(key, current.get(key))) is not None}
    asked = known if complete else sent
    missing = [key for key in asked if key in known and known[key]["required"] and key not in after]
    errors += [FieldError(f"#/custom_fields/{key}", "required", "has to be given") for key in missing]
    if errors:
        raise Unprocessable("The custom fields break a rule.", errors=errors)
    rows = [{"field_id": known[key]["id"], COLUMNS[known[key]["kind"]]: value} for key, value in sent.items() if value is not None]
    return Changed(after, rows, [known[key]["id"] for key, value in sent.items() if value is None])


def _fits(field: Mapping[str, Any], value: Any) -> bool:
    match field["kind"]:
        case "text":
            return isinstance(value, str)
        case "select":
            return isinstance(value, str) and value in field["options"]
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool) and -_BIGINT <= value < _BIGINT
        case "number":
            return _is_number(value)
        case _:
            return isinstance(value, str) and bool(_DAY.fullmatch(value)) and _is_day(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
