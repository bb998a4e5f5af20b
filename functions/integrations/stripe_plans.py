"""/api/stripe-plans"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.integrations.stripe import plans
from clientway.integrations.stripe.schemas import Plan, PlanCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/stripe-plans", summary="List the plans that prices stand for", tags=["Stripe"], operation_id="list_stripe_plans")
def list_stripe_plans(
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Plan]:
    """Which support plan each price at Stripe stands for, the newest first."""
    with transaction(app, needs="settings:read") as tx:
        return plans.find(tx, Request(limit, cursor, sort, {}))


@app.post(
    "/api/stripe-plans", status_code=201, summary="Say which plan a price stands for", tags=["Stripe"], operation_id="create_stripe_plan"
)
def create_stripe_plan(plan: PlanCreate) -> Plan:
    """Name the support plan that a price stands for, by its lookup_key or its metadata's support_plan; never by a name."""
    with transaction(app, needs="settings:write") as tx:
        return plans.create(tx, plan)


handler = app.lambda_handler
