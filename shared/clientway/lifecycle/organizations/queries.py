"""Organizations in the database."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal_column, or_, select, text
from sqlalchemy.sql.elements import ColumnElement

from clientway.db import Tx
from clientway.lifecycle.organizations import dossier, rules
from clientway.lifecycle.organizations.schemas import Filters
from clientway.lifecycle.organizations.slugs import free_slug
from clientway.lifecycle.tables import locations, organization_tags, organizations, reps
from clientway.paging import Request, one, page

MOST_HITS = 1000
"""What a search looks at, at most: whoever gets more has not said enough."""

# The columns of an answer, of `o`: the table in a list, the row just written in an answer to a change.
COLUMNS: Mapping[str, str] = {
    **{
        name: f"o.{name}"
        for name in (
            "id", "legal_name", "dba_name", "slug", "entity_type", "industry", "lifecycle_stage", "lifecycle_changed_at",
            "lifecycle_changed_by", "source", "source_id", "source_campaign", "hubspot_company_id", "stripe_customer_id",
            "square_customer_id",
        )
    },
    "tags": "(select coalesce(json_agg(t.tag order by t.tag), '[]') from organization_tags t"
    " where t.tenant_id = app.tenant() and t.organization_id = o.id)",
    "notes": "o.notes",
    "data_completeness": "o.data_completeness",
    "missing_fields": "o.missing_fields",
    "assigned_rep": "(select json_build_object('id', r.id, 'slug', r.slug, 'name', r.name) from reps r"
    " where r.tenant_id = app.tenant() and r.id = o.assigned_rep_id)",
    "primary_location": "(select json_build_object('id', l.id, 'name', l.name, 'city', l.city, 'state', l.state, 'phone', l.phone,"
    " 'email', l.email, 'website_url', l.website_url, 'pos_system', l.pos_system) from locations l"
    " where l.tenant_id = app.tenant() and l.organization_id = o.id and l.is_primary and l.deleted_at is null)",
    "primary_contact": "(select json_build_object('id', c.id, 'first_name', c.first_name, 'last_name', c.last_name, 'email', c.email,"
    " 'phone', c.phone, 'title', c.title, 'role_type', c.role_type) from contacts c"
    " where c.tenant_id = app.tenant() and c.organization_id = o.id and c.is_primary and c.deleted_at is null)",
    "version": "o.version",
    "created_at": "o.created_at",
    "updated_at": "o.updated_at",
    "deleted_at": "o.deleted_at",
}  # fmt: skip

_O = organizations.alias("o")
ROW_ID = _O.c.id
SORTS = {"updated_at": _O.c.updated_at, "created_at": _O.c.created_at, "name": _O.c.name_norm.collate("C").label("name_norm")}


def answer_sql(source: str, **replaced: str) -> str:
    """SQL of (JSON text, version) of the organization in `source`, which is named o; `replaced` are columns it knows better."""
    columns = ", ".join(f"{sql} as {name}" for name, sql in {**COLUMNS, **replaced}.items())
    return f"select row_to_json(r)::text, r.version from (select {columns} from {source} o) r"


def listing(filters: Filters) -> Select[Any]:
    """The columns of an answer for the organizations that a caller asked for, in no order yet."""
    o = _O.c
    columns: list[ColumnElement[Any]] = [literal_column(sql).label(name) for name, sql in COLUMNS.items()]
    statement: Select[Any] = select(*columns).select_from(_O)
    return statement.where(o.tenant_id == func.app.tenant(), *_conditions(filters))


def find(tx: Tx, request: Request, filters: Filters) -> Any:
    """A page of organizations."""
    return page(tx, listing(filters), request, SORTS, ROW_ID)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    o = _O.c
    found: list[ColumnElement[bool]] = []
    if not filters.include_deleted:
        found.append(o.deleted_at.is_(None))
    if filters.lifecycle_stage is not None:
        found.append(o.lifecycle_stage == filters.lifecycle_stage)
    if filters.source is not None:
        found.append(o.source == filters.source)
    if filters.rep is not None:
        found.append(o.assigned_rep_id == rep_id(filters.rep))
    if filters.updated_since is not None:
        found.append(o.updated_at >= filters.updated_since)
    if filters.created_before is not None:
        found.append(o.created_at < filters.created_before)
    if filters.tag is not None:
        t = organization_tags.c
        found.append(select(t.tag).where(t.tenant_id == func.app.tenant(), t.organization_id == o.id, t.tag == filters.tag).exists())
    found.extend(_at_locations(filters))
    if filters.q is not None:
        found.append(matches(rules.term(filters.q)))
    return found


def _at_locations(filters: Filters) -> list[ColumnElement[bool]]:
    """One location has to fulfil both: a Toast in Florida is neither a Toast in Texas nor a Square in Florida."""
    l = locations.c  # noqa: E741
    asked = [column == value for column, value in ((l.state, filters.state), (l.pos_system, filters.pos_system)) if value is not None]
    if not asked:
        return []
    # A deleted organization's locations are deleted with it.
    live = [] if filters.include_deleted else [l.deleted_at.is_(None)]
    return [select(l.id).where(l.tenant_id == func.app.tenant(), l.organization_id == _O.c.id, *asked, *live).exists()]


def rep_id(rep: str) -> Any:
    """The id of the rep that an id or a slug names."""
    try:
        return UUID(rep)
    except ValueError:
        return select(reps.c.id).where(reps.c.tenant_id == func.app.tenant(), reps.c.slug == rep).scalar_subquery()


def matches(term: rules.Term) -> ColumnElement[bool]:
    """Whether an organization is found by a search term."""
    if term.pattern is not None:
        hits = select(func.app.search_organizations(term.pattern, MOST_HITS).column_valued("hit"))
        return _O.c.id.in_(hits)
    return _O.c.name_norm.collate("C").op("^@", is_comparison=True)(term.prefix)


def read(tx: Tx, organization_id: UUID, *, include_deleted: bool = False) -> Any:
    """One organization, or None."""
    live = "" if include_deleted else " and x.deleted_at is null"
    source = f"(select x.* from organizations x where x.tenant_id = app.tenant() and x.id = :organization_id{live})"
    return one(tx.execute(text(answer_sql(source)), {"organization_id": organization_id}).one_or_none())


_ACTIVE_REP = "(select r.active from reps r where r.tenant_id = app.tenant() and r.id = cast(:assigned_rep_id as uuid))"


def lock(tx: Tx, organization_id: UUID, *, assigned_rep_id: UUID | None = None) -> dossier.Dossier | None:
    """Lock an organization; its probes say whether the rep to be assigned is active (null: there is no such rep)."""
    probes = f"jsonb_build_object('active_rep', {_ACTIVE_REP})"
    return dossier.by_organization(tx, organization_id, probes=probes, assigned_rep_id=assigned_rep_id)


_TAGGED = """tagged as (
  insert into organization_tags (organization_id, tag)
  select w.id, t.tag from written w, json_array_elements_text(cast(:tags as json)) t(tag)
  on conflict do nothing)"""


def insert(tx: Tx, row: Mapping[str, Any], tags: list[str]) -> Any:
    """Insert an organization under the first free slug, if its rep is active; None if that or a unique key stood against it."""
    names = ", ".join(name for name in row if name != "slug")
    values = ", ".join(f"g.{name}" for name in row if name != "slug")
    statement = f"""
      with given as (select * from jsonb_populate_record(null::organizations, cast(:row as jsonb))),
      written as (
        insert into organizations ({names}, slug) select {values}, {free_slug("organizations")} from given g
         where g.assigned_rep_id is null
            or exists (select from reps r where r.tenant_id = app.tenant() and r.id = g.assigned_rep_id and r.active)
        on conflict do nothing returning *),
      {_TAGGED}
      {answer_sql("written", tags="cast(:tags as json)")}"""
    return one(tx.execute(text(statement), {"row": json.dumps(row, default=str), "tags": json.dumps(tags)}).one_or_none())


@dataclass(frozen=True)
class Obstacle:
    """What stands against writing an organization."""

    kind: str
    existing_id: UUID | None


def obstacle(tx: Tx, row: Mapping[str, Any], *, besides: UUID | None = None) -> Obstacle | None:
    """The live organization that holds one of the row's unique keys, or the rep that cannot be assigned; None: only the slug."""
    o = organizations.c
    keys = {name: row.get(name) for name in ("hubspot_company_id", "stripe_customer_id")}
    same = [getattr(o, name) == value for name, value in keys.items() if value is not None]
    if row.get("source") is not None and row.get("source_id") is not None:
        same.append((o.source == row["source"]) & (o.source_id == row["source_id"]))
    if same:
        statement = select(o.id, o.source, o.source_id, o.hubspot_company_id, o.stripe_customer_id).where(
            o.tenant_id == func.app.tenant(), o.deleted_at.is_(None), or_(*same), *([o.id != besides] if besides else [])
        )
        found = tx.execute(statement.limit(1)).one_or_none()
        if found is not None:
            kind = next((name for name, value in keys.items() if value is not None and getattr(found, name) == value), "source_id")
            return Obstacle(kind, found.id)
    if row.get("assigned_rep_id") is not None:
        active = select(reps.c.id).where(reps.c.tenant_id == func.app.tenant(), reps.c.id == row["assigned_rep_id"], reps.c.active)
        if tx.execute(active).first() is None:
            return Obstacle("assigned_rep_id", None)
    return None


def update(tx: Tx, organization_id: UUID, row: Mapping[str, Any], tags: list[str]) -> Any:
    """Replace columns of a locked organization and its tags; its client account follows to another rep."""
    changes = ", ".join(f"{name} = g.{name}" for name in row)
    follows = """, follows as (
        update client_accounts a set assigned_rep_id = g.assigned_rep_id, version = a.version + 1, updated_at = :now
          from given g
         where a.tenant_id = app.tenant() and a.organization_id = :organization_id
           and a.assigned_rep_id is distinct from g.assigned_rep_id)"""
    statement = f"""
      with given as (select * from jsonb_populate_record(null::organizations, cast(:row as jsonb))),
      written as (
        update organizations o set {changes}, version = o.version + 1, updated_at = :now
          from given g where o.tenant_id = app.tenant() and o.id = :organization_id returning o.*),
      untagged as (
        delete from organization_tags t where t.tenant_id = app.tenant() and t.organization_id = :organization_id
           and not exists (select from json_array_elements_text(cast(:tags as json)) k(tag) where k.tag = t.tag)),
      {_TAGGED}{follows if "assigned_rep_id" in row else ""}
      {answer_sql("written", tags="cast(:tags as json)")}"""
    given = {"row": json.dumps(row, default=str), "tags": json.dumps(tags), "now": tx.now, "organization_id": organization_id}
    return one(tx.execute(text(statement), given).one())


_DELETE = text("""
with people as (
  update contacts c set deleted_at = :now, updated_at = :now, version = c.version + 1
   where c.tenant_id = app.tenant() and c.organization_id = :organization_id and c.deleted_at is null
), places as (
  update locations l set deleted_at = :now, updated_at = :now, version = l.version + 1
   where l.tenant_id = app.tenant() and l.organization_id = :organization_id and l.deleted_at is null
)
update organizations o set deleted_at = :now, updated_at = :now, version = o.version + 1
 where o.tenant_id = app.tenant() and o.id = :organization_id
""")


def delete(tx: Tx, organization_id: UUID) -> None:
    """Hide a locked organization with its locations and contacts."""
    tx.execute(_DELETE, {"organization_id": organization_id, "now": tx.now})


# What was deleted with the organization has its very time of deletion; what was deleted before stays deleted, and who was merged
# into another comes back by undoing that.
_RESTORE = text("""
with people as (
  update contacts c set deleted_at = null, updated_at = :now, version = c.version + 1
   where c.tenant_id = app.tenant() and c.organization_id = :organization_id and c.deleted_at = cast(:deleted_at as timestamptz)
     and c.merged_into is null
), places as (
  update locations l set deleted_at = null, updated_at = :now, version = l.version + 1
   where l.tenant_id = app.tenant() and l.organization_id = :organization_id and l.deleted_at = cast(:deleted_at as timestamptz)
)
update organizations o set deleted_at = null, updated_at = :now, version = o.version + 1
 where o.tenant_id = app.tenant() and o.id = :organization_id
""")


def restore(tx: Tx, organization_id: UUID, deleted_at: str) -> None:
    """Bring a locked organization back with what was deleted along with it."""
    tx.execute(_RESTORE, {"organization_id": organization_id, "now": tx.now, "deleted_at": deleted_at})


_TAKEN = text("""
with gone as (
  select c.id, c.hubspot_contact_id from contacts c
   where c.tenant_id = app.tenant() and c.organization_id = :organization_id and c.deleted_at = cast(:deleted_at as timestamptz)
     and c.merged_into is null)
select live.contact_id as id from gone
  join contact_emails e on e.tenant_id = app.tenant() and e.contact_id = gone.id
  join contact_emails live on live.tenant_id = app.tenant() and live.email_norm = e.email_norm and live.live
union all
select live.id from gone
  join contacts live on live.tenant_id = app.tenant() and live.hubspot_contact_id = gone.hubspot_contact_id and live.deleted_at is null
 limit 1
""")


def contact_in_the_way(tx: Tx, organization_id: UUID, deleted_at: str) -> UUID | None:
    """The live contact that holds the e-mail or HubSpot id of one that was deleted along with the organization."""
    row = tx.execute(_TAKEN, {"organization_id": organization_id, "deleted_at": deleted_at}).first()
    return None if row is None else row.id
