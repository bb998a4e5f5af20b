"""/api/payments/{payment_id}/refunds"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.refunds import service
from clientway.billing.refunds.schemas import Refund, RefundCreate
from clientway.http import api, require_idempotency_key, transaction
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/payments/<payment_id>/refunds", summary="List a payment's refunds", tags=["Payments"], operation_id="list_payment_refunds")
def list_refunds(
    payment_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Refund]:
    """A payment's refunds, done or pending, newest first."""
    with transaction(app, needs="payments:read") as tx:
        return service.of_payment(tx, payment_id, Request(limit, cursor, sort, {"payment_id": payment_id}))


@app.post(
    "/api/payments/<payment_id>/refunds", status_code=201, summary="Refund a payment", tags=["Payments"], operation_id="create_refund"
)
def create_refund(payment_id: UUID, refund: RefundCreate) -> Refund:
    """Give money back. Where a provider holds it, the provider is asked to, and the books change once it has."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.ask(tx, payment_id, refund)


handler = app.lambda_handler
