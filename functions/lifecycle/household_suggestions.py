"""GET /api/households/suggestions"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.households import service
from clientway.lifecycle.households.schemas import HouseholdSuggestion
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/households/suggestions", summary="Suggest households", tags=["Households"], operation_id="suggest_households")
def suggest_households(
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["address", "-address"], Query()] = "address",
) -> Page[HouseholdSuggestion]:
    """Contacts with the same last name and address who are not in a household yet."""
    with transaction(app, needs="households:read") as tx:
        return service.suggestions(tx, Request(limit, cursor, sort, {}))


handler = app.lambda_handler
