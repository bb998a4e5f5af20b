"""POST /api/campaigns/{campaign_id}/launch"""

from uuid import UUID

from clientway.http import api, require_idempotency_key, transaction
from clientway.messaging.campaigns import launching
from clientway.messaging.campaigns.schemas import CampaignLaunch, CampaignWithProgress

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/launch", summary="Launch a campaign", tags=["Campaigns"], operation_id="launch_campaign")
def launch_campaign(campaign_id: UUID, launch: CampaignLaunch) -> CampaignWithProgress:
    """Send a campaign, now or at its time, to those whom the dry run showed; if that has changed since, 409 says how.

    A transactional one, which passes over consent to marketing, only an admin launches (`campaigns:transactional`).
    """
    require_idempotency_key(app)
    with transaction(app, needs="campaigns:launch") as tx:
        return launching.launch(tx, campaign_id, launch)


handler = app.lambda_handler
