"""/api/segments/{segment_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import Segment, SegmentPatch

app = api(__name__)


@app.get("/api/segments/<segment_id>", summary="Read a segment", tags=["Segments"], operation_id="read_segment")
def read_segment(segment_id: UUID) -> Segment:
    """One segment with its definition."""
    with transaction(app, needs="segments:read") as tx:
        return service.read(tx, segment_id)


@app.patch("/api/segments/<segment_id>", summary="Change a segment", tags=["Segments"], operation_id="change_segment")
def change_segment(segment_id: UUID, patch: SegmentPatch) -> Segment:
    """Replace what is sent; the kind stays, and so does the definition of a snapshot."""
    version = if_match(app)
    with transaction(app, needs="segments:write") as tx:
        return service.change(tx, segment_id, patch, version=version)


@app.delete("/api/segments/<segment_id>", status_code=204, summary="Delete a segment", tags=["Segments"], operation_id="delete_segment")
def delete_segment(segment_id: UUID) -> Response[Any]:
    """Delete a segment; refused while a campaign under way or another segment is for it, with their names."""
    version = if_match(app)
    with transaction(app, needs="segments:write") as tx:
        service.delete(tx, segment_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
