"""/api/invoices"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.invoices import service
from clientway.billing.invoices.rules import InvoiceStatus
from clientway.billing.invoices.schemas import Invoice, InvoiceCreate, InvoiceWithLines
from clientway.http import api, require_idempotency_key, transaction
from clientway.paging import Request
from clientway.schemas import Day, Page, Timestamp

app = api(__name__)


@app.get("/api/invoices", summary="List invoices", tags=["Invoices"], operation_id="list_invoices")
def list_invoices(
    status: Annotated[InvoiceStatus | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    organization_id: Annotated[UUID | None, Query()] = None,
    job_id: Annotated[UUID | None, Query()] = None,
    overdue: Annotated[bool | None, Query(description="Open and past the due date, in the tenant's time zone.")] = None,
    due_before: Annotated[Day | None, Query(description="Due before this day.")] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at", "due_on", "-due_on"], Query()] = "-updated_at",
) -> Page[Invoice]:
    """The invoices of all clients, last changed first. By `due_on`, those without a due date are left out."""
    equal = {"status": status, "contact_id": contact_id, "organization_id": organization_id, "job_id": job_id}
    filters = {"overdue": overdue, "due_before": due_before, "updated_since": updated_since}
    with transaction(app, needs="invoices:read") as tx:
        request = Request(limit, cursor, sort, {**equal, **filters})
        return service.find(tx, request, equal, overdue=overdue, due_before=due_before, updated_since=updated_since)


@app.post("/api/invoices", status_code=201, summary="Make an invoice", tags=["Invoices"], operation_id="create_invoice")
def create_invoice(invoice: InvoiceCreate) -> InvoiceWithLines:
    """Draft an invoice for a client or for a job of theirs, or open it at once."""
    require_idempotency_key(app)
    with transaction(app, needs="invoices:write") as tx:
        return service.create(tx, invoice)


handler = app.lambda_handler
