"""Schedule: start campaigns whose time has come, settle what dead workers left, and bring back what was lost or held"""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway import db, rounds
from clientway.messaging.campaigns import tending

logger = Logger(service="clientway")
# Left for the tenant that is being looked after when time is up.
_RESERVE_MILLISECONDS = 10_000
_ONCE = -1


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look after each tenant that has something open, once."""
    now = datetime.now(UTC)
    done = rounds.go_round(
        tending.tenants(now), lambda tenant: db.job_transaction(tenant, now=now), lambda tx: tending.tend(tx, now), batch=_ONCE,
        until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS, failed="some tenants' messages were not looked after",
    )  # fmt: skip
    if done:
        # The relay is called by this line (template.yaml).
        logger.info("effects wait")
    return {"done": done}
