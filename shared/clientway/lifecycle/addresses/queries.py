"""Contacts' addresses in the database."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, literal_column, select, text

from clientway.db import Tx
from clientway.lifecycle.addresses.schemas import ContactAddress
from clientway.lifecycle.client_tables import contact_addresses
from clientway.lifecycle.contacts.existence import LIVE
from clientway.paging import Request, one, page

_NAMES = tuple(ContactAddress.model_fields)
_DEFAULT = """exists (select from contacts d where d.tenant_id = app.tenant() and d.id = a.contact_id and d.default_address_id = a.id)"""


def _answer(source: str, is_default: str = _DEFAULT) -> str:
    columns = ", ".join(f"{is_default} as is_default" if name == "is_default" else f"a.{name}" for name in _NAMES)
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source}) r"


def find(tx: Tx, contact_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of a contact's addresses."""
    a = contact_addresses.alias("a").c
    columns = (literal_column(_DEFAULT).label(name) if name == "is_default" else a[name] for name in _NAMES)
    statement = select(*columns).where(a.tenant_id == func.app.tenant(), a.contact_id == contact_id)
    if not include_deleted:
        statement = statement.where(a.deleted_at.is_(None))
    return page(tx, statement, request, {"created_at": a.created_at}, a.id)


_READ = text(_answer("contact_addresses a where a.tenant_id = app.tenant() and a.id = :id"))


def read(tx: Tx, address_id: UUID) -> Any:
    """One address, or None."""
    return one(tx.execute(_READ, {"id": address_id}).one_or_none())


_WAIT = text(f"with {LIVE} select from held")


def insert(tx: Tx, contact_id: UUID, row: Mapping[str, Any], *, is_default: bool, most: int) -> Row[Any] | None:
    """Add an address to a live contact: its answer and version, both null when there are as many as may be; None: no such contact."""
    # Who waits for the contact here counts below what others have added meanwhile.
    tx.execute(_WAIT, {"contact_id": contact_id})
    names = ", ".join(row)
    statement = f"""
      with {LIVE}, written as (
        insert into contact_addresses (contact_id, {names}, created_at, updated_at)
        select h.id, {", ".join(f"g.{name}" for name in row)}, :now, :now
          from held h, jsonb_populate_record(null::contact_addresses, cast(:row as jsonb)) g
         where (select count(*) from contact_addresses x
                 where x.tenant_id = app.tenant() and x.contact_id = h.id and x.deleted_at is null) < :most
        returning *),
      chosen as (
        update contacts c set default_address_id = w.id, version = c.version + 1, updated_at = :now
          from written w, held h
         where c.tenant_id = app.tenant() and c.id = h.id and (h.default_address_id is null or :is_default) returning c.id)
      select w.* from held h left join (
        {_answer("written a", "exists (select from chosen)")}) w on true"""
    given = {"contact_id": contact_id, "row": json.dumps(row, default=str), "now": tx.now, "is_default": is_default, "most": most}
    return tx.execute(text(statement), given).one_or_none()


# The contact first, then the address, as whoever books a job there does.
_LOCK = text("""
with held as materialized (
  select c.id from contacts c where c.tenant_id = app.tenant()
     and c.id = (select x.contact_id from contact_addresses x where x.tenant_id = app.tenant() and x.id = :id) for no key update)
select to_jsonb(a) from contact_addresses a join held h on h.id = a.contact_id
 where a.tenant_id = app.tenant() and a.id = :id for no key update of a
""")


def lock(tx: Tx, address_id: UUID) -> dict[str, Any] | None:
    """The address's row, locked with its contact."""
    return tx.execute(_LOCK, {"id": address_id}).scalar_one_or_none()


def update(tx: Tx, address_id: UUID, row: Mapping[str, Any], *, contact_id: str | None) -> Any:
    """Replace columns of a locked address, and make it the default one of `contact_id` if that is given."""
    statement = f"""
      with written as (
        update contact_addresses a set {"".join(f"{name} = g.{name}, " for name in row)} version = a.version + 1, updated_at = :now
          from jsonb_populate_record(null::contact_addresses, cast(:row as jsonb)) g
         where a.tenant_id = app.tenant() and a.id = :id returning a.*),
      chosen as (
        update contacts c set default_address_id = w.id, version = c.version + 1, updated_at = :now from written w
         where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid) and c.default_address_id is distinct from w.id)
      {_answer("written a", f"cast(:contact_id as uuid) is not null or {_DEFAULT}")}"""
    given = {"id": address_id, "row": json.dumps(row, default=str), "contact_id": contact_id, "now": tx.now}
    return one(tx.execute(text(statement), given).one())


_DELETE = text("""
with gone as (
  update contact_addresses a set deleted_at = :now, version = a.version + 1, updated_at = :now
   where a.tenant_id = app.tenant() and a.id = :id returning a.id)
update contacts c set version = c.version + 1, updated_at = :now, default_address_id = (
    select x.id from contact_addresses x
     where x.tenant_id = app.tenant() and x.contact_id = c.id and x.deleted_at is null and x.id <> g.id order by x.created_at, x.id limit 1)
  from gone g where c.tenant_id = app.tenant() and c.id = :contact_id and c.default_address_id = g.id
""")


def delete(tx: Tx, address_id: UUID, contact_id: UUID) -> None:
    """Hide a locked address; the default goes to the oldest that stays."""
    tx.execute(_DELETE, {"id": address_id, "contact_id": contact_id, "now": tx.now})
