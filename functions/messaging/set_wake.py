"""Queue WakeQueue: have EventBridge Scheduler start a function once, at a time at which something is due"""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging import waking

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def set_wake(record: SQSRecord) -> None:
    """Make one entry; one that is there already is the one that was asked for."""
    waking.set_wake(record.body)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Make the entries of a batch and report which of them failed."""
    return process_partial_response(event=event, record_handler=set_wake, processor=processor, context=context)
