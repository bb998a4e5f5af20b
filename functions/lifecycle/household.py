"""/api/households/{household_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.lifecycle.households import service
from clientway.lifecycle.households.schemas import Household, HouseholdPatch

app = api(__name__)


@app.get("/api/households/<household_id>", summary="Read a household", tags=["Households"], operation_id="read_household")
def read_household(household_id: UUID) -> Household:
    """A household with those who live in it."""
    with transaction(app, needs="households:read") as tx:
        return service.read(tx, household_id)


@app.patch("/api/households/<household_id>", summary="Rename a household", tags=["Households"], operation_id="change_household")
def change_household(household_id: UUID, patch: HouseholdPatch) -> Household:
    """Give a household another name."""
    version = if_match(app)
    with transaction(app, needs="households:write") as tx:
        return service.rename(tx, household_id, patch, version=version)


@app.delete(
    "/api/households/<household_id>", status_code=204, summary="Dissolve a household", tags=["Households"], operation_id="delete_household"
)
def delete_household(household_id: UUID) -> Response[Any]:
    """Dissolve a household; those who lived in it stay contacts."""
    version = if_match(app)
    with transaction(app, needs="households:write") as tx:
        service.delete(tx, household_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
