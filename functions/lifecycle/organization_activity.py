"""/api/organizations/{organization_id}/activity"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.timeline import service
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.lifecycle.timeline.schemas import Activity, ActivityCreate
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/organizations/<organization_id>/activity", summary="Timeline", tags=["Timeline"], operation_id="list_activity")
def list_activity(
    organization_id: UUID,
    activity_type: Annotated[ActivityType | None, Query()] = None,
    since: Annotated[Timestamp | None, Query(description="From this time on.")] = None,
    before: Annotated[Timestamp | None, Query(description="Up to this time, exclusive.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["occurred_at", "-occurred_at"], Query()] = "-occurred_at",
) -> Page[Activity]:
    """What happened with an organization, newest first."""
    filters = {"organization_id": organization_id, "activity_type": activity_type, "since": since, "before": before}
    with transaction(app, needs="activities:read") as tx:
        request = Request(limit, cursor, sort, filters)
        return service.list_lines(tx, organization_id, request, kind=activity_type, since=since, before=before)


@app.post(
    "/api/organizations/<organization_id>/activity",
    status_code=201,
    summary="Add to the timeline",
    tags=["Timeline"],
    operation_id="add_activity",
)
def add_activity(organization_id: UUID, activity: ActivityCreate) -> Activity:
    """Record something that happened; the lifecycle follows by itself where it is a fact that stages depend on."""
    with transaction(app, needs="activities:write") as tx:
        return service.add(tx, organization_id, activity)


handler = app.lambda_handler
