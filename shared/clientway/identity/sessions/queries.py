"""Sessions of the tenant's members."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, and_, cast, func, literal, select, text

from clientway.db import Tx
from clientway.identity.tables import sessions, users

IDLE = timedelta(minutes=30)
SORTS = {"created_at": sessions.c.created_at}
ROW_ID = sessions.c.id


# What app.enter has set of the caller: asked there, it costs no flight of its own.
_CREDENTIAL = func.nullif(func.current_setting("app.credential", True), "")
_IS_ADMIN = func.current_setting("app.role", True) == "admin"
_IS_OWN = func.concat("user:", sessions.c.user_id) == func.current_setting("app.principal", True)


def live(tx: Tx, *, user_id: UUID | None) -> Select[Any]:
    """Sessions that still open something, of one user or of all; who is no administrator sees none but their own."""
    statement = (
        select(
            sessions.c.id,
            sessions.c.user_id,
            users.c.name,
            users.c.email_norm.label("email"),
            sessions.c.method,
            sessions.c.user_agent,
            func.coalesce(cast(sessions.c.id, Text) == _CREDENTIAL, literal(value=False)).label("is_current"),
            sessions.c.created_at,
            sessions.c.last_seen_at,
            sessions.c.expires_at,
        )
        .join(users, users.c.id == sessions.c.user_id)
        .where(_live(tx), _IS_ADMIN | _IS_OWN)
    )
    return statement if user_id is None else statement.where(sessions.c.user_id == user_id)


def revoke(tx: Tx, session_id: UUID, *, user_id: UUID | None) -> UUID | None:
    """End one live session (of this user, if one is given); return whose it was."""
    statement = sessions.update().where(_live(tx), sessions.c.id == session_id).values(revoked_at=tx.now).returning(sessions.c.user_id)
    found: UUID | None = tx.scalar(statement if user_id is None else statement.where(sessions.c.user_id == user_id))
    return found


def tenant_and_email(tx: Tx) -> dict[str, Any]:
    """The tenant's settings and the caller's address, which an API key lacks."""
    return dict(tx.execute(_ME).mappings().one())


def _live(tx: Tx) -> ColumnElement[bool]:
    # As app.enter has it.
    return and_(
        sessions.c.tenant_id == func.app.tenant(),
        sessions.c.revoked_at.is_(None),
        sessions.c.expires_at > tx.now,
        sessions.c.last_seen_at > tx.now - IDLE,
    )


_ME = text("""
select t.tenant_id as id, t.name, t.slug, t.time_zone, t.currency,
       (select u.email_norm from users u where u.id::text = split_part(current_setting('app.principal', true), 'user:', 2)) as email
  from tenants t where t.tenant_id = app.tenant()
""")
