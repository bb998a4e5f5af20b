"""What the queues of an earlier run held: they lived in its memory, while what was promised stands in the database."""

from datetime import timedelta
from typing import Final

from sqlalchemy import text

from clientway import db
from clientway.db import Tx
from clientway.integrations.imports import service as imports

# Longer than anybody waits who looks after messages before they take one for lost (clientway/messaging, LOST_AFTER and STALE).
_LONG_AGO: Final = timedelta(hours=1)
_AGED: Final = tuple(
    text(statement)
    for statement in (
        "update campaigns set updated_at = updated_at - cast(:long as interval) where tenant_id = app.tenant() and status = 'freezing'",
        "update campaign_chunks set queued_at = queued_at - cast(:long as interval) where tenant_id = app.tenant() and state = 'queued'",
        "update email_messages set updated_at = updated_at - cast(:long as interval) where tenant_id = app.tenant() and status = 'pending'",
    )
)


def resume() -> int:
    """Queue the unfinished imports and messages of all tenants again, as SQS would deliver them again; returns how many.

    The process's environment must name the database (clientway.config).
    """
    count = 0
    for tenant_id in db.all_tenants():
        with db.job_transaction(tenant_id) as tx:
            count += imports.resume(tx) + lose(tx)
    return count


def lose(tx: Tx) -> int:
    """Age what waits for a message of a queue, so that whoever looks after it takes it for lost at once; returns how much."""
    return sum(tx.execute(statement, {"long": _LONG_AGO}).rowcount for statement in _AGED)
