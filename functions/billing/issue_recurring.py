"""Schedule: make the recurring invoices whose day has come, all tenants, some of each in turn."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway import db
from clientway.billing.recurring import issue

# Left for the invoices that are being made when time is up: a statement may take as long as the job role's timeout allows.
_RESERVE_MILLISECONDS = 10_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Go on until none is due or the function's time is nearly up; the next run takes up the rest."""
    made = issue.issue_all(
        db.all_tenants(), db.job_transaction, until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS
    )
    return {"invoices": made}
