"""POST /api/email-messages/{email_message_id}/retry"""

from uuid import UUID

from clientway.http import api, require_idempotency_key, transaction
from clientway.messaging.mails import service
from clientway.messaging.mails.schemas import EmailMessage

app = api(__name__)


@app.post("/api/email-messages/<email_message_id>/retry", summary="Retry a mail", tags=["Messages"], operation_id="retry_email_message")
def retry_message(email_message_id: UUID) -> EmailMessage:
    """Send a failed mail again as it was rendered; recipients who may not be written to are left out as before."""
    require_idempotency_key(app)
    with transaction(app, needs="messages:write") as tx:
        return service.retry(tx, email_message_id)


handler = app.lambda_handler
