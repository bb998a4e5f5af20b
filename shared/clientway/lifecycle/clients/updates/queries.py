"""Proposed changes of a person's details in the database."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import db
from clientway.db import SerializationConflict, Tx
from clientway.ids import uuid7

# An earlier proposal that nobody has decided on gives way. Nothing here depends on what other tenants know.
_PROPOSE = text("""
with target as (
  select c.id from contacts c where c.tenant_id = app.tenant() and c.id = :contact_id and c.deleted_at is null
), former as (
  update contact_update_proposals p set status = 'superseded', decided_at = :now
   where p.tenant_id = app.tenant() and p.contact_id = (select t.id from target t) and p.status = 'open' returning p.id
), linked as materialized (
  select t.id as contact_id, app.propose_update(t.id, :id, :email_blind) as id from target t, (select count(*) from former) f
), kept as (
  insert into contact_update_proposals (id, contact_id, first_name, last_name, email, phone, actor_type, actor_id, created_at)
  select l.id, l.contact_id, :first_name, :last_name, :email, :phone, :actor_type, cast(:actor_id as uuid), cast(:now as timestamptz)
    from linked l where l.id is not null returning id
)
select (select count(*) from target) as found, (select k.id from kept k) as id""")


def propose(tx: Tx, contact_id: UUID, fields: dict[str, Any], email_blind: str | None) -> tuple[bool, UUID | None]:
    """Keep a proposal for whoever the contact is linked to; returns whether there is such a contact, and the proposal's id if any.

    Raises SerializationConflict (409) when another one was made this moment: one is open at most.
    """
    given = {
        "contact_id": contact_id, "id": uuid7(), "email_blind": email_blind, "now": tx.now,
        **{name: fields.get(name) for name in ("first_name", "last_name", "email", "phone")},
        "actor_type": tx.actor.kind, "actor_id": tx.actor.id,
    }  # fmt: skip
    try:
        row = tx.execute(_PROPOSE, given).one()
    except DatabaseError as error:
        if db.constraint_name(error) != "contact_update_proposals_open":
            raise
        raise SerializationConflict("Two changes met; try again.", headers={"Retry-After": "1"}) from error
    return bool(row.found), row.id
