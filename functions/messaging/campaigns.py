"""/api/campaigns"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.campaigns import service
from clientway.messaging.campaigns.rules import Status
from clientway.messaging.campaigns.schemas import Campaign, CampaignCreate, CampaignWithProgress, Channel, Filters
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/campaigns", summary="List campaigns", tags=["Campaigns"], operation_id="list_campaigns")
def list_campaigns(
    status: Annotated[Status | None, Query()] = None,
    channel: Annotated[Channel | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query(description="Changed at this time or later.")] = None,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[Campaign]:
    """Messages to many, the latest changed first. Read one to see how far it is."""
    filters = Filters(status=status, channel=channel, updated_since=updated_since, include_deleted=bool(include_deleted))
    with transaction(app, needs="campaigns:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, vars(filters)), filters)


@app.post("/api/campaigns", status_code=201, summary="Create a campaign", tags=["Campaigns"], operation_id="create_campaign")
def create_campaign(campaign: CampaignCreate) -> CampaignWithProgress:
    """Create a campaign as a draft. Nothing is sent before a dry run has been looked at and quoted by the launch."""
    with transaction(app, needs="campaigns:write") as tx:
        return service.create(tx, campaign)


handler = app.lambda_handler
