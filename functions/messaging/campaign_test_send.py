"""POST /api/campaigns/{campaign_id}/test"""

from uuid import UUID

from clientway.http import api, require_idempotency_key, transaction
from clientway.messaging.campaigns import previewing
from clientway.messaging.campaigns.schemas import CampaignTest
from clientway.messaging.mails.schemas import EmailMessage

app = api(__name__)


@app.post(
    "/api/campaigns/<campaign_id>/test",
    status_code=201,
    summary="Send a campaign to yourselves",
    tags=["Campaigns"],
    operation_id="send_campaign_test",
)
def send_campaign_test(campaign_id: UUID, test: CampaignTest) -> EmailMessage:
    """Mail what a recipient would get to up to three members of the tenant, marked as a test."""
    require_idempotency_key(app)
    with transaction(app, needs="campaigns:write") as tx:
        return previewing.send_test(tx, campaign_id, test)


handler = app.lambda_handler
