"""Queue MessageEventQueue: what providers tell of messages, into the books"""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging.events import service

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def apply(record: SQSRecord) -> None:
    """Apply one; what fails has changed nothing and is retried by itself."""
    queued_at = datetime.fromtimestamp(int(record.attributes.sent_timestamp) / 1000, UTC)
    service.apply(record.body, queued_at=queued_at)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Apply a batch and report which failed."""
    return process_partial_response(event=event, record_handler=apply, processor=processor, context=context)
