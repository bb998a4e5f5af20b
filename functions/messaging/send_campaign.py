"""Queue CampaignQueue: audiences to be frozen, and chunks of campaigns to be sent"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging.campaigns import sending

logger = Logger(service="clientway")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
# Kept back for a call to the provider that has begun, and for writing down what came of it while the database is away.
_RESERVE_MILLISECONDS = 20_000


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Do a batch and report which failed; what there is no time for goes back into the queue."""

    def send(record: SQSRecord) -> None:
        sent = sending.work(record.body, until=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS)
        logger.info("chunk sent", extra={"sent": sent, "sqs_message_id": record.message_id})

    answer = process_partial_response(event=event, record_handler=send, processor=processor, context=context)
    # The next chunks are in the outbox: the relay is called by this line (template.yaml).
    logger.info("effects wait")
    return answer
