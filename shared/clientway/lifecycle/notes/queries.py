"""Notes about contacts in the database."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text

from clientway.db import Tx
from clientway.lifecycle.client_tables import contact_notes
from clientway.lifecycle.contacts.existence import LIVE
from clientway.lifecycle.notes.schemas import ContactNote
from clientway.paging import Request, one, page

_NAMES = tuple(ContactNote.model_fields)


def _answer(source: str, *more: str) -> str:
    return f"select {', '.join(('row_to_json(r)::text', 'r.version', *more))} from (select {', '.join(_NAMES)} from {source}) r"


def find(tx: Tx, contact_id: UUID, request: Request, *, pinned: bool | None) -> Any:
    """A page of a contact's notes."""
    c = contact_notes.c
    statement = select(*(c[name] for name in _NAMES)).where(c.tenant_id == func.app.tenant(), c.contact_id == contact_id)
    statement = statement.where(c.deleted_at.is_(None))
    if pinned is not None:
        statement = statement.where(c.pinned == pinned)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


_READ = text(_answer("contact_notes n where n.tenant_id = app.tenant() and n.id = :id and n.deleted_at is null"))


def read(tx: Tx, note_id: UUID) -> Any:
    """One note, or None."""
    return one(tx.execute(_READ, {"id": note_id}).one_or_none())


_INSERT = text(f"""
with {LIVE}, written as (
  insert into contact_notes (id, contact_id, body, pinned, created_by, created_at, updated_at)
  select cast(:id as uuid), h.id, :body, :pinned, cast(:created_by as uuid), :now, :now from held h returning *)
{_answer("written", "(select h.organization_id from held h) as organization_id")}""")


def insert(tx: Tx, note_id: UUID, contact_id: UUID, *, body: str, pinned: bool) -> Row[Any] | None:
    """Add a note to a live contact: its answer and version, and the contact's organization; None when there is no such contact."""
    given = {"id": note_id, "contact_id": contact_id, "body": body, "pinned": pinned, "created_by": tx.actor.id, "now": tx.now}
    return tx.execute(_INSERT, given).one_or_none()


def lock(tx: Tx, note_id: UUID) -> int | None:
    """The version of a live note, locked."""
    c = contact_notes.c
    statement = select(c.version).where(c.tenant_id == func.app.tenant(), c.id == note_id, c.deleted_at.is_(None))
    return tx.execute(statement.with_for_update(key_share=True)).scalar_one_or_none()


def update(tx: Tx, note_id: UUID, changes: Mapping[str, Any]) -> Any:
    """Change a locked note."""
    assignments = "".join(f"{name} = :{name}, " for name in changes)
    statement = f"""
      with written as (
        update contact_notes n set {assignments} version = n.version + 1, updated_at = :now
         where n.tenant_id = app.tenant() and n.id = :id returning n.*)
      {_answer("written")}"""
    return one(tx.execute(text(statement), {"id": note_id, "now": tx.now, **changes}).one())
