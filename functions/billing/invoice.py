"""/api/invoices/{invoice_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoicePatch, InvoiceWithLines
from clientway.http import api, if_match, transaction

app = api(__name__)


@app.get("/api/invoices/<invoice_id>", summary="Read an invoice", tags=["Invoices"], operation_id="read_invoice")
def read_invoice(invoice_id: UUID) -> InvoiceWithLines:
    """One invoice with its lines."""
    with transaction(app, needs="invoices:read") as tx:
        return service.read(tx, invoice_id)


@app.patch("/api/invoices/<invoice_id>", summary="Change an invoice", tags=["Invoices"], operation_id="change_invoice")
def change_invoice(invoice_id: UUID, patch: InvoicePatch) -> InvoiceWithLines:
    """Change a draft; of an open invoice, its due date and notes. Where its payment page is missing, one is asked for again."""
    version = if_match(app)
    with transaction(app, needs="invoices:write") as tx:
        return service.change(tx, invoice_id, patch, version=version)


@app.delete("/api/invoices/<invoice_id>", status_code=204, summary="Delete a draft", tags=["Invoices"], operation_id="delete_invoice")
def delete_invoice(invoice_id: UUID) -> Response[Any]:
    """Delete a draft for good. What has a number stays on record: void it."""
    version = if_match(app)
    with transaction(app, needs="invoices:write") as tx:
        service.delete(tx, invoice_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
