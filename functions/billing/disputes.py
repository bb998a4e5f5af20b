"""/api/disputes"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.disputes import service
from clientway.billing.disputes.schemas import DisputeStatus, DisputeWithOrganization
from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/disputes", summary="List disputes", tags=["Disputes"], operation_id="list_disputes")
def list_disputes(
    status: Annotated[DisputeStatus | None, Query()] = None,
    payment_id: Annotated[UUID | None, Query()] = None,
    organization_id: Annotated[UUID | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[DisputeWithOrganization]:
    """The tenant's disputes, each with the organization it is of, the latest changed first."""
    filters = {"status": status, "payment_id": payment_id, "organization_id": organization_id, "updated_since": updated_since}
    with transaction(app, needs="payments:read") as tx:
        request = Request(limit, cursor, sort, filters)
        return service.find(tx, request, status=status, payment_id=payment_id, organization_id=organization_id, updated_since=updated_since)


handler = app.lambda_handler
