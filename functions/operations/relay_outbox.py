"""Schedule, and whenever the API has changed something: hand the outbox over to the queues"""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.operations.relay import oldest, relay

logger = Logger(service="clientway")
# POWERTOOLS_SERVICE_NAME is the name of the stack: two of them in one account have an alarm each.
metrics = Metrics(namespace="Clientway")
# Enough to send one more batch and to write down what came of it.
_RESERVE_MILLISECONDS = 10_000


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001  (what started it says nothing)
    """Relay what is due, as long as there is time."""
    done = asdict(relay(may_go_on=lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS))
    if any(done.values()):
        logger.info("outbox relayed", extra=done)
    # What is still there: an alarm watches it.
    metrics.add_metric(name="OldestOutboxSeconds", unit=MetricUnit.Seconds, value=oldest())
    metrics.flush_metrics()
    # Where metrics are switched off nothing is flushed, and the hundredth would print them all.
    metrics.clear_metrics()
    return done
