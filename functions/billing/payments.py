"""/api/payments"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.payments import service
from clientway.billing.payments.schemas import MoneyProvider, PaymentCreate, PaymentDetail, PaymentStatus, PaymentWithOrganization
from clientway.http import api, require_idempotency_key, transaction
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/payments", summary="List payments", tags=["Payments"], operation_id="list_payments")
def list_payments(
    status: Annotated[PaymentStatus | None, Query()] = None,
    provider: Annotated[MoneyProvider | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    organization_id: Annotated[UUID | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[PaymentWithOrganization]:
    """The tenant's payments, each with the organization it is from, the latest changed first."""
    filters = {"status": status, "provider": provider, "contact_id": contact_id, "organization_id": organization_id}
    with transaction(app, needs="payments:read") as tx:
        request = Request(limit, cursor, sort, {**filters, "updated_since": updated_since})
        return service.find(
            tx,
            request,
            status=status,
            provider=provider,
            contact_id=contact_id,
            organization_id=organization_id,
            updated_since=updated_since,
        )


@app.post("/api/payments", status_code=201, summary="Record a payment", tags=["Payments"], operation_id="create_payment")
def create_payment(payment: PaymentCreate) -> PaymentDetail:
    """Record money that came in from whoever a contact, an invoice or a quote names. What pays no invoice is the client's credit."""
    require_idempotency_key(app)
    with transaction(app, needs="payments:write") as tx:
        return service.record(tx, payment)


handler = app.lambda_handler
