"""/api/segments"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import Kind, Segment, SegmentCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/segments", summary="List segments", tags=["Segments"], operation_id="list_segments")
def list_segments(
    kind: Annotated[Kind | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "name", "-name"], Query()] = "-updated_at",
) -> Page[Segment]:
    """The segments that are kept, each with its definition and the same in a sentence."""
    with transaction(app, needs="segments:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, {"kind": kind}), kind=kind)


@app.post("/api/segments", status_code=201, summary="Add a segment", tags=["Segments"], operation_id="create_segment")
def create_segment(segment: SegmentCreate) -> Segment:
    """Create a segment. A snapshot is taken at once: whoever fits its definition now stays a member, and nobody joins later."""
    with transaction(app, needs="segments:write") as tx:
        return service.create(tx, segment)


handler = app.lambda_handler
