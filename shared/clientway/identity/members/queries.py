"""The tenant's members."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, literal, select, text

from clientway.db import Tx
from clientway.identity.tables import memberships, sessions, users

SORTS = {"created_at": memberships.c.created_at}
ROW_ID = memberships.c.id


@dataclass(frozen=True)
class Held:
    """A live membership as its lock found it."""

    user_id: UUID
    role: str
    version: int
    other_admins: int


def listed(*, role: str | None = None) -> Select[Any]:
    """Live memberships."""
    any_session = select(literal(value=True)).where(
        sessions.c.tenant_id == memberships.c.tenant_id, sessions.c.user_id == memberships.c.user_id
    )
    # With a limit rather than as EXISTS: the planner would read the sessions of the whole tenant to answer for one page.
    has_signed_in = any_session.limit(1).scalar_subquery().is_not(None)
    statement = (
        select(
            memberships.c.id,
            memberships.c.user_id,
            users.c.email_norm.label("email"),
            # A name may come from another tenant's time; it is the person's to show, by signing in.
            case((has_signed_in, users.c.name), else_=literal("")).label("name"),
            memberships.c.role,
            case((has_signed_in, literal("active")), else_=literal("invited")).label("status"),
            memberships.c.version,
            memberships.c.created_at,
            memberships.c.updated_at,
        )
        .join(users, users.c.id == memberships.c.user_id)
        .where(memberships.c.tenant_id == func.app.tenant(), memberships.c.revoked_at.is_(None))
    )
    return statement if role is None else statement.where(memberships.c.role == role)


def one(membership_id: UUID) -> Select[Any]:
    """One of them, with the list's columns."""
    return listed().where(memberships.c.id == membership_id)


def addresses_among(addresses: Collection[str]) -> Select[Any]:
    """Addresses of live memberships, of these only."""
    return listed().with_only_columns(users.c.email_norm).where(users.c.email_norm.in_(addresses))


def invite(tx: Tx, *, membership_id: UUID, user_id: UUID, email_norm: str, role: str) -> dict[str, Any]:
    """Make or revive a membership; `id` is null when there is a live one."""
    given = {"membership": membership_id, "user": user_id, "email": email_norm, "role": role}
    answer: dict[str, Any] = tx.scalar(_INVITE, given)
    return answer


def lock(tx: Tx, membership_id: UUID) -> Held | None:
    """Lock a membership together with all administrators', so that two of them cannot remove each other at once."""
    rows = tx.execute(_LOCK, {"id": membership_id}).all()
    found = next((row for row in rows if row.id == membership_id), None)
    if found is None:
        return None
    return Held(found.user_id, found.role, found.version, sum(row.role == "admin" for row in rows if row.id != membership_id))


def change_role(tx: Tx, membership_id: UUID, role: str) -> None:
    """Give another role and end the member's sessions: a session keeps the rights it was opened with no longer."""
    tx.execute(_CHANGE, {"id": membership_id, "role": role, "now": tx.now})


def remove(tx: Tx, membership_id: UUID) -> None:
    """Revoke a membership and end the member's sessions."""
    tx.execute(_REMOVE, {"id": membership_id, "now": tx.now})


_INVITE = text("select app.invite_member(:membership, :user, :email, :role)")
_LOCK = text("""
select id, user_id, role, version from memberships
 where tenant_id = app.tenant() and revoked_at is null and (id = :id or role = 'admin') order by id for no key update
""")
_END_SESSIONS = """
update sessions s set revoked_at = :now from changed c
 where s.tenant_id = app.tenant() and s.user_id = c.user_id and s.revoked_at is null
"""
_CHANGE = text(f"""
with changed as (
  update memberships set role = :role, version = version + 1, updated_at = :now
   where tenant_id = app.tenant() and id = :id returning user_id)
{_END_SESSIONS}""")
_REMOVE = text(f"""
with changed as (
  update memberships set revoked_at = :now, version = version + 1, updated_at = :now
   where tenant_id = app.tenant() and id = :id returning user_id)
{_END_SESSIONS}""")
