"""/api/payments/{payment_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.payments import service
from clientway.lifecycle.payments.schemas import Payment, PaymentPatch

app = api(__name__)


@app.get("/api/payments/<payment_id>", summary="Read a payment", tags=["Payments"], operation_id="read_payment")
def read_payment(payment_id: UUID) -> Payment:
    """One payment."""
    with transaction(app, needs="payments:read") as tx:
        return service.read(tx, payment_id)


@app.patch("/api/payments/<payment_id>", summary="Change a payment", tags=["Payments"], operation_id="change_payment")
def change_payment(payment_id: UUID, patch: PaymentPatch) -> Payment:
    """Replace what is sent: pay what is due, void a mistake, open or close a dispute."""
    version = if_match(app)
    with transaction(app, needs="payments:write") as tx:
        return service.change(tx, payment_id, patch, version=version)


handler = app.lambda_handler
