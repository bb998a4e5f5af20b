"""Queue MessageQueue: single mails, to the provider"""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging.mails import sending

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
# As often as the queue in template.yaml delivers a message.
_MOST_RECEIVES = 5


def send(record: SQSRecord) -> None:
    """Send one; what fails for now stays in the queue, and is shown as failed when that was the last time."""
    sending.work(record.body, last=int(record.attributes.approximate_receive_count or 1) >= _MOST_RECEIVES)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Send a batch and report which failed."""
    return process_partial_response(event=event, record_handler=send, processor=processor, context=context)
