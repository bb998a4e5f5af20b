"""Addresses that nothing is sent to, in the database. They are told apart by a hash, which outlives an erasure."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update

from clientway.db import Tx
from clientway.messaging.suppressions.schemas import Suppression
from clientway.messaging.tables import suppressions
from clientway.paging import Request, one, page

_NAMES = tuple(Suppression.model_fields)
_ANSWER = f"select row_to_json(r)::text, r.version from (select {', '.join(_NAMES)} from written) r"
# Each reason stands by itself. What stands already keeps its date; of two at once the second finds the first's.
_SUPPRESS = text("""
with written as (
  insert into suppressions as s (id, channel, address, address_hash, reason, detail, contact_id, created_by, created_at, updated_at)
  values (:id, :channel, :address, app.address_hash(:channel, :address), :reason, :detail, cast(:contact_id as uuid),
          cast(:by as uuid), :now, :now)
  on conflict (tenant_id, channel, address_hash, reason) where lifted_at is null do nothing
  returning s.id)
select w.id, true as changed from written w
""")
_STANDING = text("""
select s.id, false as changed from suppressions s
 where s.tenant_id = app.tenant() and s.channel = :channel and s.address_hash = app.address_hash(:channel, :address)
   and s.reason = :reason and s.lifted_at is null
""")


def suppress(tx: Tx, row: Mapping[str, Any]) -> Row[Any]:
    """Have an address stand; its id, and whether that changed anything."""
    found = tx.execute(_SUPPRESS, {**row, "now": tx.now, "by": tx.actor.id}).one_or_none()
    # A statement of its own: what was written meanwhile, the first could not see.
    return found or tx.execute(_STANDING, {name: row[name] for name in ("channel", "address", "reason")}).one()


def find(tx: Tx, request: Request, *, channel: str | None, reason: str | None, address: tuple[str, str] | None, standing: bool) -> Any:
    """A page of entries; `address` is a channel with an address in its one form."""
    c = suppressions.c
    statement = select(*(c[name] for name in _NAMES)).where(c.tenant_id == func.app.tenant())
    statement = statement.where(*(c[name] == value for name, value in (("channel", channel), ("reason", reason)) if value is not None))
    if address is not None:
        statement = statement.where(c.channel == address[0], c.address_hash == func.app.address_hash(address[0], address[1]))
    if standing:
        statement = statement.where(c.lifted_at.is_(None))
    return page(tx, statement, request, {"created_at": c.created_at}, c.id)


def read(tx: Tx, suppression_id: UUID) -> Any:
    """One entry, or None."""
    statement = f"with written as (select s.* from suppressions s where s.tenant_id = app.tenant() and s.id = :id) {_ANSWER}"
    return one(tx.execute(text(statement), {"id": suppression_id}).one_or_none())


def lock(tx: Tx, suppression_id: UUID) -> Row[Any] | None:
    """An entry's row, locked; None when there is none."""
    c = suppressions.c
    statement = select(c.channel, c.reason, c.lifted_at).where(c.tenant_id == func.app.tenant(), c.id == suppression_id)
    return tx.execute(statement.with_for_update(key_share=True)).one_or_none()


def standing(tx: Tx, channel: str, address: str, reason: str) -> UUID | None:
    """The entry that stands for an address for a reason, locked; None when there is none."""
    c = suppressions.c
    statement = select(c.id).where(c.tenant_id == func.app.tenant(), c.channel == channel, c.reason == reason, c.lifted_at.is_(None))
    statement = statement.where(c.address_hash == func.app.address_hash(channel, address)).with_for_update(key_share=True)
    return tx.execute(statement).scalar_one_or_none()


def lift(tx: Tx, suppression_id: UUID, reason: str) -> None:
    """Let an entry rest; the address can be written to again."""
    c = suppressions.c
    given = {"lifted_at": tx.now, "lifted_by": tx.actor.id, "lift_reason": reason, "version": c.version + 1, "updated_at": tx.now}
    tx.execute(update(suppressions).where(c.tenant_id == func.app.tenant(), c.id == suppression_id).values(given))
