"""/api/payments"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.payments import service
from clientway.lifecycle.payments.rules import PaymentStatus
from clientway.lifecycle.payments.schemas import PaymentWithOrganization
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/payments", summary="List all payments", tags=["Payments"], operation_id="list_payments")
def list_payments(
    status: Annotated[PaymentStatus | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[PaymentWithOrganization]:
    """The payments of all organizations, those that changed last first."""
    filters = {"status": status, "updated_since": updated_since}
    with transaction(app, needs="payments:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, filters), status=status, updated_since=updated_since)


handler = app.lambda_handler
