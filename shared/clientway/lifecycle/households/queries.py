"""Households in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, literal_column, select, text, true
from sqlalchemy import Uuid as UuidType

from clientway.db import Tx
from clientway.lifecycle.client_tables import contact_addresses, household_members, households
from clientway.lifecycle.households.schemas import Household, HouseholdSummary
from clientway.lifecycle.tables import contacts
from clientway.paging import Request, one, page

_MEMBERS = """(select coalesce(json_agg(json_build_object('contact_id', c.id, 'first_name', c.first_name, 'last_name', c.last_name,
    'email', c.email, 'phone', c.phone, 'relationship', m.relationship, 'created_at', m.created_at) order by m.created_at, c.id), '[]')
   from household_members m
   join contacts c on c.tenant_id = m.tenant_id and c.id = m.contact_id and c.deleted_at is null
  where m.tenant_id = app.tenant() and m.household_id = h.id)"""
_COUNT = """(select count(*) from household_members m join contacts c on c.tenant_id = m.tenant_id and c.id = m.contact_id
  and c.deleted_at is null where m.tenant_id = app.tenant() and m.household_id = households.id)"""
_COLUMNS = ", ".join(f"{_MEMBERS} as members" if name == "members" else f"h.{name}" for name in Household.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {_COLUMNS} from {{source}} h) r"

# Who is already of a household stays out of `taken in`; the answer to the statement does not see what it writes.
_INSERT = text("""
with household as (
  insert into households (id, name, address_key, created_at, updated_at) values (:id, :name, :address_key, :now, :now) returning id)
insert into household_members (household_id, contact_id, created_at)
select h.id, c.id, :now from household h
  join contacts c on c.tenant_id = app.tenant() and c.id = any (cast(:contact_ids as uuid[]))
on conflict do nothing returning contact_id
""")
_CANDIDATES = text("""
select c.id, c.last_name, m.household_id,
       (select a.address_key from contact_addresses a
         where a.tenant_id = app.tenant() and a.contact_id = c.id and a.deleted_at is null and a.address_key is not null
         order by a.id = c.default_address_id desc, a.created_at, a.id limit 1) as address_key
  from contacts c left join household_members m on m.tenant_id = app.tenant() and m.contact_id = c.id
 where c.tenant_id = app.tenant() and c.id = any (cast(:contact_ids as uuid[])) and c.deleted_at is null
 order by c.id for no key update of c
""")
_TOUCH = """with touched as (
  update households x set {changes} version = x.version + 1, updated_at = :now
   where x.tenant_id = app.tenant() and x.id = :id returning x.*)"""


@dataclass(frozen=True)
class Candidate:
    """A live contact, locked, who is to live in a household."""

    id: UUID
    last_name: str | None
    household_id: UUID | None
    address_key: str | None


def find(tx: Tx, request: Request) -> Any:
    """A page of households."""
    c = households.c
    columns = [literal_column(_COUNT).label(name) if name == "member_count" else c[name] for name in HouseholdSummary.model_fields]
    statement = select(*columns).where(c.tenant_id == func.app.tenant(), c.deleted_at.is_(None))
    return page(tx, statement, request, {"updated_at": c.updated_at}, c.id)


def read(tx: Tx, household_id: UUID) -> Any:
    """One household with its members, or None."""
    source = "(select * from households x where x.tenant_id = app.tenant() and x.id = :id and x.deleted_at is null)"
    return one(tx.execute(text(_ANSWER.format(source=source)), {"id": household_id}).one_or_none())


def lock_candidates(tx: Tx, contact_ids: Sequence[UUID]) -> dict[UUID, Candidate]:
    """Lock the live ones of these contacts."""
    given = {"contact_ids": "{" + ",".join(str(one) for one in contact_ids) + "}"}
    return {row.id: Candidate(*row) for row in tx.execute(_CANDIDATES, given)}


def insert(tx: Tx, household_id: UUID, name: str, address_key: str | None, contact_ids: Sequence[UUID]) -> None:
    """Insert a household with its members, who are locked."""
    given = {
        "id": household_id, "name": name, "address_key": address_key, "now": tx.now,
        "contact_ids": "{" + ",".join(str(one) for one in contact_ids) + "}",
    }  # fmt: skip
    tx.execute(_INSERT, given)


def lock(tx: Tx, household_id: UUID) -> int | None:
    """Lock a household; its version, or None."""
    c = households.c
    statement = select(c.version).where(c.tenant_id == func.app.tenant(), c.id == household_id, c.deleted_at.is_(None))
    found: int | None = tx.scalar(statement.with_for_update(key_share=True))
    return found


def rename(tx: Tx, household_id: UUID, name: str) -> Any:
    """Rename a locked household."""
    statement = f"{_TOUCH.format(changes='name = :name,')} {_ANSWER.format(source='touched')}"
    return one(tx.execute(text(statement), {"id": household_id, "name": name, "now": tx.now}).one())


def dissolve(tx: Tx, household_id: UUID) -> None:
    """Delete a locked household; its members are free."""
    statement = f"""{_TOUCH.format(changes="deleted_at = :now,")}
      delete from household_members m using touched t where m.tenant_id = app.tenant() and m.household_id = t.id"""
    tx.execute(text(statement), {"id": household_id, "now": tx.now})


def take_in(tx: Tx, household_id: UUID, contact_id: UUID, relationship: str | None) -> None:
    """Put a locked contact into a locked household."""
    statement = f"""{_TOUCH.format(changes="")}
      insert into household_members (household_id, contact_id, relationship, created_at)
      select t.id, :contact_id, :relationship, :now from touched t
      on conflict (tenant_id, contact_id) do update set relationship = excluded.relationship"""
    given = {"id": household_id, "contact_id": contact_id, "relationship": relationship, "now": tx.now}
    tx.execute(text(statement), given)


def put_out(tx: Tx, household_id: UUID, contact_id: UUID) -> bool:
    """Take somebody out of a household; whether they were in it."""
    statement = """with gone as (
        delete from household_members m
         where m.tenant_id = app.tenant() and m.household_id = :id and m.contact_id = :contact_id returning 1)
      update households x set version = x.version + 1, updated_at = :now from gone g
       where x.tenant_id = app.tenant() and x.id = :id returning x.id"""
    return tx.execute(text(statement), {"id": household_id, "contact_id": contact_id, "now": tx.now}).first() is not None


def suggestions(tx: Tx, request: Request) -> Any:
    """A page of groups of one last name at one address, without those who are of a household."""
    shared = contact_addresses.c
    # First the addresses that several have, in the order of their index, so that a page ends the search.
    keys = (
        select(shared.address_key)
        .where(shared.tenant_id == func.app.tenant(), shared.address_key.is_not(None), shared.deleted_at.is_(None))
        .group_by(shared.address_key)
        .having(func.count() > 1)
        .subquery("keys")
    )
    places = contact_addresses.alias("a")
    a, c, m = places.c, contacts.c, household_members.c
    housed = select(1).where(m.tenant_id == func.app.tenant(), m.contact_id == c.id).exists()
    member = """json_agg(distinct jsonb_build_object(
      'contact_id', contacts.id, 'first_name', contacts.first_name, 'last_name', contacts.last_name))"""
    groups = (
        select(
            cast(func.min(cast(c.id, Text)), UuidType).label("id"),
            func.min(c.last_name).label("name"),
            func.min(a.address1).label("address1"),
            func.min(a.city).label("city"),
            func.min(a.postal).label("postal"),
            literal_column(member).label("contacts"),
        )
        .select_from(places.join(contacts, (c.tenant_id == func.app.tenant()) & (c.id == a.contact_id)))
        .where(a.tenant_id == func.app.tenant(), a.address_key == keys.c.address_key, a.deleted_at.is_(None))
        .where(c.deleted_at.is_(None), c.last_name.is_not(None), ~housed)
        .group_by(func.lower(c.last_name))
        .having(func.count(c.id.distinct()) > 1)
        .lateral("groups")
    )
    g = groups.c
    statement = select(g.name, g.address1, g.city, g.postal, g.contacts).select_from(keys.join(groups, true()))
    return page(tx, statement, request, {"address": keys.c.address_key}, g.id)
