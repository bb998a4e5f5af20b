"""/api/stripe-plans/{stripe_plan_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.integrations.stripe import plans
from clientway.integrations.stripe.schemas import Plan, PlanPatch

app = api(__name__)


@app.patch("/api/stripe-plans/<stripe_plan_id>", summary="Change a price's plan", tags=["Stripe"], operation_id="change_stripe_plan")
def change_stripe_plan(stripe_plan_id: UUID, patch: PlanPatch) -> Plan:
    """Replace what is sent; subscriptions follow soon after."""
    version = if_match(app)
    with transaction(app, needs="settings:write") as tx:
        return plans.change(tx, stripe_plan_id, patch, version=version)


@app.delete(
    "/api/stripe-plans/<stripe_plan_id>",
    status_code=204,
    summary="Delete a price's plan",
    tags=["Stripe"],
    operation_id="delete_stripe_plan",
)
def delete_stripe_plan(stripe_plan_id: UUID) -> Response[Any]:
    """Forget which plan a price stands for; subscriptions follow soon after."""
    version = if_match(app)
    with transaction(app, needs="settings:write") as tx:
        plans.delete(tx, stripe_plan_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
