"""POST /api/invoices/{invoice_id}/uncollectible"""

from uuid import UUID

from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoiceWithLines
from clientway.http import api, transaction

app = api(__name__)


@app.post("/api/invoices/<invoice_id>/uncollectible", summary="Write an invoice off", tags=["Invoices"], operation_id="write_invoice_off")
def write_invoice_off(invoice_id: UUID) -> InvoiceWithLines:
    """Give up on an invoice. It can still be paid, and then counts as any other."""
    with transaction(app, needs="payments:write") as tx:
        return service.write_off(tx, invoice_id)


handler = app.lambda_handler
