"""/api/segments/{segment_id}/contacts"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import SegmentContact
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/segments/<segment_id>/contacts", summary="List a segment's contacts", tags=["Segments"], operation_id="list_segment_contacts"
)
def list_segment_contacts(
    segment_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[SegmentContact]:
    """Who belongs to a segment: of a dynamic one whoever fits now, of the others its members. Deleted contacts are left out."""
    with transaction(app, needs="segments:read") as tx:
        return service.contacts(tx, segment_id, Request(limit, cursor, sort, {"segment": segment_id}))


handler = app.lambda_handler
