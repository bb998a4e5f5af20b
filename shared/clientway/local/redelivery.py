"""What the queues of an earlier run held: they lived in its memory, while what was promised stands in the database."""

from clientway import db
from clientway.integrations.imports import service as imports


def resume() -> int:
    """Queue the unfinished imports of all tenants again, as SQS would deliver them again; returns how many.

    The process's environment must name the database (clientway.config).
    """
    count = 0
    for tenant_id in db.all_tenants():
        with db.job_transaction(tenant_id) as tx:
            count += imports.resume(tx)
    return count
