"""/api/payments/{payment_id}/allocations/{allocation_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.billing.payments import allocations
from clientway.http import api, if_match, transaction

app = api(__name__)


@app.delete(
    "/api/payments/<payment_id>/allocations/<allocation_id>",
    status_code=204,
    summary="Release an allocation",
    tags=["Payments"],
    operation_id="release_allocation",
)
def release_allocation(payment_id: UUID, allocation_id: UUID) -> Response[Any]:
    """Release what pays an invoice: it is the client's credit again, and the invoice is owed. If-Match is the payment's ETag."""
    version = if_match(app)
    with transaction(app, needs="payments:write") as tx:
        allocations.release(tx, payment_id, allocation_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
