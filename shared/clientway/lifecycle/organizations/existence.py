"""Whether an organization is there: what its sub-resources ask before they answer with an empty list."""

from uuid import UUID

from sqlalchemy import func, select

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.lifecycle.tables import organizations


def require(tx: Tx, organization_id: UUID) -> None:
    """Raise NotFound (404) unless the organization is this tenant's; a deleted one still answers for its history."""
    statement = select(organizations.c.id).where(organizations.c.tenant_id == func.app.tenant(), organizations.c.id == organization_id)
    if tx.execute(statement).first() is None:
        raise NotFound("There is no such organization.")
