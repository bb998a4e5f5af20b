"""/api/deals"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.deals import service
from clientway.lifecycle.deals.rules import DealStage, DealStatus
from clientway.lifecycle.deals.schemas import DealWithOrganization
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/deals", summary="List all deals", tags=["Deals"], operation_id="list_deals")
def list_deals(
    status: Annotated[DealStatus | None, Query()] = None,
    stage: Annotated[DealStage | None, Query()] = None,
    owner_rep_id: Annotated[UUID | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[DealWithOrganization]:
    """The deals of all organizations, those that changed last first."""
    filters = {"status": status, "stage": stage, "owner_rep_id": owner_rep_id, "updated_since": updated_since}
    with transaction(app, needs="deals:read") as tx:
        return service.find(
            tx, Request(limit, cursor, sort, filters), status=status, stage=stage, owner_rep_id=owner_rep_id, updated_since=updated_since
        )


handler = app.lambda_handler
