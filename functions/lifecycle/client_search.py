"""GET /api/clients/search"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.clients import service
from clientway.lifecycle.clients.schemas import FoundClient
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)
Sort = Literal["updated_at", "-updated_at", "created_at", "-created_at", "name", "-name"]


@app.get("/api/clients/search", summary="Search clients", tags=["Clients"], operation_id="search_clients")
def search_clients(
    q: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="Part of a name, an e-mail or a phone number in any form; all, when left out."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Sort, Query()] = "name",
) -> Page[FoundClient]:
    """Clients by any part of a name or of any of their addresses; fewer than three characters match the beginning of a name."""
    with transaction(app, needs="contacts:read") as tx:
        return service.search(tx, q, Request(limit, cursor, sort, {"q": q}))


handler = app.lambda_handler
