"""The tenant's own fields, and what a list of contacts is asked about them."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, Malformed, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.contacts.schemas import CustomFilter
from clientway.lifecycle.custom_fields import queries
from clientway.lifecycle.custom_fields.schemas import CustomFieldCreate, CustomFieldPatch
from clientway.lifecycle.custom_fields.values import COLUMNS
from clientway.paging import Request

MOST = 200
"""Fields that a tenant has at most, archived ones left out."""
MOST_FILTERS = 5
_FILTER = re.compile(r"([a-z][a-z0-9_]{0,59})(:|>=|<=|>|<)(.*)", re.DOTALL)


class CustomFieldExists(Conflict):
    """409: another field has the key, archived perhaps; `existing_id` names it."""

    code, title = "custom_field_exists", "Custom field exists"


class TooManyCustomFields(Conflict):
    """409: a tenant has as many fields as there may be."""

    code, title = "too_many_custom_fields", "Too many custom fields"


def find(tx: Tx, request: Request, *, include_archived: bool) -> Any:
    """A page of the tenant's fields."""
    return queries.find(tx, request, include_archived=include_archived)


def read(tx: Tx, field_id: UUID) -> Any:
    """One field. Raises NotFound (404)."""
    answer = queries.read(tx, field_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, field: CustomFieldCreate) -> Any:
    """Add a field. Raises CustomFieldExists, TooManyCustomFields (409)."""
    field_id = uuid7()
    queries.hold(tx)
    answer = queries.insert(tx, {"id": field_id, **field.model_dump()}, most=MOST)
    if answer is None:
        holder = queries.holder(tx, field.key)
        if holder is None:
            raise _too_many()
        pointer = FieldError("#/key", "taken", "already taken")
        raise CustomFieldExists("Another field has this key.", errors=[pointer], existing_id=str(holder))
    effects.audit(tx, "custom_field.created", "custom_field", field_id, field.model_dump(mode="json"))
    return answer


def change(tx: Tx, field_id: UUID, patch: CustomFieldPatch, *, version: int) -> Any:
    """Replace what was sent, or take back what was archived.

    Raises NotFound (404), PreconditionFailed (412), TooManyCustomFields (409), Unprocessable (422) for options of what is no select.
    """
    row = queries.lock(tx, field_id)
    if row is None:
        raise _absent()
    check_version(row.version, version)
    sent = patch.model_dump(exclude_unset=True)
    if "options" in sent and row.kind != "select":
        raise Unprocessable("The field breaks a rule.", errors=[FieldError("#/options", "no_select", "only a select has options")])
    archived = sent.pop("archived", row.archived_at is not None)
    after = {"label": row.label, "options": row.options, "required": row.required, "position": row.position, **sent}
    if row.archived_at is not None and not archived:
        queries.hold(tx)
        if queries.count(tx) >= MOST:
            raise _too_many()
    answer = queries.update(tx, field_id, {**after, "archived_at": (row.archived_at or tx.now) if archived else None})
    effects.audit(tx, "custom_field.updated", "custom_field", field_id, patch.model_dump(mode="json", exclude_unset=True))
    return answer


def archive(tx: Tx, field_id: UUID, *, version: int) -> None:
    """Put a field away; its values are kept. Raises NotFound (404), PreconditionFailed (412)."""
    change(tx, field_id, CustomFieldPatch(archived=True), version=version)


def filters(tx: Tx, asked: Sequence[str]) -> tuple[CustomFilter, ...]:
    """Conditions as `key:value`, `key>=value`, … on fields that are there. Raises Malformed (400)."""
    if not asked:
        return ()
    if len(asked) > MOST_FILTERS:
        raise _no_filter("too_many", f"at most {MOST_FILTERS} conditions")
    known = {field["key"]: field for field in queries.definitions(tx)}
    return tuple(_filter(known, one) for one in asked)


def _filter(known: Mapping[str, Mapping[str, Any]], asked: str) -> CustomFilter:
    found = _FILTER.fullmatch(asked)
    field = known.get(found[1]) if found else None
    if found is None or field is None:
        raise _no_filter("unknown_field", "as key:value or key>=value, of a field of this tenant")
    kind, operator = field["kind"], "=" if found[2] == ":" else found[2]
    if operator != "=" and kind in ("boolean", "select"):
        raise _no_filter("no_order", f"{found[1]} has no order: ask for key:value")
    try:
        value = _READ[kind](found[3])
    except (ValueError, KeyError, OverflowError):
        raise _no_filter("invalid_value", f"{found[1]} is of kind {kind}") from None
    return CustomFilter(UUID(field["id"]), COLUMNS[kind], operator, value)


def _integer(raw: str) -> int:
    value = int(raw)
    if not -(2**63) <= value < 2**63:
        raise OverflowError
    return value


def _short(raw: str) -> str:
    if len(raw) > 200 or "\x00" in raw:  # noqa: PLR2004  (as far as its index goes)
        raise ValueError
    return raw


_READ: Mapping[str, Any] = {
    "text": _short, "select": _short, "integer": _integer, "number": float, "boolean": {"true": True, "false": False}.__getitem__,
    "date": date.fromisoformat,
}  # fmt: skip


def _no_filter(code: str, message: str) -> Malformed:
    return Malformed("The list cannot be filtered like this.", errors=[FieldError("#/query/custom", code, message)])


def _too_many() -> TooManyCustomFields:
    return TooManyCustomFields(f"A tenant has {MOST} fields at most; archive one.", limit=MOST)


def _absent() -> NotFound:
    return NotFound("There is no such custom field.")
