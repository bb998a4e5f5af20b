"""/api/organizations/{organization_id}/payments"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, require_idempotency_key, transaction
from clientway.lifecycle.payments import service
from clientway.lifecycle.payments.rules import PaymentStatus
from clientway.lifecycle.payments.schemas import Payment, PaymentCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/payments",
    summary="List an organization's payments",
    tags=["Payments"],
    operation_id="list_organization_payments",
)
def list_payments(
    organization_id: UUID,
    status: Annotated[PaymentStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Payment]:
    """What is due from an organization and what came in, newest first."""
    with transaction(app, needs="payments:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id, "status": status})
        return service.of_organization(tx, organization_id, request, status=status)


@app.post(
    "/api/organizations/<organization_id>/payments",
    status_code=201,
    summary="Record a payment",
    tags=["Payments"],
    operation_id="create_payment",
)
def create_payment(organization_id: UUID, payment: PaymentCreate) -> Payment:
    """Record what is due or came in; the first payment makes a client. Needs an Idempotency-Key."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.create(tx, organization_id, payment)


handler = app.lambda_handler
