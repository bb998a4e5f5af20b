"""/api/email-messages/{email_message_id}"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.mails import service
from clientway.messaging.mails.schemas import EmailMessage

app = api(__name__)


@app.get("/api/email-messages/<email_message_id>", summary="Read a mail", tags=["Messages"], operation_id="read_email_message")
def read_message(email_message_id: UUID) -> EmailMessage:
    """One mail, with what it says and what became of it."""
    with transaction(app, needs="messages:read") as tx:
        return service.read(tx, email_message_id)


handler = app.lambda_handler
