"""Portal sessions."""

from uuid import UUID

from sqlalchemy import func

from clientway.db import Tx
from clientway.identity.tables import portal_sessions


def revoke(tx: Tx, session_id: UUID | None) -> None:
    """End a portal session."""
    own = (portal_sessions.c.tenant_id == func.app.tenant(), portal_sessions.c.id == session_id)
    tx.execute(portal_sessions.update().where(*own, portal_sessions.c.revoked_at.is_(None)).values(revoked_at=tx.now))
