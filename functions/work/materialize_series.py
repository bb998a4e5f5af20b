"""Schedule: make the jobs of series as their time comes nearer, all tenants, a chunk each in turn."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway import db
from clientway.work.series import materialize

# Left for the chunk that is running when time is up: a statement may take as long as the job role's timeout allows.
_RESERVE_MILLISECONDS = 10_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Go on until nothing is left or the function's time is nearly up; the next run takes up the rest."""
    done = materialize.materialize_all(
        db.all_tenants(), db.job_transaction, until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS
    )
    return {"series": done}
