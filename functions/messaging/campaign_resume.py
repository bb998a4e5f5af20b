"""POST /api/campaigns/{campaign_id}/resume"""

from uuid import UUID

from clientway.http import api, require_idempotency_key, transaction
from clientway.messaging.campaigns import launching
from clientway.messaging.campaigns.schemas import CampaignWithProgress

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/resume", summary="Resume a campaign", tags=["Campaigns"], operation_id="resume_campaign")
def resume_campaign(campaign_id: UUID) -> CampaignWithProgress:
    """Go on where a campaign was paused. Only an admin can resume one that was stopped for its complaints."""
    require_idempotency_key(app)
    with transaction(app, needs="campaigns:launch") as tx:
        return launching.resume(tx, campaign_id)


handler = app.lambda_handler
