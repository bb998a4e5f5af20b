"""/api/invoices/{invoice_id}/reminders"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.reminders import service
from clientway.work.reminders.schemas import Reminder

app = api(__name__)


@app.get(
    "/api/invoices/<invoice_id>/reminders", summary="List an invoice's reminders", tags=["Invoices"], operation_id="list_invoice_reminders"
)
def list_invoice_reminders(
    invoice_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["send_at", "-send_at"], Query()] = "send_at",
) -> Page[Reminder]:
    """What the client is sent about an invoice and when, with what was called off when it was paid or its due date moved."""
    with transaction(app, needs="invoices:read") as tx:
        return service.of_invoice(tx, invoice_id, Request(limit, cursor, sort, {"invoice_id": invoice_id}))


handler = app.lambda_handler
