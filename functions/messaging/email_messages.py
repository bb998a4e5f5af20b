"""/api/email-messages"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, require_idempotency_key, transaction
from clientway.messaging.mails import service
from clientway.messaging.mails.schemas import EmailMessage, EmailMessageCreate, EmailMessageLine, MailStatus
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/email-messages", summary="List single mails", tags=["Messages"], operation_id="list_email_messages")
def list_messages(
    status: Annotated[MailStatus | None, Query(description="What became of it.")] = None,
    contact_id: Annotated[UUID | None, Query(description="Those to a contact.")] = None,
    created_from: Annotated[Timestamp | None, Query(description="Asked for at this time or later.")] = None,
    created_before: Annotated[Timestamp | None, Query(description="Asked for before this time.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[EmailMessageLine]:
    """Mails that were asked for one by one, with what became of each."""
    filters = {"status": status, "contact_id": contact_id, "created_from": created_from, "created_before": created_before}
    with transaction(app, needs="messages:read") as tx:
        return service.find(
            tx,
            Request(limit, cursor, sort, filters),
            status=status,
            contact_id=contact_id,
            created_from=created_from,
            created_before=created_before,
        )


@app.post("/api/email-messages", status_code=201, summary="Send a mail", tags=["Messages"], operation_id="create_email_message")
def create_message(message: EmailMessageCreate) -> EmailMessage:
    """Render a template and have it mailed; the answer shows what is sent. Its status says what became of it."""
    require_idempotency_key(app)
    with transaction(app, needs="messages:write") as tx:
        return service.create(tx, message)


handler = app.lambda_handler
