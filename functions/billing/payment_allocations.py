"""/api/payments/{payment_id}/allocations"""

from uuid import UUID

from clientway.billing.payments import allocations
from clientway.billing.payments.schemas import Allocation, AllocationCreate
from clientway.http import api, require_idempotency_key, transaction

app = api(__name__)


@app.post(
    "/api/payments/<payment_id>/allocations",
    status_code=201,
    summary="Pay an invoice from credit",
    tags=["Payments"],
    operation_id="create_allocation",
)
def create_allocation(payment_id: UUID, allocation: AllocationCreate) -> Allocation:
    """Apply what is left of a payment to an invoice of the same client in the same currency."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return allocations.apply(tx, payment_id, allocation)


handler = app.lambda_handler
