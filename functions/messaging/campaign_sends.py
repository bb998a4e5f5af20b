"""GET /api/campaigns/{campaign_id}/sends"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.campaigns import service
from clientway.messaging.campaigns.schemas import CampaignSend, SendState
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/campaigns/<campaign_id>/sends", summary="List a campaign's recipients", tags=["Campaigns"], operation_id="list_campaign_sends"
)
def list_campaign_sends(
    campaign_id: UUID,
    state: Annotated[SendState | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["contact_id", "-contact_id"], Query()] = "contact_id",
) -> Page[CampaignSend]:
    """One row for each recipient with what became of it, and one for everybody who was left out, with the reason."""
    request = Request(limit, cursor, sort, {"campaign_id": campaign_id, "state": state, "contact_id": contact_id})
    with transaction(app, needs="campaigns:read") as tx:
        return service.sends(tx, campaign_id, request, state=state, contact_id=contact_id)


handler = app.lambda_handler
