"""Schedule, every night: forget what has served its time"""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.operations.retention import forget

logger = Logger(service="clientway")


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:  # noqa: ARG001  (the schedule's event says nothing)
    """Delete expired answers, links and outbox rows of every tenant."""
    done = asdict(forget())
    logger.info("expired rows forgotten", extra=done)
    return done
