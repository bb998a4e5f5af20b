"""POST /api/campaigns/{campaign_id}/dry-run"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.campaigns import dry_runs
from clientway.messaging.campaigns.schemas import CampaignDryRun

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/dry-run", summary="Dry-run a campaign", tags=["Campaigns"], operation_id="dry_run_campaign")
def dry_run_campaign(campaign_id: UUID) -> CampaignDryRun:
    """Who gets it, who does not and why, when, and what it costs, found by the code that launches. The launch quotes its hash."""
    with transaction(app, needs="campaigns:write") as tx:
        return dry_runs.run(tx, campaign_id)


handler = app.lambda_handler
