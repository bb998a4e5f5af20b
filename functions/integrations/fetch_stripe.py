"""Queue StripeEventQueue: what events are about, read at Stripe"""

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.integrations.stripe import fetching

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def fetch(record: SQSRecord) -> None:
    """Fetch one; what fails stays in the queue and is retried by itself."""
    fetching.fetch(record.body)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Fetch what a batch of events is about and report which failed."""
    return process_partial_response(event=event, record_handler=fetch, processor=processor, context=context)
