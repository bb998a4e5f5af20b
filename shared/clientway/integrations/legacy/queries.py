"""Which old record became what, and how much a tenant has."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.integrations.tables import source_records

_REMEMBER = text("""
insert into source_records as s (source, source_id, organization_id, location_id, contact_id, marks, created_at, updated_at)
select :source, r.source_id, r.organization_id, r.location_id, r.contact_id, r.marks, :now, :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as r(source_id text, organization_id uuid, location_id uuid, contact_id uuid, marks jsonb)
on conflict (tenant_id, source, source_id) do update
   set organization_id = excluded.organization_id, location_id = excluded.location_id, contact_id = excluded.contact_id,
       marks = excluded.marks, updated_at = excluded.updated_at
""")
_COUNTS = text("""
select (select count(*) from organizations where tenant_id = app.tenant() and deleted_at is null) as organizations,
       (select count(*) from locations where tenant_id = app.tenant() and deleted_at is null) as locations,
       (select count(*) from contacts where tenant_id = app.tenant() and deleted_at is null) as contacts,
       (select count(*) from client_accounts where tenant_id = app.tenant()) as client_accounts,
       (select count(*) from lifecycle_transitions where tenant_id = app.tenant()) as lifecycle_transitions
""")


@dataclass(frozen=True)
class Entry:
    """What an old record became, and the marks of what it said then."""

    organization_id: str | None
    location_id: str | None
    contact_id: str | None
    marks: Mapping[str, str]


def known(tx: Tx, source: str, source_ids: Iterable[str]) -> dict[str, Entry]:
    """What became of old records so far, by their ids."""
    s = source_records.c
    wanted = select(s.source_id, s.organization_id, s.location_id, s.contact_id, s.marks)
    rows = tx.execute(wanted.where(s.tenant_id == func.app.tenant(), s.source == source, s.source_id == func.any(list(source_ids))))
    return {row.source_id: Entry(_id(row.organization_id), _id(row.location_id), _id(row.contact_id), row.marks) for row in rows}


def remember(tx: Tx, source: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down what old records became."""
    if rows:
        tx.execute(_REMEMBER, {"source": source, "rows": json.dumps(rows), "now": tx.now})


def counts(tx: Tx) -> dict[str, int]:
    """How many live rows the tenant has."""
    return dict(tx.execute(_COUNTS).mappings().one())


def _id(value: Any) -> str | None:
    return None if value is None else str(value)
