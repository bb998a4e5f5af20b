"""Duplicates in the database: blocking keys, people as the matcher sees them, suggestions."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal_column, select, text

from clientway.db import Tx
from clientway.ids import uuid7
from clientway.lifecycle.client_tables import duplicate_suggestions
from clientway.lifecycle.duplicates.rules import AUTOMATIC, Person, Verdict, address, person
from clientway.lifecycle.duplicates.schemas import DuplicateSuggestion
from clientway.lifecycle.tables import contacts
from clientway.paging import Request, one, page

Pair = tuple[UUID, UUID]

# A change may be committed this long after the moment that it says of itself.
_LATE = timedelta(minutes=15)
_MOST_OF_A_KEY = 50
"""Of a key that more contacts have, as many as this are looked at: it says little."""
_MOST_COMPARED = 30
"""With so many others one contact is compared, which bounds what a batch takes."""
_SHARED_FROM = 3
"""A phone of this many contacts is a family's or an office's."""

# The state of a contact that its keys are of, kept as a key like no other.
_MARK = """'=' || c.version || ':' || coalesce((
  select max(a.updated_at)::text from contact_addresses a where a.tenant_id = app.tenant() and a.contact_id = c.id), '')"""

# Each branch goes along its index and stops at so many: what lies behind them is not read for every batch.
_UNMARKED = f"""c.deleted_at is null and not exists (
     select from contact_match_keys k where k.tenant_id = app.tenant() and k.contact_id = c.id and k.key = {_MARK})"""
_DUE = text(f"""
with scan as (
  insert into duplicate_scans (updated_at) values (:now)
  on conflict (tenant_id) do update set updated_at = excluded.updated_at returning seen_at),
changed as (
  (select c.id, c.updated_at as moment from contacts c
    where c.tenant_id = app.tenant() and c.updated_at >= (select s.seen_at from scan s) and {_UNMARKED}
    order by c.updated_at, c.id limit :most)
  union all
  (select c.id, x.updated_at from contact_addresses x join contacts c on c.tenant_id = app.tenant() and c.id = x.contact_id
    where x.tenant_id = app.tenant() and x.updated_at >= (select s.seen_at from scan s) and {_UNMARKED}
    order by x.updated_at, x.id limit :most))
select h.id, min(h.moment) as moment from changed h group by h.id order by 2, 1 limit :most
""")

_SEEN = text("update duplicate_scans set seen_at = greatest(seen_at, :seen_at) where tenant_id = app.tenant()")

_PEOPLE = text(f"""
select c.id, c.first_name, c.last_name, c.birth_date::text as born,
       {_MARK} as mark,
       (select coalesce(jsonb_agg(e.email_norm), '[]') from contact_emails e
         where e.tenant_id = app.tenant() and e.contact_id = c.id) as emails,
       (select coalesce(jsonb_agg(p.phone_e164), '[]') from contact_phones p
         where p.tenant_id = app.tenant() and p.contact_id = c.id and p.phone_e164 is not null
           and (select count(*) from (
                  select 1 from contact_phones y where y.tenant_id = app.tenant() and y.phone_e164 = p.phone_e164 and y.live
                   limit {_SHARED_FROM}) z) < {_SHARED_FROM}) as phones,
       (select coalesce(jsonb_agg(jsonb_build_array(a.address1, a.address2, a.city, a.postal, a.state)), '[]') from contact_addresses a
         where a.tenant_id = app.tenant() and a.contact_id = c.id and a.deleted_at is null) as addresses
  from contacts c where c.tenant_id = app.tenant() and c.id = any (cast(:ids as uuid[])) and c.deleted_at is null
""")

_INDEX = text("""
with given as (select g.contact_id, g.key from jsonb_to_recordset(cast(:keys as jsonb)) as g(contact_id uuid, key text)),
gone as (
  delete from contact_match_keys k where k.tenant_id = app.tenant() and k.contact_id = any (cast(:ids as uuid[]))
     and not exists (select from given g where g.contact_id = k.contact_id and g.key = k.key))
insert into contact_match_keys (contact_id, key) select g.contact_id, g.key from given g on conflict do nothing
""")

# A contact is compared with those that it has most in common with; who has its number, address or birthday counts for more.
_CANDIDATES = text(f"""
with shared as (
  select k.contact_id as mine, o.contact_id as theirs, sum(case when left(k.key, 1) in ('t', 'e', 'd') then 4 else 1 end) as weight
    from contact_match_keys k
   cross join lateral (
     select x.contact_id from contact_match_keys x
      where x.tenant_id = app.tenant() and x.key = k.key and x.contact_id <> k.contact_id
      order by x.contact_id limit {_MOST_OF_A_KEY}) o
   where k.tenant_id = app.tenant() and k.contact_id = any (cast(:ids as uuid[])) and left(k.key, 1) <> '='
   group by k.contact_id, o.contact_id),
ranked as (select s.mine, s.theirs, row_number() over (partition by s.mine order by s.weight desc, s.theirs) as place from shared s)
select distinct least(r.mine, r.theirs) as one, greatest(r.mine, r.theirs) as other from ranked r where r.place <= {_MOST_COMPARED}
""")

# A pair that was dismissed stays so; what changed of an open one is told.
_SUGGEST = text("""
insert into duplicate_suggestions as d (id, contact_id, other_id, score, reasons, created_at, updated_at)
select s.id, s.contact_id, s.other_id, s.score, s.reasons, :now, :now
  from jsonb_to_recordset(cast(:suggestions as jsonb)) as s(id uuid, contact_id uuid, other_id uuid, score integer, reasons jsonb)
 order by s.contact_id, s.other_id
on conflict (tenant_id, contact_id, other_id) do update
   set score = excluded.score, reasons = excluded.reasons, version = d.version + 1, updated_at = excluded.updated_at
 where d.status = 'open' and d.reasons <> excluded.reasons
""")

_ESSENTIALS = """(
 select json_build_object('id', c.id, 'first_name', c.first_name, 'last_name', c.last_name, 'email', c.email, 'phone', c.phone,
          'birth_date', c.birth_date, 'organization_id', c.organization_id,
          'organization_name', (select coalesce(o.dba_name, o.legal_name) from organizations o
                                 where o.tenant_id = app.tenant() and o.id = c.organization_id),
          'created_at', c.created_at, 'deleted_at', c.deleted_at)
   from contacts c where c.tenant_id = app.tenant() and c.id = duplicate_suggestions.{column})"""

_D = duplicate_suggestions.c
_SHOWN: dict[str, ColumnElement[Any]] = {
    "contact": literal_column(_ESSENTIALS.format(column="contact_id")),
    "other": literal_column(_ESSENTIALS.format(column="other_id")),
    "match": literal_column(f"case when duplicate_suggestions.score >= {AUTOMATIC} then 'automatic' else 'suggestion' end"),
}
_COLUMNS = [_SHOWN[name].label(name) if name in _SHOWN else _D[name] for name in DuplicateSuggestion.model_fields]
_SORTS = {"score": _D.score}


@dataclass(frozen=True)
class Record:
    """A contact as the matcher sees it, and the mark of the state that it was in."""

    person: Person
    mark: str


def due(tx: Tx, most: int) -> tuple[list[UUID], Any]:
    """Contacts that changed since they were looked at, and the moment of the last of them. Holds off other scans of the tenant."""
    rows = tx.execute(_DUE, {"now": tx.now, "most": most}).all()
    return [row.id for row in rows], rows[-1].moment if rows else None


def seen(tx: Tx, moment: Any | None) -> None:
    """Note up to where all was looked at: `moment`, or as good as now."""
    tx.later(_SEEN, {"seen_at": min(moment or tx.now, tx.now) - _LATE})


def people(tx: Tx, ids: Collection[UUID]) -> dict[UUID, Record]:
    """Live contacts as the matcher sees them."""
    found = {}
    for row in tx.execute(_PEOPLE, {"ids": _array(ids)}):
        places = [address(*place) for place in row.addresses]
        known = person(row.first_name, row.last_name, born=row.born, emails=row.emails, phones=row.phones, addresses=places)
        found[row.id] = Record(known, row.mark)
    return found


def index(tx: Tx, keys: Mapping[UUID, Iterable[str]]) -> None:
    """Replace the keys of contacts."""
    rows = [{"contact_id": str(contact_id), "key": key[:400]} for contact_id, of_one in keys.items() for key in of_one]
    tx.later(_INDEX, {"keys": json.dumps(rows), "ids": _array(keys)})


def candidates(tx: Tx, ids: Collection[UUID]) -> list[Pair]:
    """The pairs of these with anybody who has a key in common with them."""
    return [(row.one, row.other) for row in tx.execute(_CANDIDATES, {"ids": _array(ids)})]


def suggest(tx: Tx, verdicts: Mapping[Pair, Verdict]) -> None:
    """Write down pairs that somebody should look at."""
    rows = [
        {
            "id": str(uuid7()), "contact_id": str(pair[0]), "other_id": str(pair[1]), "score": verdict.score,
            "reasons": [asdict(reason) for reason in verdict.reasons],
        }
        for pair, verdict in verdicts.items()
    ]  # fmt: skip
    tx.later(_SUGGEST, {"suggestions": json.dumps(rows), "now": tx.now})


def find(tx: Tx, request: Request, *, status: str, min_score: int | None, contact_id: UUID | None) -> Any:
    """A page of suggestions; open ones only between live contacts."""
    conditions = [_D.tenant_id == func.app.tenant(), _D.status == status]
    if min_score is not None:
        conditions.append(_D.score >= min_score)
    if contact_id is not None:
        conditions.append((_D.contact_id == contact_id) | (_D.other_id == contact_id))
    if status == "open":
        for column in (_D.contact_id, _D.other_id):
            c = contacts.alias()
            live = select(1).where(c.c.tenant_id == func.app.tenant(), c.c.id == column, c.c.deleted_at.is_(None))
            conditions.append(live.exists())
    return page(tx, select(*_COLUMNS).where(*conditions), request, _SORTS, _D.id)


def lock(tx: Tx, suggestion_id: UUID) -> tuple[str, int] | None:
    """Lock a suggestion; its status and version, or None."""
    statement = select(_D.status, _D.version).where(_D.tenant_id == func.app.tenant(), _D.id == suggestion_id)
    row = tx.execute(statement.with_for_update(key_share=True)).one_or_none()
    return None if row is None else (row.status, row.version)


def set_status(tx: Tx, suggestion_id: UUID, status: str) -> None:
    """Write the status of a locked suggestion."""
    changed = duplicate_suggestions.update().where(_D.tenant_id == func.app.tenant(), _D.id == suggestion_id)
    tx.execute(changed.values(status=status, version=_D.version + 1, updated_at=tx.now))


def read(tx: Tx, suggestion_id: UUID) -> Any:
    """One suggestion."""
    found = select(*_COLUMNS).where(_D.tenant_id == func.app.tenant(), _D.id == suggestion_id).subquery("r")
    return one(tx.execute(select(literal_column("row_to_json(r)::text"), found.c.version).select_from(found)).one_or_none())


def _array(ids: Iterable[UUID]) -> str:
    return "{" + ",".join(str(one) for one in ids) + "}"
