"""GET /api/merges"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.merges import service
from clientway.lifecycle.merges.schemas import ContactMerge
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/merges", summary="List merges", tags=["Merges"], operation_id="list_merges")
def list_merges(
    contact_id: Annotated[UUID | None, Query(description="Of this contact, whichever side it was on.")] = None,
    undone: Annotated[bool | None, Query(description="Only those that were undone, or only those that stand.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[ContactMerge]:
    """The merges that were done, the latest first."""
    request = Request(limit, cursor, sort, {"contact_id": contact_id, "undone": undone})
    with transaction(app, needs="merges:read") as tx:
        return service.find(tx, request, contact_id=contact_id, undone=undone)


handler = app.lambda_handler
