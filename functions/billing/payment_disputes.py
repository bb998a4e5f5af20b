"""/api/payments/{payment_id}/disputes"""

from uuid import UUID

from clientway.billing.disputes import service
from clientway.billing.disputes.schemas import Dispute, DisputeCreate
from clientway.http import api, require_idempotency_key, transaction

app = api(__name__)


@app.post(
    "/api/payments/<payment_id>/disputes", status_code=201, summary="Record a dispute", tags=["Disputes"], operation_id="create_dispute"
)
def create_dispute(payment_id: UUID, dispute: DisputeCreate) -> Dispute:
    """Record that a client disputes a payment that staff recorded. Open, it takes nothing yet."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.record(tx, payment_id, dispute)


handler = app.lambda_handler
