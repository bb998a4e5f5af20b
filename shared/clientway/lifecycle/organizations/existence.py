"""Whether an organization is there: what its sub-resources ask before they answer with an empty list."""

from uuid import UUID

from sqlalchemy import func, select

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.lifecycle.tables import organizations


def require(tx: Tx, organization_id: UUID, *, lock: bool = False) -> None:
    """Raise NotFound (404) unless the organization is this tenant's; a deleted one still answers for its history.

    With `lock`, whoever is going to move its stage waits here for all others who are at it, and sees what they did.
    """
    statement = select(organizations.c.id).where(organizations.c.tenant_id == func.app.tenant(), organizations.c.id == organization_id)
    if lock:
        statement = statement.with_for_update(key_share=True)
    if tx.execute(statement).first() is None:
        raise NotFound("There is no such organization.")
