"""The tenant's API keys."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from clientway.db import Tx
from clientway.identity.tables import api_keys

SORTS = {"created_at": api_keys.c.created_at}
ROW_ID = api_keys.c.id
_COLUMNS = (
    api_keys.c.id, api_keys.c.name, api_keys.c.prefix, api_keys.c.role, api_keys.c.created_by, api_keys.c.created_at,
    api_keys.c.last_used_at, api_keys.c.expires_at, api_keys.c.revoked_at,
)  # fmt: skip


def listed(tx: Tx, *, include_revoked: bool) -> Select[Any]:
    """The keys that work, or all that there ever were."""
    statement = select(*_COLUMNS).where(api_keys.c.tenant_id == func.app.tenant())
    if include_revoked:
        return statement
    return statement.where(api_keys.c.revoked_at.is_(None), or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > tx.now))


def create(tx: Tx, values: dict[str, Any]) -> dict[str, Any]:
    """Keep a key; returns what is shown of it."""
    return dict(tx.execute(api_keys.insert().values(created_at=tx.now, **values).returning(*_COLUMNS)).mappings().one())


def revoke(tx: Tx, key_id: UUID) -> bool:
    """End a key that has not been ended yet."""
    live = (api_keys.c.tenant_id == func.app.tenant(), api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    return tx.scalar(api_keys.update().where(*live).values(revoked_at=tx.now).returning(api_keys.c.id)) is not None
