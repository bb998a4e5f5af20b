"""The client of SQS that relays, ingresses and senders share."""

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def sqs() -> Any:
    """The client; it gives up well before its caller's own time is over."""
    # Here and not above: boto3 takes a third of a second, and most of those who import this never send.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    # From private subnets SQS is reached over IPv6; a stand-in on this machine has one address only.
    dual_stack = os.environ.get("SQS_DUALSTACK") == "true" and "AWS_ENDPOINT_URL" not in os.environ
    retries = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client("sqs", config=Config(connect_timeout=2, read_timeout=8, retries=retries, use_dualstack_endpoint=dual_stack))


def send(queue: str, message: Mapping[str, Any], *, group: str) -> None:
    """Put one message on the queue whose URL stands in the environment under this name; groups take turns on it."""
    sqs().send_message(QueueUrl=os.environ[queue], MessageBody=json.dumps(message, default=str), MessageGroupId=group)
