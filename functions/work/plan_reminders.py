"""Schedule: plan reminders of clients who could not be reached when their job was booked or their invoice opened, and now can"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.work.reminders import dispatching

logger = Logger(service="clientway")
# Left for the statement that is running when time is up.
_RESERVE_MILLISECONDS = 10_000


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at each tenant's next hours; whom time does not suffice for, the next run looks at."""
    planned = dispatching.plan_missing(until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS)
    if planned:
        logger.info("effects wait", extra={"planned": planned})
    return {"planned": planned}
