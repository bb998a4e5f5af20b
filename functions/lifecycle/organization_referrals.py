"""/api/organizations/{organization_id}/referrals"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.referrals import service
from clientway.lifecycle.referrals.schemas import Referral, ReferralCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/referrals",
    summary="List an organization's referrals",
    tags=["Referrals"],
    operation_id="list_referrals",
)
def list_referrals(
    organization_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Referral]:
    """Whom an organization has sent to us, newest first."""
    with transaction(app, needs="referrals:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id})
        return service.of_organization(tx, organization_id, request)


@app.post(
    "/api/organizations/<organization_id>/referrals",
    status_code=201,
    summary="Record a referral",
    tags=["Referrals"],
    operation_id="create_referral",
)
def create_referral(organization_id: UUID, referral: ReferralCreate) -> Referral:
    """Record whom an organization has sent to us."""
    with transaction(app, needs="referrals:write") as tx:
        return service.create(tx, organization_id, referral)


handler = app.lambda_handler
