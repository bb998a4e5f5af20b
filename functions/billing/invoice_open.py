"""POST /api/invoices/{invoice_id}/open"""

from uuid import UUID

from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoiceWithLines
from clientway.http import api, require_idempotency_key, transaction

app = api(__name__)


@app.post("/api/invoices/<invoice_id>/open", summary="Open an invoice", tags=["Invoices"], operation_id="open_invoice")
def open_invoice(invoice_id: UUID) -> InvoiceWithLines:
    """Give a draft the next number and send it out: deposits pay it, its reminders are planned, its payment page is made."""
    require_idempotency_key(app)
    with transaction(app, needs="invoices:write") as tx:
        return service.open_(tx, invoice_id)


handler = app.lambda_handler
