"""The tenant's own fields in the database."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.lifecycle.client_tables import custom_fields
from clientway.lifecycle.custom_fields.schemas import CustomField
from clientway.lifecycle.custom_fields.values import DEFINITIONS
from clientway.paging import Request, one, page

_NAMES = tuple(CustomField.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"


def find(tx: Tx, request: Request, *, include_archived: bool) -> Any:
    """A page of the fields."""
    c = custom_fields.c
    statement = select(*(c[name] for name in _NAMES)).where(c.tenant_id == func.app.tenant())
    if not include_archived:
        statement = statement.where(c.archived_at.is_(None))
    return page(tx, statement, request, {"position": c.position}, c.id)


def read(tx: Tx, field_id: UUID) -> Any:
    """One field, or None."""
    statement = f"with written as (select f.* from custom_fields f where f.tenant_id = app.tenant() and f.id = :id) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": field_id}).one_or_none())


_HOLD = text("select from tenants t where t.tenant_id = app.tenant() for no key update")


def hold(tx: Tx) -> None:
    """Have others who add a field wait: who counts the fields after this counts theirs."""
    tx.execute(_HOLD)


_INSERT = text(f"""
with written as (
  insert into custom_fields (id, key, label, kind, options, required, position, created_at, updated_at)
  select :id, :key, :label, :kind, cast(:options as text[]), :required, :position, :now, :now
   where (select count(*) from custom_fields f where f.tenant_id = app.tenant() and f.archived_at is null) < :most
  on conflict (tenant_id, key) do nothing returning *)
{_ANSWER}""")


def insert(tx: Tx, row: Mapping[str, Any], *, most: int) -> Any:
    """Add a field; None when its key is taken, or there are as many as there may be."""
    return one(tx.execute(_INSERT, {**row, "now": tx.now, "most": most}).one_or_none())


def count(tx: Tx) -> int:
    """The fields that are not archived."""
    c = custom_fields.c
    return int(tx.execute(select(func.count()).where(c.tenant_id == func.app.tenant(), c.archived_at.is_(None))).scalar_one())


def holder(tx: Tx, key: str) -> UUID | None:
    """The field that has the key."""
    c = custom_fields.c
    return tx.execute(select(c.id).where(c.tenant_id == func.app.tenant(), c.key == key)).scalar_one_or_none()


def lock(tx: Tx, field_id: UUID) -> Any:
    """The field's row, locked; None when there is none."""
    c = custom_fields.c
    statement = select(c.key, c.kind, c.label, c.options, c.required, c.position, c.archived_at, c.version)
    return tx.execute(statement.where(c.tenant_id == func.app.tenant(), c.id == field_id).with_for_update(key_share=True)).one_or_none()


_UPDATE = text(f"""
with written as (
  update custom_fields f set label = :label, options = cast(:options as text[]), required = :required, position = :position,
         archived_at = :archived_at, version = f.version + 1, updated_at = :now
   where f.tenant_id = app.tenant() and f.id = :id returning f.*)
{_ANSWER}""")


def update(tx: Tx, field_id: UUID, row: Mapping[str, Any]) -> Any:
    """Replace what may change of a locked field."""
    return one(tx.execute(_UPDATE, {"id": field_id, "now": tx.now, **row}).one())


def definitions(tx: Tx) -> list[dict[str, Any]]:
    """The fields that are not archived."""
    found: list[dict[str, Any]] = tx.scalar(text(f"select {DEFINITIONS}"))
    return found
