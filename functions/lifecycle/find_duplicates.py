"""Schedule: look for duplicates among the contacts that changed, all tenants, a batch each in turn."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway import db
from clientway.lifecycle.duplicates import service

# Left for the batch that is running when time is up.
_RESERVE_MILLISECONDS = 30_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Go on until nothing is left or the function's time is nearly up; the next run takes up the rest."""
    done = service.scan_all(
        db.all_tenants(), db.job_transaction, until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS
    )
    return {"contacts": done}
