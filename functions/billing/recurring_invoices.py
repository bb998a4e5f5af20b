"""/api/recurring-invoices"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.recurring import service
from clientway.billing.recurring.schemas import (
    RecurringInvoice,
    RecurringInvoiceCreate,
    RecurringInvoiceWithInvoices,
    RecurringStatus,
)
from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/recurring-invoices", summary="List recurring invoices", tags=["Invoices"], operation_id="list_recurring_invoices")
def list_recurring_invoices(
    contact_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[RecurringStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[RecurringInvoice]:
    """What is billed again and again, the latest first."""
    filters = {"contact_id": contact_id, "status": status}
    with transaction(app, needs="invoices:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, filters), contact_id=contact_id, status=status)


@app.post(
    "/api/recurring-invoices",
    status_code=201,
    summary="Begin a recurring invoice",
    tags=["Invoices"],
    operation_id="create_recurring_invoice",
)
def create_recurring_invoice(recurring: RecurringInvoiceCreate) -> RecurringInvoiceWithInvoices:
    """Bill a client by an RFC 5545 rule of days. Each invoice is made, and opened unless told otherwise, on its day."""
    with transaction(app, needs="invoices:write") as tx:
        return service.create(tx, recurring)


handler = app.lambda_handler
