"""POST /api/invoices/{invoice_id}/void"""

from uuid import UUID

from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoiceWithLines
from clientway.http import api, transaction

app = api(__name__)


@app.post("/api/invoices/<invoice_id>/void", summary="Void an invoice", tags=["Invoices"], operation_id="void_invoice")
def void_invoice(invoice_id: UUID) -> InvoiceWithLines:
    """Void an invoice that has no payments. Its number is not used again."""
    with transaction(app, needs="invoices:write") as tx:
        return service.void(tx, invoice_id)


handler = app.lambda_handler
