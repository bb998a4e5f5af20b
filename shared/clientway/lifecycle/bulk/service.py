"""Organizations with their locations and contacts, many at a time: what imports and migrations read and write.

A handful of statements for hundreds of records. What the single endpoints keep right by locking one organization
(search text, completeness, primary rows, slugs) is kept right here for all of them at once.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, TextClause, text

from clientway import normalise
from clientway.db import Tx
from clientway.ids import uuid7
from clientway.lifecycle.bulk import identities
from clientway.lifecycle.organizations import rules
from clientway.lifecycle.organizations.completeness import (
    LOCATION_WEIGHTS,
    ORGANIZATION_WEIGHTS,
    data_completeness,
    location_completeness,
)
from clientway.lifecycle.organizations.schemas import MOST_TAGS
from clientway.moments import rfc3339

Row = dict[str, Any]
TABLES = ("organizations", "locations", "contacts")
_LOCATION_FOLLOWS = ("data_completeness", "missing_fields")
_CONTACT_FOLLOWS = ("name_norm", "search_text")

# `stale`: what waited for a lock sees the locked row as it is now and all others as they were before (see organizations.dossier).
_RECORDS = """
select to_jsonb(o) as organization,
       o.xmin::text <> (select s.xmin::text from organizations s where s.tenant_id = o.tenant_id and s.id = o.id) as stale,
       (select coalesce(jsonb_agg(to_jsonb(l) order by l.is_primary desc, l.created_at, l.id), '[]') from locations l
         where l.tenant_id = app.tenant() and l.organization_id = o.id and l.deleted_at is null) as places,
       (select coalesce(jsonb_agg(to_jsonb(c) order by c.is_primary desc, c.created_at, c.id), '[]') from contacts c
         where c.tenant_id = app.tenant() and c.organization_id = o.id and c.deleted_at is null) as contacts,
       array(select g.tag from organization_tags g where g.tenant_id = app.tenant() and g.organization_id = o.id) as tags
  from organizations o where o.tenant_id = app.tenant() and o.id {which} and o.deleted_at is null
 order by o.id for no key update of o
"""
SECONDARY = "secondary_reach"
"""In a contact's row: what else it is found by, which is no column of it."""
ADDED_TAGS = "added_tags"
"""In what an organization was before a change: the tags that it did not have."""
_HITS = """
with hits as (
  select id from organizations
   where tenant_id = app.tenant() and source = :source and source_id = any (cast(:source_ids as text[])) and deleted_at is null
  union
  select c.organization_id from contact_emails e
    join contacts c on c.tenant_id = app.tenant() and c.id = e.contact_id and c.deleted_at is null and c.organization_id is not null
   where e.tenant_id = app.tenant() and e.email_norm = any (cast(:emails as text[])) and e.live
  union
  select organization_id from locations
   where tenant_id = app.tenant() and address_key = any (cast(:addresses as text[])) and deleted_at is null
  union
  select organization_id from locations
   where tenant_id = app.tenant() and phone_e164 = any (cast(:phones as text[])) and deleted_at is null)
"""
_MATCHING = text(_HITS + _RECORDS.format(which="in (select id from hits)"))
_BY_ID = text(_RECORDS.format(which="= any (cast(:ids as uuid[]))"))


@dataclass
class Record:
    """An organization with its rows, as they are or are going to be."""

    organization: Row
    places: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)


@dataclass
class Changes:
    """What a batch writes: new rows by table, changed fields by table and id, new tags by organization."""

    records: dict[str, Record] = field(default_factory=dict)
    new: dict[str, dict[str, Row]] = field(default_factory=lambda: {table: {} for table in TABLES})
    updates: dict[str, dict[str, Row]] = field(default_factory=lambda: {table: {} for table in TABLES})
    tags: set[tuple[str, str]] = field(default_factory=set)

    def change(self, table: str, row: Row, fields: Row) -> None:
        """Change fields of a row that is there or is yet to be written."""
        row.update(fields)
        if row["id"] not in self.new[table]:
            self.updates[table].setdefault(row["id"], {}).update(fields)

    def tag(self, record: Record, tags: Iterable[str]) -> list[str]:
        """Add tags as far as there is room; those that are new to the organization. They count as a change of it."""
        new = [tag for tag in dict.fromkeys(tags) if tag not in record.tags][: max(0, MOST_TAGS - len(record.tags))]
        if new:
            record.tags.update(new)
            self.tags |= {(record.organization["id"], tag) for tag in new}
            self.change("organizations", record.organization, {})
        return new


def matching(
    tx: Tx, *, source: str, source_ids: Sequence[str], emails: Sequence[str], phones: Sequence[str], addresses: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Lock and read every organization that has one of these keys, with its locations and contacts."""
    given = {"source": source, "source_ids": list(source_ids), "emails": list(emails), "phones": list(phones), "addresses": list(addresses)}
    return [dict(row) for row in _fetch(tx, _MATCHING, given)]


def by_ids(tx: Tx, organization_ids: Iterable[str]) -> dict[str, Record]:
    """Lock and read live organizations with their locations and contacts, by id."""
    rows = _fetch(tx, _BY_ID, {"ids": "{" + ",".join(organization_ids) + "}"})
    return {row["organization"]["id"]: Record(row["organization"], row["places"], row["contacts"], set(row["tags"])) for row in rows}


def _fetch(tx: Tx, statement: TextClause, given: Row) -> Sequence[RowMapping]:
    """Rows as they are while they are locked: a statement that had to wait is run again, now without a wait."""
    while True:
        rows = tx.execute(statement, given).mappings().all()
        if not any(row["stale"] for row in rows):
            return rows


def new_row(table: str, fields: Row) -> Row:
    """A row to be: its id and what was given; the rest is filled in by `write`. A slug that was given is kept where it is free."""
    return {"id": str(uuid7()), **fields, "version": 1, "table": table}


def write(tx: Tx, changes: Changes, *, currency: str) -> None:
    """Write a batch. Unique violations pass: whoever raced us has written first, and the batch is to be run again."""
    _find_by_all(tx, changes)
    for record in changes.records.values():
        _derive(record)
    for table, base in (("organizations", _organization_slug), ("locations", _location_slug), ("contacts", _contact_slug)):
        _give_slugs(tx, table, list(changes.new[table].values()), base)
    for table in TABLES:
        rows = list(changes.new[table].values())
        if rows:
            _insert(tx, table, _complete(tx, table, rows, currency))
    derived = {
        one: {name: record.organization[name] for name in ("name_norm", "search_text", "data_completeness", "missing_fields")}
        for one, record in changes.records.items() if one not in changes.new["organizations"]
    }  # fmt: skip
    _follow(changes)
    for table in TABLES:
        fields = changes.updates[table]
        if table == "organizations":
            fields = {one: {**derived[one], **fields.get(one, {})} for one in derived}
        if fields:
            _update(tx, table, fields, counted=set(changes.updates[table]))
    if changes.tags:
        tags = [{"organization_id": one, "tag": tag} for one, tag in sorted(changes.tags)]
        _insert(tx, "organization_tags", tags, on_conflict="on conflict do nothing")
    readdressed = [one for one, fields in changes.updates["contacts"].items() if fields.get("email_norm")]
    identities.link(tx, new=changes.new["contacts"].values(), readdressed=readdressed)


def refresh(tx: Tx, organization_ids: Iterable[str], *, currency: str) -> None:
    """Work out again what follows from organizations' rows, after those were put back as they were."""
    found = by_ids(tx, organization_ids)
    if not found:
        return
    before = {table: {row["id"]: {name: row[name] for name in names} for row in rows} for table, rows, names in _parts(found)}
    write(tx, Changes(records=found), currency=currency)
    for table, rows, names in _parts(found):
        fields = {row["id"]: {name: row[name] for name in names} for row in rows}
        moved = {one: now for one, now in fields.items() if now != before[table][one]}
        if moved:
            _update(tx, table, moved, counted=set())


def _parts(records: Mapping[str, Record]) -> Iterator[tuple[str, list[Row], tuple[str, ...]]]:
    """The locations and the contacts of some organizations, each with what follows from its other fields or its neighbours."""
    yield "locations", [row for one in records.values() for row in one.places], ("is_primary", *_LOCATION_FOLLOWS)
    yield "contacts", [row for one in records.values() for row in one.contacts], ("is_primary", *_CONTACT_FOLLOWS)


def versions(tx: Tx, ids: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The versions that rows have by now, by id."""
    if not ids:
        return {}
    # One JSON object: pg8000 takes longer over a uuid than the database over its row.
    each = (f"select id, version from {table} where tenant_id = app.tenant() and id = any (cast(:{table} as uuid[]))" for table in ids)
    statement = text(f"select json_object_agg(v.id, v.version) from ({' union all '.join(each)}) v")
    found: dict[str, int] = tx.scalar(statement, {table: "{" + ",".join(wanted) + "}" for table, wanted in ids.items()})
    return found or {}


_DEFAULTS: Mapping[str, Row] = {
    "organizations": {"industry": "restaurant", "lifecycle_stage": "lead", "lifecycle_sequence": 0},
    "locations": {"country": "US", "is_primary": False, "status": "active"},
    "contacts": {
        "is_primary": False, "is_decision_maker": False, "portal_enabled": False, "do_not_contact": False, "total_emails_received": 0,
        "total_emails_opened": 0, "status": "active",
    },
}  # fmt: skip


def _complete(tx: Tx, table: str, rows: Iterable[Row], currency: str) -> list[Row]:
    """New rows with what the database would have filled in: an insert of many names every column that one of them has."""
    moment = rfc3339(tx.now)
    common = {"created_at": moment, "updated_at": moment, **_DEFAULTS[table], **({"currency": currency} if table == "locations" else {})}
    return [common | {name: value for name, value in row.items() if name != "table" and value is not None} for row in rows]


def _derive(record: Record) -> None:
    """Fill in the columns that follow from others."""
    own = record.organization
    for rows in (record.places, record.contacts):
        if rows and not any(row.get("is_primary") for row in rows):
            rows[0]["is_primary"] = True
    for place in record.places:
        place["name"] = place.get("name") or own.get("dba_name") or own["legal_name"]
        rated = location_completeness({name: place.get(name) for name in LOCATION_WEIGHTS})
        place |= {"data_completeness": rated.percent, "missing_fields": list(rated.missing)}
    for contact in record.contacts:
        derive_contact(contact)
    place = next((one for one in record.places if one.get("is_primary")), {})
    contact = next((one for one in record.contacts if one.get("is_primary")), {})
    parts = {"location": place, "contact": contact}
    known = _DEFAULTS["organizations"] | {name: value for name, value in own.items() if value is not None}
    facts = {}
    for name in ORGANIZATION_WEIGHTS:
        part, dot, column = name.partition(".")
        facts[name] = parts[part].get(column) if dot else known.get(name)
    rated = data_completeness(facts)
    reaches = [rules.reach(one.get("phone") or "", one.get("phone_e164"), one.get("email_norm")) for one in record.places]
    own |= {
        "name_norm": rules.name_norm(own["legal_name"], own.get("dba_name")),
        "search_text": rules.search_text([own["legal_name"], own.get("dba_name")], reaches),
        "data_completeness": rated.percent,
        "missing_fields": list(rated.missing),
    }


def _follow(changes: Changes) -> None:
    """What follows from the fields of a changed location or contact is written with them."""
    for record in changes.records.values():
        for table, rows, follows in (("locations", record.places, _LOCATION_FOLLOWS), ("contacts", record.contacts, _CONTACT_FOLLOWS)):
            for row in rows:
                if row["id"] in changes.updates[table]:
                    changes.updates[table][row["id"]] |= {name: row[name] for name in follows}


def derive_contact(contact: Row) -> None:
    """Fill in what a contact is found and sorted by."""
    full = " ".join(name for name in (contact.get("first_name"), contact.get("last_name")) if name)
    contact["name_norm"] = rules.name_norm(full, contact.get("email"), contact.get("phone"))
    reach = rules.reach(contact.get("phone") or "", contact.get("phone_e164"), contact.get("email_norm"))
    contact["search_text"] = rules.search_text([full], [reach, *contact.get(SECONDARY, "").split("\n")])


_SECONDARY = text("""
select s.contact_id, string_agg(s.reach, chr(10) order by s.reach) from (
  select e.contact_id, e.email_norm as reach from contact_emails e
   where e.tenant_id = app.tenant() and e.contact_id = any (cast(:ids as uuid[])) and not e.is_primary
  union all
  select p.contact_id, regexp_replace(coalesce(p.phone_e164, p.phone), '[^0-9]', '', 'g') from contact_phones p
   where p.tenant_id = app.tenant() and p.contact_id = any (cast(:ids as uuid[])) and not p.is_primary) s
 group by s.contact_id
""")


def _find_by_all(tx: Tx, changes: Changes) -> None:
    """Have the contacts that were there before found by their further e-mails and phones, too (see derive_contact)."""
    there = {row["id"]: row for record in changes.records.values() for row in record.contacts if row["id"] not in changes.new["contacts"]}
    if there:
        for contact_id, reaches in tx.execute(_SECONDARY, {"ids": "{" + ",".join(there) + "}"}):
            there[str(contact_id)][SECONDARY] = reaches


def _organization_slug(row: Row) -> str:
    return str(row.get("slug") or normalise.slug(row["legal_name"]))


def _location_slug(row: Row) -> str:
    return normalise.slug(" ".join(part for part in (row["name"], row.get("city")) if part), fallback="location")


def _contact_slug(row: Row) -> str:
    full = " ".join(name for name in (row.get("first_name"), row.get("last_name")) if name)
    mailbox = (row.get("email") or "").partition("@")[0]
    return str(row.get("slug") or normalise.slug(full, fallback="") or normalise.slug(mailbox, fallback="contact"))


def _give_slugs(tx: Tx, table: str, rows: list[Row], base: Any) -> None:
    """The first free of name, name-2 … name-9; chains with more get a piece of their id."""
    if not rows:
        return
    wanted = {row["id"]: base(row) for row in rows}
    counts = Counter(wanted.values())
    taken = _taken_slugs(tx, table, counts)
    # Few names are wanted twice: only theirs are looked for with a number behind.
    contested = [slug for slug, count in counts.items() if count > 1 or slug in taken]
    taken |= _taken_slugs(tx, table, (f"{slug}-{n}" for slug in contested for n in range(2, 10)))
    late = []
    for row in rows:
        slug = wanted[row["id"]]
        if slug in taken:
            late.append(row)
        else:
            taken.add(slug)
            row["slug"] = slug
    for row in late:
        slug = wanted[row["id"]]
        free = next((one for n in range(2, 10) if (one := f"{slug}-{n}") not in taken), f"{slug}-{row['id'][-10:]}")
        taken.add(free)
        row["slug"] = free


def _taken_slugs(tx: Tx, table: str, slugs: Iterable[str]) -> set[str]:
    asked = sorted(slugs)
    statement = text(f"select slug from {table} where tenant_id = app.tenant() and slug = any (cast(:slugs as text[]))")
    return set(tx.execute(statement, {"slugs": asked}).scalars()) if asked else set()


def _insert(tx: Tx, table: str, rows: list[Row], *, on_conflict: str = "") -> None:
    names = sorted({name for row in rows for name in row})
    columns = ", ".join(names)
    statement = text(f"""
      insert into {table} ({columns}) select {columns} from jsonb_populate_recordset(null::{table}, cast(:rows as jsonb)) {on_conflict}""")
    tx.execute(statement, {"rows": json.dumps(rows, default=str)})


def _update(tx: Tx, table: str, fields: Mapping[str, Row], *, counted: set[str]) -> None:
    """Write changed fields; `counted` rows get a new version, the others changed only in what is derived."""
    names = sorted({name for row in fields.values() for name in row})
    sets = ", ".join(f"{name} = case when r.fields ? '{name}' then b.{name} else x.{name} end" for name in names)
    statement = text(f"""
      update {table} x set {sets}, updated_at = :now, version = x.version + r.counts
        from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, counts integer, fields jsonb)
       cross join lateral jsonb_populate_record(null::{table}, r.fields) b
       where x.tenant_id = app.tenant() and x.id = r.id""")
    rows = [{"id": one, "counts": int(one in counted), "fields": row} for one, row in fields.items()]
    tx.execute(statement, {"rows": json.dumps(rows, default=str), "now": tx.now})
