"""Contacts in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal_column, select, text
from sqlalchemy.sql.elements import ColumnElement

from clientway.db import Tx
from clientway.identity.people import service as people
from clientway.lifecycle.contacts.schemas import Contact, Filters
from clientway.lifecycle.organizations import dossier as dossiers
from clientway.lifecycle.organizations import rules
from clientway.lifecycle.organizations.dossier import REFRESH, Dossier, refresh
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.tables import contacts, organizations
from clientway.paging import Request, one, page

MOST_HITS = 1000
"""What a search looks at, at most."""

_NAMES = tuple(Contact.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"
# Linking rides in the flight of the write: the row just written is looked at once its person is known.
_LINKED_ANSWER = f"select row_to_json(r)::text, r.version, {people.LINK_SQL}::text from (select {', '.join(_NAMES)} from written) r"

_C = contacts.alias("c")
_O = organizations.alias("o")
_ORGANIZATION = (
    "case when o.id is not null then json_build_object("
    "'id', o.id, 'name', coalesce(o.dba_name, o.legal_name), 'lifecycle_stage', o.lifecycle_stage) end"
)
SORTS = {"updated_at": _C.c.updated_at, "created_at": _C.c.created_at, "name": _C.c.name_norm.collate("C").label("name_norm")}

_DEMOTED = """demoted as (
  update contacts c set is_primary = false, version = c.version + 1, updated_at = :now
   where c.tenant_id = app.tenant() and c.organization_id = :organization_id and c.is_primary and c.deleted_at is null
     and c.id <> cast(:contact_id as uuid) and :is_primary
  returning c.id)"""

_PROBES = """jsonb_build_object(
  'same_email', (select x.id from contacts x where x.tenant_id = app.tenant()
                    and x.email_norm = cast(:email_norm as text) and x.deleted_at is null),
  'same_hubspot', (select x.id from contacts x where x.tenant_id = app.tenant()
                      and x.hubspot_contact_id = cast(:hubspot_contact_id as text) and x.deleted_at is null),
  'location_of', (select x.organization_id from locations x where x.tenant_id = app.tenant() and x.id = cast(:location_id as uuid)
                     and x.deleted_at is null))"""


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of an organization's contacts."""
    c = contacts.c
    statement = select(*(c[name] for name in _NAMES)).where(c.tenant_id == func.app.tenant(), c.organization_id == organization_id)
    if not include_deleted:
        statement = statement.where(c.deleted_at.is_(None))
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


def listing(filters: Filters) -> Select[Any]:
    """All contacts that a caller asked for, each with its organization, in no order yet."""
    joined = _C.outerjoin(_O, (_O.c.tenant_id == func.app.tenant()) & (_O.c.id == _C.c.organization_id))
    columns = (*(_C.c[name] for name in _NAMES), literal_column(_ORGANIZATION).label("organization"))
    return select(*columns).select_from(joined).where(_C.c.tenant_id == func.app.tenant(), *_conditions(filters))


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of all contacts."""
    return page(tx, listing(filters), request, SORTS, _C.c.id)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    c = _C.c
    equal = (
        "organization_id", "email_norm", "role_type", "status", "source",
        "is_primary", "is_decision_maker", "portal_enabled", "do_not_contact",
    )  # fmt: skip
    found: list[ColumnElement[bool]] = [c[name] == getattr(filters, name) for name in equal if getattr(filters, name) is not None]
    if not filters.include_deleted:
        found.append(c.deleted_at.is_(None))
    if filters.lifecycle_stage is not None:
        found.append(_O.c.lifecycle_stage == filters.lifecycle_stage)
    if filters.updated_since is not None:
        found.append(c.updated_at >= filters.updated_since)
    if filters.created_before is not None:
        found.append(c.created_at < filters.created_before)
    if filters.q is not None:
        found.append(_matches(rules.term(filters.q)))
    return found


def _matches(term: rules.Term) -> ColumnElement[bool]:
    if term.pattern is not None:
        return _C.c.id.in_(select(func.app.search_contacts(term.pattern, MOST_HITS).column_valued("hit")))
    return _C.c.name_norm.collate("C").op("^@", is_comparison=True)(term.prefix)


def read(tx: Tx, contact_id: UUID, *, include_deleted: bool = False) -> Any:
    """One contact, or None."""
    live = "" if include_deleted else "and c.deleted_at is null"
    statement = f"with written as (select c.* from contacts c where c.tenant_id = app.tenant() and c.id = :id {live}) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": contact_id}).one_or_none())


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What may already belong to another contact, or to another organization."""

    email_norm: str | None = None
    hubspot_contact_id: str | None = None
    location_id: UUID | None = None


def lock_organization(tx: Tx, organization_id: UUID, keys: Keys) -> Dossier | None:
    """Lock the organization of a contact to come; its probes say whom the keys belong to."""
    return dossiers.by_organization(tx, organization_id, probes=_PROBES, **vars(keys))


def lock(tx: Tx, contact_id: UUID, keys: Keys) -> Dossier | None:
    """Lock a contact, the target, with its organization; its probes say whom the keys belong to."""
    return dossiers.by_contact(tx, contact_id, probes=_PROBES, **vars(keys))


def same_keys(tx: Tx, keys: Keys) -> Mapping[str, Any]:
    """Whom the keys belong to, by now."""
    found: Mapping[str, Any] = tx.execute(text(f"select {_PROBES}"), vars(keys)).scalar_one()
    return found


def insert(tx: Tx, dossier: Dossier, row: Mapping[str, Any], derived: Mapping[str, Any], person: people.Reachable) -> Any:
    """Insert a contact under the first free slug, link its person, bring its organization in line; None if a unique key was just taken."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with given as (select * from jsonb_populate_record(null::contacts, cast(:row as jsonb))),
      {_DEMOTED},
      written as (
        insert into contacts ({names}, slug)
        select {values}, {free_slug("contacts")} from given g, (select count(*) from demoted) d
        on conflict do nothing returning *),
      refreshed as ({REFRESH} and exists (select from written))
      {_LINKED_ANSWER}"""
    given = {
        "row": json.dumps(row), "contact_id": row["id"], "is_primary": row["is_primary"], "people": people.blind([person]),
        **refresh(tx, dossier, derived),
    }  # fmt: skip
    return one(tx.execute(text(statement), given).one_or_none())


def update(tx: Tx, dossier: Dossier, row: Mapping[str, Any], derived: Mapping[str, Any], person: people.Reachable) -> Any:
    """Replace columns of a locked contact, link its person and bring its organization in line."""
    changes = ", ".join(f"{name} = g.{name}" for name in row)
    statement = f"""
      with given as (select * from jsonb_populate_record(null::contacts, cast(:row as jsonb))),
      {_DEMOTED},
      written as (
        update contacts c set {changes}, version = c.version + 1, updated_at = :now
          from given g, (select count(*) from demoted) d
         where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid) returning c.*),
      refreshed as ({REFRESH})
      {_LINKED_ANSWER}"""
    given = {
        "row": json.dumps(row), "contact_id": person.contact_id, "is_primary": row["is_primary"], "people": people.blind([person]),
        **refresh(tx, dossier, derived),
    }  # fmt: skip
    return one(tx.execute(text(statement), given).one())


_DELETE = text(f"""
with written as (
  update contacts c set deleted_at = :now, is_primary = false, version = c.version + 1, updated_at = :now
   where c.tenant_id = app.tenant() and c.id = :contact_id returning c.id),
promoted as (
  update contacts c set is_primary = true, version = c.version + 1, updated_at = :now from (select count(*) from written) w
   where c.tenant_id = app.tenant() and c.id = cast(:next_id as uuid))
{REFRESH}""")


def delete(tx: Tx, dossier: Dossier, contact_id: UUID, derived: Mapping[str, Any], *, next_primary: str | None) -> None:
    """Hide a locked contact; `next_primary` becomes the primary one."""
    tx.execute(_DELETE, {"contact_id": contact_id, "next_id": next_primary, **refresh(tx, dossier, derived)})
