"""POST /api/campaigns/{campaign_id}/preview"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.campaigns import previewing
from clientway.messaging.campaigns.schemas import CampaignPreview, CampaignPreviewRequest

app = api(__name__)


@app.post("/api/campaigns/<campaign_id>/preview", summary="Preview a campaign", tags=["Campaigns"], operation_id="preview_campaign")
def preview_campaign(campaign_id: UUID, of: CampaignPreviewRequest) -> CampaignPreview:
    """The message as one recipient would get it. Nothing is sent."""
    with transaction(app, needs="campaigns:read") as tx:
        return previewing.preview(tx, campaign_id, of.contact_id)


handler = app.lambda_handler
