"""/api/recurring-invoices/{recurring_invoice_id}"""

from uuid import UUID

from clientway.billing.recurring import service
from clientway.billing.recurring.schemas import RecurringInvoicePatch, RecurringInvoiceWithInvoices
from clientway.http import api, if_match, transaction

app = api(__name__)
_PATH = "/api/recurring-invoices/<recurring_invoice_id>"


@app.get(_PATH, summary="Read a recurring invoice", tags=["Invoices"], operation_id="read_recurring_invoice")
def read_recurring_invoice(recurring_invoice_id: UUID) -> RecurringInvoiceWithInvoices:
    """One recurring invoice with the last ten invoices made of it."""
    with transaction(app, needs="invoices:read") as tx:
        return service.read(tx, recurring_invoice_id)


@app.patch(_PATH, summary="Change a recurring invoice", tags=["Invoices"], operation_id="change_recurring_invoice")
def change_recurring_invoice(recurring_invoice_id: UUID, patch: RecurringInvoicePatch) -> RecurringInvoiceWithInvoices:
    """Change what is billed from now on and when; pause, resume or end it."""
    with transaction(app, needs="invoices:write") as tx:
        return service.change(tx, recurring_invoice_id, patch, version=if_match(app))


handler = app.lambda_handler
