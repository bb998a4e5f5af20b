"""/api/payments/{payment_id}"""

from uuid import UUID

from clientway.billing.payments import service
from clientway.billing.payments.schemas import Payment, PaymentDetail, PaymentPatch
from clientway.http import api, if_match, transaction

app = api(__name__)


@app.get("/api/payments/<payment_id>", summary="Read a payment", tags=["Payments"], operation_id="read_payment")
def read_payment(payment_id: UUID) -> PaymentDetail:
    """One payment, with what it pays, and its refunds and disputes."""
    with transaction(app, needs="payments:read") as tx:
        return service.read(tx, payment_id)


@app.patch("/api/payments/<payment_id>", summary="Annotate a payment", tags=["Payments"], operation_id="change_payment")
def change_payment(payment_id: UUID, patch: PaymentPatch) -> Payment:
    """Change the note. The money itself is refunded, never changed."""
    version = if_match(app)
    with transaction(app, needs="payments:write") as tx:
        return service.annotate(tx, payment_id, patch, version=version)


handler = app.lambda_handler
