"""GET /api/contacts/{contact_id}/messages"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.histories import service
from clientway.messaging.histories.schemas import ContactMessage
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/contacts/<contact_id>/messages", summary="List a contact's messages", tags=["Messages"], operation_id="list_contact_messages"
)
def list_contact_messages(
    contact_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["at", "-at"], Query()] = "-at",
) -> Page[ContactMessage]:
    """What was sent to somebody and what is due: campaigns, reminders and single mails, the latest first."""
    with transaction(app, needs="messages:read") as tx:
        return service.of_contact(tx, contact_id, Request(limit, cursor, sort, {"contact_id": contact_id}))


handler = app.lambda_handler
