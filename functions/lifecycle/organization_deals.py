"""/api/organizations/{organization_id}/deals"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.deals import service
from clientway.lifecycle.deals.rules import DealStatus
from clientway.lifecycle.deals.schemas import Deal, DealCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/deals",
    summary="List an organization's deals",
    tags=["Deals"],
    operation_id="list_organization_deals",
)
def list_deals(
    organization_id: UUID,
    status: Annotated[DealStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Deal]:
    """What is expected from an organization, newest first."""
    with transaction(app, needs="deals:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id, "status": status})
        return service.of_organization(tx, organization_id, request, status=status)


@app.post("/api/organizations/<organization_id>/deals", status_code=201, summary="Open a deal", tags=["Deals"], operation_id="create_deal")
def create_deal(organization_id: UUID, deal: DealCreate) -> Deal:
    """Open a deal; the organization becomes an opportunity."""
    with transaction(app, needs="deals:write") as tx:
        return service.create(tx, organization_id, deal)


handler = app.lambda_handler
