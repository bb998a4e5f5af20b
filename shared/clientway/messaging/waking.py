"""One-shot entries of EventBridge Scheduler for what `clientway.wake` asks for. Outside the network and without the database."""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from clientway import wake
from clientway.messaging.delivery.message import PROVIDER_TIMEOUT_SECONDS

TARGETS: Final = {"reminders": "WAKE_REMINDERS_ARN", "messages": "WAKE_MESSAGES_ARN"}
"""What is due → the variable that names the function to start."""


@cache
def scheduler() -> Any:
    """The client of EventBridge Scheduler."""
    # Here and not above: boto3 takes a third of a second.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    retries = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client("scheduler", config=Config(connect_timeout=2, read_timeout=PROVIDER_TIMEOUT_SECONDS, retries=retries))


def set_wake(body: str, *, now: datetime | None = None) -> str:
    """Make the entry that an outbox row asks for, and return its name; several wishes for about one time share one.

    Raises KeyError and ValueError for a message that nobody understands, botocore's errors where the scheduler is away.
    """
    message = json.loads(body)
    what = message["topic"].removeprefix("wake.")
    target = os.environ[TARGETS[what]]
    moment = wake.rounded(datetime.fromisoformat(message["payload"]["at"]), now or datetime.now(UTC))
    name = f"{what}-{moment:%Y%m%dT%H%M}"
    client = scheduler()
    try:
        client.create_schedule(
            Name=name,
            GroupName=os.environ["WAKE_GROUP"],
            ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
            ScheduleExpressionTimezone="UTC",
            FlexibleTimeWindow={"Mode": "OFF"},
            ActionAfterCompletion="DELETE",
            Target={"Arn": target, "RoleArn": os.environ["WAKE_ROLE_ARN"], "Input": "{}"},
        )
    except client.exceptions.ConflictException:
        # Somebody asked for it before.
        return name
    return name
