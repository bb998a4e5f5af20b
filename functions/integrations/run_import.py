"""Queue: preview, commit and undo of imports, one message each."""

from typing import Any
from uuid import UUID

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from clientway.integrations.imports import worker

# A chunk takes well under a second; this leaves room for the slowest and for handing the rest on.
_RESERVE_MILLISECONDS = 20_000

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    """Work on each message; one that fails is delivered again by itself."""

    def handle(record: SQSRecord) -> None:
        message = record.json_body
        payload = message.get("payload", message)
        worker.work(
            UUID(payload["tenant_id"]),
            UUID(payload["import_id"]),
            payload["action"],
            time_is_up=lambda: context.get_remaining_time_in_millis() < _RESERVE_MILLISECONDS,
        )

    return process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
