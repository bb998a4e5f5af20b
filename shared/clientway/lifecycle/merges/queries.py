"""Merges in the database: one call looks at both sides, one does it, one takes it back (migration 0014)."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal_column, select, text

from clientway.db import Tx
from clientway.identity.people import service as people
from clientway.identity.people.service import Reachable
from clientway.lifecycle.client_tables import contact_merges
from clientway.lifecycle.merges.schemas import ContactMerge
from clientway.paging import Request, one, page

_SIDES = text("select app.merge_sides(cast(:survivor_id as uuid), cast(:merged_id as uuid), cast(:lock as boolean))")
_UNDO_SIDES = text("select app.undo_sides(cast(:merge_id as uuid))")
# The person behind the survivor follows its e-mail, in the same flight.
_MERGE = text(f"select app.merge_contacts(cast(:plan as jsonb)), {people.LINK_SQL}::text")
_UNDO = text(f"select app.undo_merge(cast(:plan as jsonb)), {people.LINK_SQL}::text")

_SHOWN = {
    "before": literal_column("coalesce(contact_merges.before -> 'contact', '{}')"),
    "after": literal_column("coalesce(contact_merges.after -> 'contact', '{}')"),
    "moved": func.app.moved_counts(contact_merges.c.moved),
}
_COLUMNS = [_SHOWN[name].label(name) if name in _SHOWN else contact_merges.c[name] for name in ContactMerge.model_fields]


def sides(tx: Tx, survivor_id: UUID, merged_id: UUID, *, lock: bool) -> dict[str, Any]:
    """Both contacts by their ids, each with all that hangs on it, and the tenant's region."""
    found: dict[str, Any] = tx.scalar(_SIDES, {"survivor_id": survivor_id, "merged_id": merged_id, "lock": lock})
    return found


def merge(tx: Tx, plan: dict[str, Any], reachable: list[Reachable]) -> dict[str, int]:
    """Do what was decided; returns how many rows of each table changed hands."""
    moved: dict[str, int] = tx.scalar(_MERGE, {"plan": json.dumps(plan, default=str), "people": people.blind(reachable)})
    return moved


def undo_sides(tx: Tx, merge_id: UUID) -> dict[str, Any] | None:
    """A merge with both contacts, all locked; None when there is no such merge."""
    found: dict[str, Any] | None = tx.scalar(_UNDO_SIDES, {"merge_id": merge_id})
    return found


def undo(tx: Tx, plan: dict[str, Any], reachable: list[Reachable]) -> dict[str, dict[str, int]]:
    """Take a merge back; returns how many rows of each table went back and how many did not."""
    told: dict[str, dict[str, int]] = tx.scalar(_UNDO, {"plan": json.dumps(plan, default=str), "people": people.blind(reachable)})
    return told


def find(tx: Tx, request: Request, *, contact_id: UUID | None, undone: bool | None) -> Any:
    """A page of merges."""
    c = contact_merges.c
    conditions = [c.tenant_id == func.app.tenant()]
    if contact_id is not None:
        conditions.append((c.survivor_id == contact_id) | (c.merged_id == contact_id))
    if undone is not None:
        conditions.append(c.undone_at.is_not(None) if undone else c.undone_at.is_(None))
    return page(tx, select(*_COLUMNS).where(*conditions), request, {"created_at": c.created_at}, c.id)


def read(tx: Tx, merge_id: UUID) -> Any:
    """One merge, or None."""
    c = contact_merges.c
    found = select(*_COLUMNS).where(c.tenant_id == func.app.tenant(), c.id == merge_id).subquery("r")
    return one(tx.execute(select(literal_column("row_to_json(r)::text"), found.c.version).select_from(found)).one_or_none())
