"""GET /api/duplicates"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.duplicates import service
from clientway.lifecycle.duplicates.schemas import DuplicateSuggestion, SuggestionStatus
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/duplicates", summary="List likely duplicates", tags=["Merges"], operation_id="list_duplicates")
def list_duplicates(
    status: Annotated[SuggestionStatus, Query()] = "open",
    min_score: Annotated[int | None, Query(ge=0, le=100)] = None,
    contact_id: Annotated[UUID | None, Query(description="Of this contact.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["score", "-score"], Query()] = "-score",
) -> Page[DuplicateSuggestion]:
    """Pairs of contacts that may be one person, the likeliest first, each with what speaks for it and against it."""
    request = Request(limit, cursor, sort, {"status": status, "min_score": min_score, "contact_id": contact_id})
    with transaction(app, needs="merges:read") as tx:
        return service.find(tx, request, status=status, min_score=min_score, contact_id=contact_id)


handler = app.lambda_handler
