"""Contacts' e-mails and phones in the database."""

from uuid import UUID

from sqlalchemy import text

from clientway.db import Tx
from clientway.ids import uuid7

_ADD = text("""
with held as (
  update contacts c set search_text = c.search_text || chr(10) || cast(:line as text), version = c.version + 1, updated_at = :now
   where c.tenant_id = app.tenant() and c.id = :contact_id returning c.id, c.version),
mail as (
  insert into contact_emails (id, contact_id, email, email_norm, created_at)
  select cast(:email_id as uuid), h.id, cast(:email as text), cast(:email_norm as text), :now from held h
   where cast(:email_norm as text) is not null),
call as (
  insert into contact_phones (id, contact_id, phone, phone_e164, created_at)
  select cast(:phone_id as uuid), h.id, cast(:phone as text), cast(:phone_e164 as text), :now from held h
   where cast(:phone_e164 as text) is not null)
select version from held
""")


def add_secondary(tx: Tx, contact_id: UUID, *, email: tuple[str, str] | None, phone: tuple[str, str] | None, line: str) -> int:
    """Add an e-mail and a phone to a contact, and what it is found by. Returns its version."""
    given = {
        "contact_id": contact_id, "line": line, "now": tx.now, "email_id": uuid7(), "phone_id": uuid7(),
        **dict(zip(("email", "email_norm"), email or (None, None), strict=True)),
        **dict(zip(("phone", "phone_e164"), phone or (None, None), strict=True)),
    }  # fmt: skip
    version: int = tx.execute(_ADD, given).scalar_one()
    return version
