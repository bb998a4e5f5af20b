"""/api/segments/{segment_id}/members"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.messaging.segments import service
from clientway.messaging.segments.schemas import SegmentMembersAdd, SegmentMembersAdded

app = api(__name__)


@app.post("/api/segments/<segment_id>/members", summary="Add members to a segment", tags=["Segments"], operation_id="add_segment_members")
def add_segment_members(segment_id: UUID, members: SegmentMembersAdd) -> SegmentMembersAdded:
    """Put contacts into a manual segment: all of them, or none if one does not exist. Existing members stay."""
    with transaction(app, needs="segments:write") as tx:
        return service.add_members(tx, segment_id, members)


handler = app.lambda_handler
