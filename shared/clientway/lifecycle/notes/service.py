"""Notes about contacts."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import NotFound, check_version
from clientway.ids import uuid7
from clientway.lifecycle.contacts import existence
from clientway.lifecycle.notes import queries
from clientway.lifecycle.notes.schemas import ContactNoteCreate, ContactNotePatch
from clientway.paging import Request, one


def find(tx: Tx, contact_id: UUID, request: Request, *, pinned: bool | None) -> Any:
    """A page of a contact's notes. Raises NotFound (404)."""
    answer = queries.find(tx, contact_id, request, pinned=pinned)
    if not answer.rows:
        existence.require(tx, contact_id)
    return answer


def read(tx: Tx, note_id: UUID) -> Any:
    """One note. Raises NotFound (404)."""
    answer = queries.read(tx, note_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, contact_id: UUID, note: ContactNoteCreate) -> Any:
    """Write a note, and a line on the timeline. Raises NotFound (404), ContactMerged (409)."""
    note_id = uuid7()
    row = queries.insert(tx, note_id, contact_id, body=note.body, pinned=note.pinned)
    if row is None:
        raise existence.refuse(tx, contact_id)
    effects.record(
        tx, "note_added", note.body.partition("\n")[0], organization_id=row.organization_id, contact_id=contact_id, description=note.body,
        metadata={"note_id": note_id},
    )  # fmt: skip
    effects.audit(tx, "contact_note.created", "contact_note", note_id, {"contact_id": contact_id, "pinned": note.pinned})
    return one(row)


def change(tx: Tx, note_id: UUID, patch: ContactNotePatch, *, version: int) -> Any:
    """Replace what was sent; the timeline keeps what was first written. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, note_id, version)
    sent = patch.model_dump(exclude_unset=True)
    answer = queries.update(tx, note_id, sent)
    effects.audit(tx, "contact_note.updated", "contact_note", note_id, {"fields": sorted(sent)})
    return answer


def delete(tx: Tx, note_id: UUID, *, version: int) -> None:
    """Take a note away; it is kept out of sight. Raises NotFound (404), PreconditionFailed (412)."""
    _lock(tx, note_id, version)
    queries.update(tx, note_id, {"deleted_at": tx.now})
    effects.audit(tx, "contact_note.deleted", "contact_note", note_id)


def _lock(tx: Tx, note_id: UUID, version: int) -> None:
    current = queries.lock(tx, note_id)
    if current is None:
        raise _absent()
    check_version(current, version)


def _absent() -> NotFound:
    return NotFound("There is no such note.")
