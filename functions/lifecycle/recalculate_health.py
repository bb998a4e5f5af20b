"""Schedule: fold the counts of clients, and score the accounts whose facts changed, all tenants, a batch each in turn."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway import db
from clientway.lifecycle.accounts import reports
from clientway.lifecycle.clients import service as clients

# Left for the batch that is running when time is up: a statement may take as long as the job role's timeout allows.
_RESERVE_MILLISECONDS = 10_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Go on until nothing is left or the function's time is nearly up; the next run takes up the rest."""
    tenants = db.all_tenants()
    for tenant_id in tenants:
        with db.job_transaction(tenant_id) as tx:
            clients.fold_counts(tx)
    done = reports.recalculate_all(
        tenants, db.job_transaction, until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS
    )
    return {"accounts": done}
