"""Segments in the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TIMESTAMP, ColumnElement, Uuid, column, func, literal_column, select, table, text
from sqlalchemy.exc import DatabaseError

from clientway.db import Tx, constraint_name
from clientway.lifecycle.custom_fields.values import DEFINITIONS
from clientway.messaging.segments.compiling import Where
from clientway.messaging.segments.rules import Known
from clientway.messaging.segments.schemas import Segment, SegmentContact
from clientway.messaging.tables import segments
from clientway.paging import Request, one, page

_NAMES = tuple(Segment.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"
_SHOWN = {name: f"c.{name}" for name in SegmentContact.model_fields} | {"phone": "coalesce(c.phone_e164, c.phone)"}
_PERSON = ", ".join(f"{sql} as {name}" for name, sql in _SHOWN.items())
_CONTACTS = table(
    "contacts",
    column("tenant_id", Uuid), column("id", Uuid),
    column("created_at", TIMESTAMP(timezone=True)), column("deleted_at", TIMESTAMP(timezone=True)),
).alias("c")  # fmt: skip


@dataclass(frozen=True)
class World:
    """What definitions are about: the tenant's zone and fields, and the segments that were asked for."""

    zone: str
    fields: list[dict[str, Any]]
    segments: dict[UUID, Known]


_SEGMENTS = """(select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'kind', s.kind, 'definition', s.definition)), '[]')
  from segments s where s.tenant_id = app.tenant() and s.deleted_at is null and s.id = any(cast(:ids as uuid[])))"""
_WORLD = text(f"select t.time_zone, {DEFINITIONS} as fields, {_SEGMENTS} as segments from tenants t where t.tenant_id = app.tenant()")


def world(tx: Tx, ids: Sequence[UUID]) -> World:
    """The tenant's zone and fields, and those of these segments that are there."""
    row = tx.execute(_WORLD, {"ids": list(ids)}).one()
    return World(row.time_zone, row.fields, _known(row.segments))


def named(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """Those of these segments that are there."""
    return _known(tx.scalar(text(f"select {_SEGMENTS}"), {"ids": list(ids)}))


def _known(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, Known]:
    return {UUID(row["id"]): Known(UUID(row["id"]), row["name"], row["kind"], row["definition"]) for row in rows}


def find(tx: Tx, request: Request, *, kind: str | None) -> Any:
    """A page of the segments."""
    c = segments.c
    statement = select(*(c[name] for name in _NAMES)).where(c.tenant_id == func.app.tenant(), c.deleted_at.is_(None))
    if kind is not None:
        statement = statement.where(c.kind == kind)
    return page(tx, statement, request, {"updated_at": c.updated_at, "name": c.name}, c.id)


def read(tx: Tx, segment_id: UUID) -> Any:
    """One segment, or None."""
    found = "select s.* from segments s where s.tenant_id = app.tenant() and s.id = :id and s.deleted_at is null"
    return one(tx.execute(text(f"with written as ({found}) {_ANSWER}"), {"id": segment_id}).one_or_none())


_INSERT = text(f"""
with written as (
  insert into segments (id, name, description, kind, definition, english, taken_at, created_by, created_at, updated_at)
  select :id, :name, :description, :kind, cast(:definition as jsonb), :english, cast(:taken_at as timestamptz),
         cast(:created_by as uuid), :now, :now
   where (select count(*) from segments s where s.tenant_id = app.tenant() and s.deleted_at is null) < :most
  on conflict (tenant_id, name) where deleted_at is null do nothing returning *)
{_ANSWER}""")


def insert(tx: Tx, row: Mapping[str, Any], *, most: int) -> Any:
    """Add a segment; None when its name is taken, or there are as many as there may be."""
    return one(tx.execute(_INSERT, {**row, "definition": _json(row["definition"]), "now": tx.now, "most": most}).one_or_none())


def holder(tx: Tx, name: str) -> UUID | None:
    """The segment that has the name."""
    c = segments.c
    found = select(c.id).where(c.tenant_id == func.app.tenant(), c.name == name, c.deleted_at.is_(None))
    return tx.execute(found).scalar_one_or_none()


def lock(tx: Tx, segment_id: UUID) -> Any:
    """The segment's row, locked; None when there is none."""
    c = segments.c
    statement = select(c.name, c.description, c.kind, c.definition, c.english, c.version)
    mine = (c.tenant_id == func.app.tenant(), c.id == segment_id, c.deleted_at.is_(None))
    return tx.execute(statement.where(*mine).with_for_update(key_share=True)).one_or_none()


_UPDATE = text(f"""
with written as (
  update segments s set name = :name, description = :description, definition = cast(:definition as jsonb), english = :english,
         version = s.version + 1, updated_at = :now
   where s.tenant_id = app.tenant() and s.id = :id returning s.*)
{_ANSWER}""")


def update(tx: Tx, segment_id: UUID, row: Mapping[str, Any]) -> Any:
    """Replace what may change of a locked segment; None when the name is taken."""
    try:
        return one(tx.execute(_UPDATE, {**row, "definition": _json(row["definition"]), "id": segment_id, "now": tx.now}).one())
    except DatabaseError as error:
        if constraint_name(error) == "segments_name":
            return None
        raise


_USERS = text("""
select coalesce(json_agg(json_build_object('type', u.type, 'id', u.id, 'name', u.name)), '[]') from (
  select 'campaign' as type, k.id, k.name from campaigns k
   where k.tenant_id = app.tenant() and k.segment_id = :id and k.deleted_at is null
     and k.status in ('scheduled', 'freezing', 'sending', 'paused', 'stopped')
  union all
  select 'segment', s.id, s.name from segments s
   where s.tenant_id = app.tenant() and s.deleted_at is null and s.kind = 'dynamic'
     and jsonb_path_exists(s.definition, '$.**.segment ? (@ == $id)', jsonb_build_object('id', cast(:id as text)))
   limit 20) u""")


def users(tx: Tx, segment_id: UUID) -> list[dict[str, Any]]:
    """Campaigns under way that are for the segment, and other segments that name it."""
    found: list[dict[str, Any]] = tx.scalar(_USERS, {"id": str(segment_id)})
    return found


_DELETE = text("""
with emptied as (delete from segment_members m where m.tenant_id = app.tenant() and m.segment_id = :id)
update segments s set deleted_at = :now, version = s.version + 1, updated_at = :now where s.tenant_id = app.tenant() and s.id = :id""")


def delete(tx: Tx, segment_id: UUID) -> None:
    """Hide a locked segment and let its members go."""
    tx.execute(_DELETE, {"id": segment_id, "now": tx.now})


def _found(where: Where) -> str:
    return f"from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and ({where.sql})"


def preview(tx: Tx, where: Where, *, most: int, shown: int) -> tuple[int, list[dict[str, Any]]]:
    """How many there are, `most` + 1 if there are more, and those that were added last."""
    statement = f"""
      with found as materialized (select c.id, c.created_at {_found(where)} limit {most + 1:d})
      select (select count(*) from found) as number,
             (select coalesce(json_agg(r), '[]') from (
                select {_PERSON} from (select f.id from found f order by f.created_at desc, f.id desc limit {shown:d}) n
                  join contacts c on c.tenant_id = app.tenant() and c.id = n.id order by c.created_at desc, c.id desc) r) as sample"""
    row = tx.execute(text(statement), where.parameters).one()
    return row.number, row.sample


def contacts(tx: Tx, where: Where, request: Request) -> Any:
    """A page of the contacts that belong to a segment."""
    c = _CONTACTS.c
    columns: list[ColumnElement[Any]] = [literal_column(sql).label(name) for name, sql in _SHOWN.items()]
    statement = select(*columns).select_from(_CONTACTS).where(c.tenant_id == func.app.tenant(), c.deleted_at.is_(None))
    belongs = text(f"({where.sql})").bindparams(**where.parameters)
    return page(tx, statement.where(belongs), request, {"created_at": c.created_at}, c.id)


def take(tx: Tx, segment_id: UUID, where: Where, *, after: UUID, step: int) -> tuple[int, UUID | None]:
    """Make the next of those who fit members of a segment, in the order of their ids; returns how many, and the last of them."""
    statement = f"""
      with added as (
        insert into segment_members (segment_id, contact_id, created_at)
        select cast(:segment_id as uuid), c.id, :now {_found(where)} and c.id > cast(:after as uuid) order by c.id limit {step:d}
        returning contact_id)
      select (select count(*) from added) as number, (select a.contact_id from added a order by a.contact_id desc limit 1) as last"""
    row = tx.execute(text(statement), {**where.parameters, "segment_id": segment_id, "now": tx.now, "after": after}).one()
    return row.number, row.last


_ADD = text("""
with given as (select g.id, g.place from unnest(cast(:ids as uuid[])) with ordinality g(id, place)),
known as (select c.id from contacts c where c.tenant_id = app.tenant() and c.deleted_at is null and c.id = any(cast(:ids as uuid[]))),
written as (
  insert into segment_members (segment_id, contact_id, created_at) select cast(:segment_id as uuid), k.id, :now from known k
  on conflict do nothing returning contact_id)
select (select count(*) from written) as added, (select count(*) from known) as known,
       (select coalesce(json_agg(g.place - 1 order by g.place), '[]') from given g
         where g.id not in (select k.id from known k)) as missing""")


def add_members(tx: Tx, segment_id: UUID, ids: Sequence[UUID]) -> Any:
    """Make contacts members; says how many were `added`, how many are `known`, and at which places it was `missing` one."""
    return tx.execute(_ADD, {"segment_id": segment_id, "ids": list(ids), "now": tx.now}).one()


_REMOVE = text("""
delete from segment_members m where m.tenant_id = app.tenant() and m.segment_id = :segment_id and m.contact_id = :contact_id""")


def remove_member(tx: Tx, segment_id: UUID, contact_id: UUID) -> bool:
    """Let a member go; whether there was one."""
    return tx.execute(_REMOVE, {"segment_id": segment_id, "contact_id": contact_id}).rowcount > 0


def _json(definition: Any) -> str | None:
    return None if definition is None else json.dumps(definition)
