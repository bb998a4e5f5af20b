"""Templates in the database."""

from sqlalchemy import func, select

from clientway.db import Tx
from clientway.messaging.tables import message_templates
from clientway.messaging.templates.rules import Source


def source(tx: Tx, key: str, channel: str) -> Source | None:
    """The tenant's own template of a key, if it has one."""
    c = message_templates.c
    statement = select(c.subject, c.body_text, c.body_html).where(
        c.tenant_id == func.app.tenant(), c.key == key, c.channel == channel, c.deleted_at.is_(None)
    )
    row = tx.execute(statement).one_or_none()
    return None if row is None else Source(*row)
