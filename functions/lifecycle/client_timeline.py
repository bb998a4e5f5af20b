"""GET /api/clients/{contact_id}/timeline"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.clients import service
from clientway.lifecycle.clients.rules import LineType
from clientway.lifecycle.clients.schemas import TimelineLine
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/clients/<contact_id>/timeline", summary="Timeline of a client", tags=["Clients"], operation_id="client_timeline")
def client_timeline(
    contact_id: UUID,
    type: Annotated[LineType | None, Query(description="Lines of one kind.")] = None,  # noqa: A002  (the seed's word)
    since: Annotated[Timestamp | None, Query(description="From this time on.")] = None,
    before: Annotated[Timestamp | None, Query(description="Up to this time, exclusive.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[TimelineLine]:
    """Everything that happened with a client, newest first, whoever was merged into them included."""
    filters = {"contact_id": contact_id, "type": type, "since": since, "before": before}
    with transaction(app, needs="activities:read") as tx:
        return service.timeline(tx, contact_id, Request(limit, cursor, sort, filters), kind=type, since=since, before=before)


handler = app.lambda_handler
