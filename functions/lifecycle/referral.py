"""/api/referrals/{referral_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.referrals import service
from clientway.lifecycle.referrals.schemas import Referral, ReferralPatch

app = api(__name__)


@app.get("/api/referrals/<referral_id>", summary="Read a referral", tags=["Referrals"], operation_id="read_referral")
def read_referral(referral_id: UUID) -> Referral:
    """One referral."""
    with transaction(app, needs="referrals:read") as tx:
        return service.read(tx, referral_id)


@app.patch("/api/referrals/<referral_id>", summary="Change a referral", tags=["Referrals"], operation_id="change_referral")
def change_referral(referral_id: UUID, patch: ReferralPatch) -> Referral:
    """Replace what is sent: name the organization it became, or decline it."""
    version = if_match(app)
    with transaction(app, needs="referrals:write") as tx:
        return service.change(tx, referral_id, patch, version=version)


handler = app.lambda_handler
