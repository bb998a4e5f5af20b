"""POST /api/campaigns/{campaign_id}/pause"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.campaigns import launching
from clientway.messaging.campaigns.schemas import CampaignWithProgress

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/pause", summary="Pause a campaign", tags=["Campaigns"], operation_id="pause_campaign")
def pause_campaign(campaign_id: UUID) -> CampaignWithProgress:
    """Stop sending for now: after this answer nobody else is sent to. What the provider already has is on its way."""
    with transaction(app, needs="campaigns:write") as tx:
        return launching.pause(tx, campaign_id)


handler = app.lambda_handler
