"""Schedule, every minute: hand the outbox over to the queues"""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.operations.relay import relay

logger = Logger(service="clientway")
# Enough to send one more batch and to write down what came of it.
_RESERVE_MILLISECONDS = 10_000


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001  (the schedule's event says nothing)
    """Relay what is due, as long as there is time."""
    done = asdict(relay(may_go_on=lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS))
    if any(done.values()):
        logger.info("outbox relayed", extra=done)
    return done
