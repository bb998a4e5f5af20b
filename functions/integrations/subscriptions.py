"""/api/subscriptions"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.integrations.stripe import subscriptions
from clientway.integrations.stripe.schemas import Subscription, SubscriptionStatus
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/subscriptions", summary="List subscriptions", tags=["Stripe"], operation_id="list_subscriptions")
def list_subscriptions(
    organization_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[SubscriptionStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Subscription]:
    """The tenant's subscriptions as Stripe last had them, the newest first."""
    filters = {"organization_id": organization_id, "status": status}
    with transaction(app, needs="accounts:read") as tx:
        return subscriptions.find(tx, Request(limit, cursor, sort, filters), organization_id=organization_id, status=status)


handler = app.lambda_handler
