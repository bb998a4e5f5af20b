"""/api/households"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.households import service
from clientway.lifecycle.households.schemas import Household, HouseholdCreate, HouseholdSummary
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/households", summary="List households", tags=["Households"], operation_id="list_households")
def list_households(
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[HouseholdSummary]:
    """The tenant's households, the latest changed first."""
    with transaction(app, needs="households:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, {}))


@app.post("/api/households", status_code=201, summary="Make a household", tags=["Households"], operation_id="create_household")
def create_household(wanted: HouseholdCreate) -> Household:
    """Say that contacts live together. A contact belongs to one household at most."""
    with transaction(app, needs="households:write") as tx:
        return service.create(tx, wanted)


handler = app.lambda_handler
