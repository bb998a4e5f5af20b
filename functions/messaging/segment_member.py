"""/api/segments/{segment_id}/members/{contact_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.messaging.segments import service

app = api(__name__)


@app.delete(
    "/api/segments/<segment_id>/members/<contact_id>",
    status_code=204,
    summary="Remove a member from a segment",
    tags=["Segments"],
    operation_id="remove_segment_member",
)
def remove_segment_member(segment_id: UUID, contact_id: UUID) -> Response[Any]:
    """Take a contact out of a manual segment. A membership has no version: the contact is a member or is not."""
    with transaction(app, needs="segments:write") as tx:
        service.remove_member(tx, segment_id, contact_id)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
