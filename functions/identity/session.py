"""DELETE /api/sessions/{session_id}"""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.identity.sessions import service

app = api(__name__)


@app.delete("/api/sessions/<session_id>", status_code=204, summary="End a session", tags=["Sign-in"], operation_id="revoke_session")
def revoke_session(session_id: UUID) -> Response[None]:
    """End a session at once: one's own, or as an administrator any member's."""
    with transaction(app, needs="self:write") as tx:
        service.revoke(tx, session_id)
    return Response(204)


handler = app.lambda_handler
