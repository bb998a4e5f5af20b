"""Whether a job is there: what its sub-resources ask before they answer with an empty list."""

from uuid import UUID

from sqlalchemy import func, select

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.work.tables import jobs


def require(tx: Tx, job_id: UUID) -> None:
    """Raise NotFound (404) unless the job is this tenant's."""
    statement = select(jobs.c.id).where(jobs.c.tenant_id == func.app.tenant(), jobs.c.id == job_id)
    if tx.execute(statement).first() is None:
        raise NotFound("There is no such job.")
