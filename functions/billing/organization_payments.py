"""/api/organizations/{organization_id}/payments"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.payments import service
from clientway.billing.payments.schemas import OrganizationPaymentCreate, Payment, PaymentDetail, PaymentStatus
from clientway.http import api, require_idempotency_key, transaction
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/payments",
    summary="List an organization's payments",
    tags=["Payments"],
    operation_id="list_organization_payments",
)
def list_organization_payments(
    organization_id: UUID,
    status: Annotated[PaymentStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Payment]:
    """What an organization paid, newest first."""
    with transaction(app, needs="payments:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id, "status": status})
        return service.of_organization(tx, organization_id, request, status=status)


@app.post(
    "/api/organizations/<organization_id>/payments",
    status_code=201,
    summary="Record an organization's payment",
    tags=["Payments"],
    operation_id="create_organization_payment",
)
def create_organization_payment(organization_id: UUID, payment: OrganizationPaymentCreate) -> PaymentDetail:
    """Record money that came in. The first payment makes a client; what pays no invoice is their credit."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.record(tx, payment, organization_id=organization_id)


handler = app.lambda_handler
