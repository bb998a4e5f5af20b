"""Locations in the database."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.lifecycle.locations.schemas import Location
from clientway.lifecycle.organizations.dossier import REFRESH, Dossier, refresh
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.tables import locations
from clientway.paging import Request, one, page

_NAMES = tuple(Location.model_fields)
_COLUMNS = tuple(locations.c[name] for name in _NAMES)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"

# Reads `demoted`, so that the old primary has stepped back before the new one steps up: one at a time is the rule.
_DEMOTED = """demoted as (
  update locations l set is_primary = false, version = l.version + 1, updated_at = :now
   where l.tenant_id = app.tenant() and l.organization_id = :organization_id and l.is_primary and l.deleted_at is null
     and l.id <> cast(:location_id as uuid) and :is_primary
  returning l.id)"""
_PROMOTED = """promoted as (
  update locations l set is_primary = true, version = l.version + 1, updated_at = :now from (select count(*) from written) w
   where l.tenant_id = app.tenant() and l.id = cast(:next_id as uuid))"""


def find(tx: Tx, organization_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of an organization's locations."""
    l = locations.c  # noqa: E741
    statement = select(*_COLUMNS).where(l.tenant_id == func.app.tenant(), l.organization_id == organization_id)
    if not include_deleted:
        statement = statement.where(l.deleted_at.is_(None))
    return page(tx, statement, request, {"created_at": l.created_at}, l.id)


def read(tx: Tx, location_id: UUID, *, include_deleted: bool) -> Any:
    """One location, or None."""
    live = "" if include_deleted else "and l.deleted_at is null"
    statement = f"with written as (select l.* from locations l where l.tenant_id = app.tenant() and l.id = :id {live}) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": location_id}).one_or_none())


def insert(tx: Tx, dossier: Dossier, row: Mapping[str, Any], derived: Mapping[str, Any]) -> Any:
    """Insert a location under the first free slug and bring its organization in line; None if the slug was just taken."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with given as (select * from jsonb_populate_record(null::locations, cast(:row as jsonb))),
      {_DEMOTED},
      written as (
        insert into locations ({names}, slug)
        select {values}, {free_slug("locations")} from given g, (select count(*) from demoted) d
        on conflict (tenant_id, slug) do nothing returning *),
      refreshed as ({REFRESH} and exists (select from written))
      {_ANSWER}"""
    given = {"row": json.dumps(row), "location_id": row["id"], "is_primary": row["is_primary"], **refresh(tx, dossier, derived)}
    return one(tx.execute(text(statement), given).one_or_none())


def update(tx: Tx, dossier: Dossier, location_id: UUID, row: Mapping[str, Any], derived: Mapping[str, Any]) -> Any:
    """Replace columns of a locked location and bring its organization in line."""
    changes = ", ".join(f"{name} = g.{name}" for name in row)
    statement = f"""
      with given as (select * from jsonb_populate_record(null::locations, cast(:row as jsonb))),
      {_DEMOTED},
      written as (
        update locations l set {changes}, version = l.version + 1, updated_at = :now
          from given g, (select count(*) from demoted) d
         where l.tenant_id = app.tenant() and l.id = cast(:location_id as uuid) returning l.*),
      refreshed as ({REFRESH})
      {_ANSWER}"""
    given = {"row": json.dumps(row), "location_id": location_id, "is_primary": row["is_primary"], **refresh(tx, dossier, derived)}
    return one(tx.execute(text(statement), given).one())


_DELETE = text(f"""
with written as (
  update locations l set deleted_at = :now, is_primary = false, version = l.version + 1, updated_at = :now
   where l.tenant_id = app.tenant() and l.id = :location_id returning l.id),
{_PROMOTED}
{REFRESH}""")


def delete(tx: Tx, dossier: Dossier, location_id: UUID, derived: Mapping[str, Any], *, next_primary: str | None) -> None:
    """Hide a locked location; `next_primary` becomes the primary one."""
    tx.execute(_DELETE, {"location_id": location_id, "next_id": next_primary, **refresh(tx, dossier, derived)})
