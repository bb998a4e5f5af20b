"""/api/invoices/{invoice_id}/credit-notes"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.credits import service
from clientway.billing.credits.schemas import CreditNote, CreditNoteCreate
from clientway.http import api, require_idempotency_key, transaction
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/invoices/<invoice_id>/credit-notes", summary="List an invoice's credit notes", tags=["Invoices"], operation_id="list_credit_notes"
)
def list_credit_notes(
    invoice_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[CreditNote]:
    """What was taken off an invoice, newest first."""
    with transaction(app, needs="invoices:read") as tx:
        return service.of_invoice(tx, invoice_id, Request(limit, cursor, sort, {"invoice_id": invoice_id}))


@app.post(
    "/api/invoices/<invoice_id>/credit-notes",
    status_code=201,
    summary="Credit an invoice",
    tags=["Invoices"],
    operation_id="create_credit_note",
)
def create_credit_note(invoice_id: UUID, credit: CreditNoteCreate) -> CreditNote:
    """Reduce what is owed on an invoice; once nothing is left, it counts as paid."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.create(tx, invoice_id, credit)


handler = app.lambda_handler
