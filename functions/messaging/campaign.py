"""/api/campaigns/{campaign_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.messaging.campaigns import service
from clientway.messaging.campaigns.schemas import CampaignPatch, CampaignWithProgress

app = api(__name__)
_PATH = "/api/campaigns/<campaign_id>"


@app.get(_PATH, summary="Read a campaign", tags=["Campaigns"], operation_id="read_campaign")
def read_campaign(campaign_id: UUID) -> CampaignWithProgress:
    """One campaign: what it says, its last dry run, and how far it is."""
    with transaction(app, needs="campaigns:read") as tx:
        return service.read(tx, campaign_id)


@app.patch(_PATH, summary="Change a campaign", tags=["Campaigns"], operation_id="change_campaign")
def change_campaign(campaign_id: UUID, patch: CampaignPatch) -> CampaignWithProgress:
    """Change a draft. Of a scheduled campaign the name and the schedule can be changed; nothing of one that is on its way.

    A scheduled one that is transactional only an admin changes (`campaigns:transactional`).
    """
    version = if_match(app)
    with transaction(app, needs="campaigns:write") as tx:
        return service.change(tx, campaign_id, patch, version=version)


@app.delete(_PATH, status_code=204, summary="Delete a campaign", tags=["Campaigns"], operation_id="delete_campaign")
def delete_campaign(campaign_id: UUID) -> Response[Any]:
    """Delete a campaign that is a draft or over. What was sent stays with the people it was sent to."""
    version = if_match(app)
    with transaction(app, needs="campaigns:write") as tx:
        service.delete(tx, campaign_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
