"""Contacts' e-mails and phones in the database."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, literal_column, select, text

from clientway.db import Tx
from clientway.identity.people import service as people
from clientway.identity.people.service import Reachable
from clientway.ids import uuid7
from clientway.lifecycle.client_tables import contact_emails, contact_phones
from clientway.lifecycle.reach.sql import SHARED
from clientway.paging import Request, page

Kind = Literal["email", "phone"]

_TABLES = {"email": contact_emails, "phone": contact_phones}
_SHOWN = {
    "email": ("id", "email", "label", "is_primary", "verified_at", "created_at"),
    "phone": ("id", "phone", "phone_e164", "label", "is_primary", "verified_at", "created_at"),
}


def find(tx: Tx, kind: Kind, contact_id: UUID, request: Request) -> Any:
    """A page of a contact's e-mails or phones."""
    c = _TABLES[kind].alias("x").c
    columns: list[Any] = [c[name] for name in _SHOWN[kind]]
    if kind == "phone":
        columns.append(literal_column(SHARED.format(number="x.phone_e164", contact="x.contact_id")).label("shared"))
    statement = select(*columns).where(c.tenant_id == func.app.tenant(), c.contact_id == contact_id)
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


_INSERT = {
    "email": text("""
insert into contact_emails (id, contact_id, email, email_norm, label, created_at)
values (:id, :contact_id, :email, :key, :label, :now) returning false"""),
    "phone": text(f"""
insert into contact_phones (id, contact_id, phone, phone_e164, label, created_at)
values (:id, :contact_id, :phone, :phone_e164, :label, :now)
returning {SHARED.format(number="cast(:phone_e164 as text)", contact="cast(:contact_id as uuid)")}"""),
}


def insert(tx: Tx, kind: Kind, contact_id: UUID, row: Mapping[str, Any]) -> bool:
    """Add an e-mail or a phone to a locked contact, not as the primary one; whether the phone is shared."""
    names = {"id", "label", kind, "key" if kind == "email" else "phone_e164"}
    given = {name: value for name, value in row.items() if name in names}
    return bool(tx.scalar(_INSERT[kind], {**given, "contact_id": contact_id, "now": tx.now}))


def label(tx: Tx, kind: Kind, row_id: UUID, value: str | None) -> None:
    """Replace the label."""
    table = _TABLES[kind]
    tx.execute(table.update().where(table.c.tenant_id == func.app.tenant(), table.c.id == row_id).values(label=value))


def remove(tx: Tx, kind: Kind, row_id: UUID) -> None:
    """Take an e-mail or a phone away."""
    table = _TABLES[kind]
    tx.execute(table.delete().where(table.c.tenant_id == func.app.tenant(), table.c.id == row_id))


_TOUCH = text(f"""
update contacts c set version = c.version + 1, updated_at = :now, search_text = coalesce(cast(:search_text as text), c.search_text)
 where c.tenant_id = app.tenant() and c.id = :contact_id returning {people.LINK_SQL}::text""")


def touch(tx: Tx, contact_id: UUID, *, search_text: str | None = None, linked: Sequence[Reachable] = ()) -> None:
    """Count a change of a locked contact, and have it found by what it is reached at now."""
    given = {"contact_id": contact_id, "now": tx.now, "search_text": search_text, "people": people.blind(linked)}
    tx.execute(_TOUCH, given)


_ADD = text(f"""
with held as (
  update contacts c set search_text = c.search_text || chr(10) || cast(:line as text), version = c.version + 1, updated_at = :now
   where c.tenant_id = app.tenant() and c.id = :contact_id and c.version = :version returning c.id, c.version),
mail as (
  insert into contact_emails (id, contact_id, email, email_norm, created_at)
  select cast(:email_id as uuid), h.id, cast(:email as text), cast(:email_norm as text), :now from held h
   where cast(:email_norm as text) is not null),
call as (
  insert into contact_phones (id, contact_id, phone, phone_e164, created_at)
  select cast(:phone_id as uuid), h.id, cast(:phone as text), cast(:phone_e164 as text), :now from held h
   where cast(:phone_e164 as text) is not null)
select version, {people.LINK_SQL}::text from held
""")


def add_secondary(
    tx: Tx, contact_id: UUID, version: int, *, email: tuple[str, str] | None, phone: tuple[str, str] | None, line: str,
    linked: Sequence[Reachable],
) -> int | None:  # fmt: skip
    """Add an e-mail and a phone to a contact of this version, and what it is found by. Returns its next version."""
    given = {
        "contact_id": contact_id, "version": version, "line": line, "now": tx.now, "email_id": uuid7(), "phone_id": uuid7(),
        "people": people.blind(linked),
        **dict(zip(("email", "email_norm"), email or (None, None), strict=True)),
        **dict(zip(("phone", "phone_e164"), phone or (None, None), strict=True)),
    }  # fmt: skip
    return tx.execute(_ADD, given).scalar_one_or_none()
