"""GET /api/organizations/{organization_id}/transitions"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.stages import service
from clientway.lifecycle.stages.schemas import Transition
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/organizations/<organization_id>/transitions", summary="Chain of stages", tags=["Lifecycle"], operation_id="list_transitions")
def list_transitions(
    organization_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["sequence", "-sequence"], Query()] = "-sequence",
) -> Page[Transition]:
    """Every stage an organization has been in: who moved it, why, and how long it had been where it was."""
    with transaction(app, needs="organizations:read") as tx:
        return service.list_transitions(tx, organization_id, Request(limit, cursor, sort, {"organization_id": organization_id}))


handler = app.lambda_handler
