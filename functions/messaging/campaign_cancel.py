"""POST /api/campaigns/{campaign_id}/cancel"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.campaigns import launching
from clientway.messaging.campaigns.schemas import CampaignWithProgress

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/cancel", summary="Cancel a campaign", tags=["Campaigns"], operation_id="cancel_campaign")
def cancel_campaign(campaign_id: UUID) -> CampaignWithProgress:
    """End a campaign for good: nobody else gets it."""
    with transaction(app, needs="campaigns:write") as tx:
        return launching.cancel(tx, campaign_id)


handler = app.lambda_handler
