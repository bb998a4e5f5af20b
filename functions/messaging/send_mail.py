"""Queue MailQueue: transactional mail to SES"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.messaging.mail import service

logger = Logger(service="clientway")
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def send(record: SQSRecord) -> None:
    """Send one mail; what fails stays in the queue and is retried by itself."""
    message_id = service.send(record.body)
    # Neither address nor link: logs are read by more people than mail.
    logger.info("mail handed over", extra={"ses_message_id": message_id, "sqs_message_id": record.message_id})


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Send a batch of mails and report which of them failed."""
    return process_partial_response(event=event, record_handler=send, processor=processor, context=context)
