"""Undo what was written in bulk, as far as nobody has worked with it since."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import text

from clientway.db import Tx
from clientway.lifecycle.bulk import identities
from clientway.lifecycle.bulk.service import ADDED_TAGS, Row

_AT_ONCE = 500


def worked_on(tx: Tx, created: Mapping[str, Sequence[Row]]) -> set[str]:
    """Those of the organizations and contacts that were new, by table, that somebody has worked with since; all are locked.

    Their own versions need not tell: a job, a note or another contact may have been added. An organization is worked on with any of
    its contacts and locations, and with those that others added.
    """
    for table in ("organizations", "contacts"):
        for ids in _batches(sorted(str(row["id"]) for row in created[table])):
            tx.execute(_LOCK[table], {"ids": _array(ids)})
    found: set[str] = set()
    for ids in _batches([str(row["id"]) for row in created["contacts"]]):
        found |= {str(one) for one in tx.execute(_WORKED_ON["contacts"], {"ids": _array(ids)}).scalars()}
    ours = {str(row["id"]): row["version"] for table in ("locations", "contacts") for row in created[table] if row["id"] not in found}
    for ids in _batches([str(row["id"]) for row in created["organizations"]]):
        found |= {str(one) for one in tx.execute(_WORKED_ON["organizations"], {"ids": _array(ids)}).scalars()}
        found |= {parent for parent, one, version in tx.scalar(_WITHIN, {"ids": _array(ids)}) if ours.get(one) != version}
    return found


def revert(tx: Tx, table: str, rows: Sequence[Row]) -> set[str]:
    """Undo what was written: delete rows that were new (before is None), give the others their former fields back, take added tags away.

    `versions` of a row are those that it was given; one that somebody has changed since (its version is another) is left as it is.
    Returns the ids that were undone.
    """
    done: set[str] = set()
    for some in _batches(rows):
        done |= _revert(tx, table, some)
    return done


def earlier(before: Row, later: Row) -> Row:
    """What a row was before two changes, from what it was before each. Tags that were added add up."""
    tags = [*before.get(ADDED_TAGS, ()), *later.get(ADDED_TAGS, ())]
    return {**later, **before, **({ADDED_TAGS: tags} if tags else {})}


def _revert(tx: Tx, table: str, rows: Sequence[Row]) -> set[str]:
    # By id as well as by the join: right after an import the statistics are of an almost empty table, and for the join alone every row
    # of the tenant would be compared with every row given (4.4 s for 4,700 of 11,000).
    ids = _array([str(row["id"]) for row in rows])
    created = [row for row in rows if row["before"] is None]
    changed = [row for row in rows if row["before"] is not None]
    done: set[str] = set()
    if created:
        statement = text(f"""
          update {table} x set deleted_at = :now, updated_at = :now, version = x.version + 1
            from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, version bigint)
           where x.tenant_id = app.tenant() and x.id = r.id and x.version = r.version and x.deleted_at is null
             and x.id = any (cast(:ids as uuid[])) returning x.id""")
        given = json.dumps([{"id": row["id"], "version": row["version"]} for row in created])
        done |= {str(one) for one in tx.execute(statement, {"rows": given, "now": tx.now, "ids": ids}).scalars()}
    names = sorted({name for row in changed for name in row["before"]} - {ADDED_TAGS})
    if changed:
        sets = "".join(f"{name} = case when r.before ? '{name}' then b.{name} else x.{name} end, " for name in names)
        statement = text(f"""
          update {table} x set {sets}updated_at = :now, version = x.version + 1
            from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, version bigint, before jsonb)
           cross join lateral jsonb_populate_record(null::{table}, r.before) b
           where x.tenant_id = app.tenant() and x.id = r.id and x.version = r.version
             and x.id = any (cast(:ids as uuid[])) returning x.id""")
        given = json.dumps([{**row, "versions": sorted(row["versions"])} for row in changed], default=str)
        if table == "contacts":
            tx.execute(_KEEP_EMAILS, {"rows": given})
            tx.execute(_KEEP_PHONES, {"rows": given})
        done |= {str(one) for one in tx.execute(statement, {"rows": given, "now": tx.now, "ids": ids}).scalars()}
        if table == "contacts" and "email_norm" in names:
            identities.link(tx, readdressed=[str(row["id"]) for row in changed])
    tagged = [{"id": row["id"], "tag": tag} for row in changed if row["id"] in done for tag in row["before"].get(ADDED_TAGS, ())]
    if tagged:
        tx.execute(_UNTAG, {"rows": json.dumps(tagged)})
    return done


_UNTAG = text("""
delete from organization_tags g using jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, tag text)
 where g.tenant_id = app.tenant() and g.organization_id = r.id and g.tag = r.tag""")

# An e-mail or a phone that a contact had before, as a further one, is so again: what is cleared as the primary one is deleted
# (app.change_reach), and only what came with the change itself is to go.
_KEEP = """
update contact_{kind}s e set is_primary = false
  from jsonb_to_recordset(cast(:rows as jsonb)) as r(id uuid, version bigint, versions bigint[], before jsonb)
  join contacts c on c.tenant_id = app.tenant() and c.id = r.id and c.version = r.version
 where e.tenant_id = app.tenant() and e.contact_id = r.id and e.is_primary and r.before ? '{kind}'
   and e.id <> all (select md5(r.id || ':' || v)::uuid from unnest(r.versions) v)"""
_KEEP_EMAILS, _KEEP_PHONES = (text(_KEEP.format(kind=kind)) for kind in ("email", "phone"))

_LOCK = {
    table: text(
        f"select from {table} x where x.tenant_id = app.tenant() and x.id = any (cast(:ids as uuid[])) order by x.id for no key update"
    )
    for table in ("organizations", "contacts")
}
_WORKED_ON = {
    "organizations": text("select app.worked_on('organization_id', cast(:ids as uuid[]))"),
    "contacts": text("select app.worked_on('contact_id', cast(:ids as uuid[]))"),
}
_WITHIN = text("""
select coalesce(json_agg(json_build_array(x.organization_id, x.id, x.version)), '[]') from (
  select l.organization_id, l.id, l.version from locations l
   where l.tenant_id = app.tenant() and l.organization_id = any (cast(:ids as uuid[])) and l.deleted_at is null
  union all
  select c.organization_id, c.id, c.version from contacts c
   where c.tenant_id = app.tenant() and c.organization_id = any (cast(:ids as uuid[])) and c.deleted_at is null) x""")


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE))


def _array(ids: Sequence[str]) -> str:
    return "{" + ",".join(ids) + "}"
