"""/api/deals/{deal_id}/quotes"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.quotes import service
from clientway.lifecycle.quotes.schemas import Quote, QuoteCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/deals/<deal_id>/quotes", summary="List a deal's quotes", tags=["Deals"], operation_id="list_deal_quotes")
def list_quotes(
    deal_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Quote]:
    """What was quoted for a deal, newest first."""
    with transaction(app, needs="deals:read") as tx:
        request = Request(limit, cursor, sort, {"deal_id": deal_id})
        return service.of_deal(tx, deal_id, request)


@app.post("/api/deals/<deal_id>/quotes", status_code=201, summary="Draft a quote", tags=["Deals"], operation_id="create_quote")
def create_quote(deal_id: UUID, quote: QuoteCreate) -> Quote:
    """Draft a quote for an open deal."""
    with transaction(app, needs="deals:write") as tx:
        return service.create(tx, deal_id, quote)


handler = app.lambda_handler
