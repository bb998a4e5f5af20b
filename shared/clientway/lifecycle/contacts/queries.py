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
from clientway.lifecycle.client_tables import contact_custom_values, contact_emails, contact_tags
from clientway.lifecycle.contacts.columns import COLUMNS, CUSTOM_FIELDS, TAGS, answer_sql
from clientway.lifecycle.contacts.schemas import CustomFilter, Filters
from clientway.lifecycle.custom_fields.values import DEFINITIONS, Changed
from clientway.lifecycle.organizations import dossier as dossiers
from clientway.lifecycle.organizations import rules
from clientway.lifecycle.organizations.dossier import REFRESH, Dossier, refresh
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.reach import sql as reach
from clientway.lifecycle.tables import contacts, organizations
from clientway.paging import Request, one, page

MOST_HITS = 1000
"""What a search looks at, at most."""

# Linking rides in the flight of the write: the row just written is looked at once its person is known.
_LINKED_ANSWER = answer_sql("written", f"{people.LINK_SQL}::text", tags="cast(:tags as json)", custom_fields="cast(:custom as json)")

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
_TAGGED = """tagged as (
  insert into contact_tags (contact_id, tag)
  select w.id, t.tag from written w, json_array_elements_text(cast(:tags as json)) t(tag) on conflict do nothing)"""
_VALUED = """valued as (
  insert into contact_custom_values (contact_id, field_id, text_value, integer_value, number_value, boolean_value, date_value)
  select w.id, v.field_id, v.text_value, v.integer_value, v.number_value, v.boolean_value, v.date_value
    from written w, jsonb_populate_recordset(null::contact_custom_values, cast(:custom_rows as jsonb)) v
  on conflict (tenant_id, contact_id, field_id) do update
     set text_value = excluded.text_value, integer_value = excluded.integer_value, number_value = excluded.number_value,
         boolean_value = excluded.boolean_value, date_value = excluded.date_value)"""
_UNTAGGED = """untagged as (
  delete from contact_tags t where t.tenant_id = app.tenant() and t.contact_id = cast(:contact_id as uuid)
     and not exists (select from json_array_elements_text(cast(:tags as json)) k(tag) where k.tag = t.tag)),
unvalued as (
  delete from contact_custom_values v where v.tenant_id = app.tenant() and v.contact_id = cast(:contact_id as uuid)
     and v.field_id in (select k.id::uuid from json_array_elements_text(cast(:custom_cleared as json)) k(id)))"""

# An e-mail is taken whoever's it is, primary or not.
_KEYS = """jsonb_build_object(
  'same_email', (select x.contact_id from contact_emails x where x.tenant_id = app.tenant()
                    and x.email_norm = cast(:email_norm as text) and x.live),
  'same_hubspot', (select x.id from contacts x where x.tenant_id = app.tenant()
                      and x.hubspot_contact_id = cast(:hubspot_contact_id as text) and x.deleted_at is null),
  'location_of', (select x.organization_id from locations x where x.tenant_id = app.tenant() and x.id = cast(:location_id as uuid)
                     and x.deleted_at is null),
  'address_of', (select x.contact_id from contact_addresses x where x.tenant_id = app.tenant()
                    and x.id = cast(:default_address_id as uuid) and x.deleted_at is null))"""
_FIELDS = f"jsonb_build_object('fields', {DEFINITIONS})"
# Of the contact itself; which live one has an e-mail that this one has had, for when it comes back; and whether somebody changed
# it while we waited for its lock: then all but its row is still seen as it was (see organizations.dossier).
_OWN = f"""jsonb_build_object(
  'stale', c.xmin::text <> (select s.xmin::text from contacts s where s.tenant_id = app.tenant() and s.id = c.id),
  'tags', {TAGS}, 'custom', {CUSTOM_FIELDS}, 'reach', {reach.ROWS},
  'successor', (select x.contact_id from contact_emails e
                  join contact_emails x on x.tenant_id = app.tenant() and x.email_norm = e.email_norm and x.live and x.contact_id <> c.id
                 where e.tenant_id = app.tenant() and e.contact_id = c.id and not e.live limit 1))"""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """What may already belong to another contact, or to another organization."""

    email_norm: str | None = None
    hubspot_contact_id: str | None = None
    location_id: UUID | None = None
    default_address_id: UUID | None = None


@dataclass(frozen=True)
class Write:
    """A contact as it is to be: its columns, whoever they are of, its tags and the tenant's own fields."""

    row: Mapping[str, Any]
    person: people.Reachable
    tags: list[str]
    custom: Changed

    def parameters(self) -> dict[str, Any]:
        """What the statements that write it take."""
        return {
            "row": json.dumps(self.row), "people": people.blind([self.person]), "contact_id": self.person.contact_id,
            "tags": json.dumps(self.tags), "custom": json.dumps(self.custom.values), "custom_rows": json.dumps(self.custom.rows),
        }  # fmt: skip


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, include_deleted: bool) -> Any:
    """A page of an organization's contacts."""
    c = _C.c
    statement = select(*_columns()).select_from(_C).where(c.tenant_id == func.app.tenant(), c.organization_id == organization_id)
    if not include_deleted:
        statement = statement.where(c.deleted_at.is_(None))
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


def listing(filters: Filters) -> Select[Any]:
    """All contacts that a caller asked for, each with its organization, in no order yet."""
    joined = _C.outerjoin(_O, (_O.c.tenant_id == func.app.tenant()) & (_O.c.id == _C.c.organization_id))
    columns = (*_columns(), literal_column(_ORGANIZATION).label("organization"))
    return select(*columns).select_from(joined).where(_C.c.tenant_id == func.app.tenant(), *_conditions(filters))


def _columns() -> list[ColumnElement[Any]]:
    return [literal_column(sql).label(name) for name, sql in COLUMNS.items()]


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of all contacts."""
    return page(tx, listing(filters), request, SORTS, _C.c.id)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    c = _C.c
    equal = (
        "organization_id", "role_type", "status", "source", "pricing_tier",
        "is_primary", "is_decision_maker", "portal_enabled", "do_not_contact",
    )  # fmt: skip
    found: list[ColumnElement[bool]] = [c[name] == getattr(filters, name) for name in equal if getattr(filters, name) is not None]
    if not filters.include_deleted:
        found.append(c.deleted_at.is_(None))
    if filters.email_norm is not None:
        found.append(_has_email(filters.email_norm, include_deleted=filters.include_deleted))
    if filters.lifecycle_stage is not None:
        found.append(_O.c.lifecycle_stage == filters.lifecycle_stage)
    if filters.updated_since is not None:
        found.append(c.updated_at >= filters.updated_since)
    if filters.created_before is not None:
        found.append(c.created_at < filters.created_before)
    if filters.tag is not None:
        t = contact_tags.c
        found.append(select(t.tag).where(t.tenant_id == func.app.tenant(), t.contact_id == c.id, t.tag == filters.tag).exists())
    found.extend(map(_valued, filters.custom))
    if filters.q is not None:
        found.append(_matches(rules.term(filters.q)))
    return found


def _has_email(email_norm: str, *, include_deleted: bool) -> ColumnElement[bool]:
    """Whether an e-mail is one of the contact's; each of the two indexes on them has its own rows."""
    e = contact_emails.c
    holders = select(e.contact_id).where(e.tenant_id == func.app.tenant(), e.email_norm == email_norm)
    return _C.c.id.in_(holders.where(e.live).union_all(holders.where(~e.live)) if include_deleted else holders.where(e.live))


def _valued(asked: CustomFilter) -> ColumnElement[bool]:
    v = contact_custom_values.c
    compared = v[asked.column].op(asked.operator, is_comparison=True)(asked.value)
    own = (v.tenant_id == func.app.tenant(), v.contact_id == _C.c.id, v.field_id == asked.field_id)
    indexed = (func.length(v.text_value) <= 200,) if asked.column == "text_value" else ()  # noqa: PLR2004  (as the index has it)
    return select(v.field_id).where(*own, compared, *indexed).exists()


def _matches(term: rules.Term) -> ColumnElement[bool]:
    if term.pattern is not None:
        return _C.c.id.in_(select(func.app.search_contacts(term.pattern, MOST_HITS).column_valued("hit")))
    return _C.c.name_norm.collate("C").op("^@", is_comparison=True)(term.prefix)


# A merge has one survivor, which may have been merged since; an undone merge leaves no trace here.
_SURVIVOR = f"""
with recursive chain as (
  select c.id, c.merged_into, 0 as step from contacts c where c.tenant_id = app.tenant() and c.id = :id
  union all
  select c.id, c.merged_into, h.step + 1 from chain h join contacts c on c.tenant_id = app.tenant() and c.id = h.merged_into
   where h.step < 100
), survivor as (
  select c.*, h.step from chain h join contacts c on c.tenant_id = app.tenant() and c.id = h.id
   where h.merged_into is null and c.deleted_at is null)
{answer_sql("survivor", merged_into="case when c.step > 0 then c.id end")}"""
_AS_IT_IS = answer_sql("(select x.* from contacts x where x.tenant_id = app.tenant() and x.id = :id)")


def read(tx: Tx, contact_id: UUID, *, include_deleted: bool = False) -> Any:
    """One contact, or None; of one that was merged the survivor, unless deleted ones are asked for."""
    return one(tx.execute(text(_AS_IT_IS if include_deleted else _SURVIVOR), {"id": contact_id}).one_or_none())


def lock_organization(tx: Tx, organization_id: UUID, keys: Keys) -> Dossier | None:
    """Lock the organization of a contact to come; its probes say whom the keys belong to."""
    return dossiers.by_organization(tx, organization_id, probes=f"{_KEYS} || {_FIELDS}", **vars(keys))


def lock(tx: Tx, contact_id: UUID, keys: Keys) -> Dossier | None:
    """Lock a contact, the target, with its organization; its probes say whom the keys belong to, and what else it has."""
    probes = f"{_KEYS} || {_FIELDS} || {_OWN}"
    dossier = dossiers.by_contact(tx, contact_id, probes=probes, **vars(keys))
    if dossier is not None and (dossier.probes or {})["stale"]:
        dossier = dossiers.by_contact(tx, contact_id, probes=probes, **vars(keys))
    return dossier


_ALONE = text(f"""
select {_KEYS} || {_FIELDS} || jsonb_build_object('region', t.phone_region) from tenants t where t.tenant_id = app.tenant()""")


def probe(tx: Tx, keys: Keys) -> Mapping[str, Any]:
    """Whom the keys belong to, by now, and the tenant's own fields."""
    found: Mapping[str, Any] = tx.execute(_ALONE, vars(keys)).scalar_one()
    return found


def insert(tx: Tx, write: Write, dossier: Dossier | None = None, derived: Mapping[str, Any] | None = None) -> Any:
    """Insert a contact under the first free slug, link its person, bring its organization in line; None if a unique key was just taken."""
    names = ", ".join(name for name in write.row if name != "slug")
    values = ", ".join(f"g.{name}" for name in write.row if name != "slug")
    statement = f"""
      with given as (select * from jsonb_populate_record(null::contacts, cast(:row as jsonb))),
      {f"{_DEMOTED}," if dossier else ""}
      written as (
        insert into contacts ({names}, slug)
        select {values}, {free_slug("contacts")} from given g{", (select count(*) from demoted) d" if dossier else ""}
        on conflict do nothing returning *),
      {_TAGGED}, {_VALUED}
      {f", refreshed as ({REFRESH} and exists (select from written))" if dossier else ""}
      {_LINKED_ANSWER}"""
    given = write.parameters()
    if dossier:
        given |= {"is_primary": write.row["is_primary"], **refresh(tx, dossier, derived or {})}
    return one(tx.execute(text(statement), given).one_or_none())


def update(tx: Tx, dossier: Dossier, write: Write, derived: Mapping[str, Any]) -> Any:
    """Replace columns of a locked contact, link its person and bring its organization in line."""
    changes = ", ".join(f"{name} = g.{name}" for name in write.row)
    statement = f"""
      with given as (select * from jsonb_populate_record(null::contacts, cast(:row as jsonb))),
      {_DEMOTED},
      written as (
        update contacts c set {changes}, version = c.version + 1, updated_at = :now
          from given g, (select count(*) from demoted) d
         where c.tenant_id = app.tenant() and c.id = cast(:contact_id as uuid) returning c.*),
      {_UNTAGGED}, {_TAGGED}, {_VALUED},
      refreshed as ({REFRESH})
      {_LINKED_ANSWER}"""
    given = write.parameters() | {"is_primary": write.row.get("is_primary", False), "custom_cleared": json.dumps(write.custom.cleared)}
    return one(tx.execute(text(statement), {**given, **refresh(tx, dossier, derived)}).one())


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
