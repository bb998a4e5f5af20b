"""Queue MessageEventQueue: what providers tell of messages, into the books"""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging.events import service

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def apply(record: SQSRecord) -> None:
    """Apply one; what fails has changed nothing and is retried by itself."""
    service.apply(record.body)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Apply a batch and report which failed."""
    return process_partial_response(event=event, record_handler=apply, processor=processor, context=context)
