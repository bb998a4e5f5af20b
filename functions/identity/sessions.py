"""GET /api/sessions"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway import paging
from clientway.http import api, transaction
from clientway.identity.sessions import service
from clientway.identity.sessions.schemas import Session
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/sessions", summary="List live sessions", tags=["Sign-in"], operation_id="list_sessions")
def list_sessions(
    user_id: Annotated[UUID | None, Query(description="Sessions of one member (administrators).")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Session]:
    """List one's own live sessions; administrators see the whole tenant's."""
    with transaction(app, needs="self:read") as tx:
        return service.page(tx, paging.Request(limit, cursor, sort, {"user_id": user_id}), user_id)


handler = app.lambda_handler
