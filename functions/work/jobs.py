"""/api/jobs"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page, Timestamp
from clientway.work.jobs import service
from clientway.work.jobs.rules import JobStatus
from clientway.work.jobs.schemas import Job, JobCreate

app = api(__name__)


@app.get("/api/jobs", summary="List jobs", tags=["Jobs"], operation_id="list_jobs")
def list_jobs(
    status: Annotated[JobStatus | None, Query()] = None,
    contact_id: Annotated[UUID | None, Query()] = None,
    organization_id: Annotated[UUID | None, Query()] = None,
    assignee_id: Annotated[UUID | None, Query()] = None,
    series_id: Annotated[UUID | None, Query()] = None,
    start_from: Annotated[Timestamp | None, Query(description="Starts at this time or later.")] = None,
    start_before: Annotated[Timestamp | None, Query(description="Starts before this time.")] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["start_at", "-start_at", "updated_at", "-updated_at"], Query()] = "start_at",
) -> Page[Job]:
    """The jobs of all clients, in the order in which they start: a day of somebody's is start_from, start_before and assignee_id."""
    equal = {
        "status": status, "contact_id": contact_id, "organization_id": organization_id, "assignee_id": assignee_id, "series_id": series_id,
    }  # fmt: skip
    times = {"start_from": start_from, "start_before": start_before, "updated_since": updated_since}
    with transaction(app, needs="jobs:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, {**equal, **times}), equal, times=times)


@app.post("/api/jobs", status_code=201, summary="Book a job", tags=["Jobs"], operation_id="create_job")
def create_job(job: JobCreate) -> Job:
    """Book work for a client, with its reminders a day and two hours before. An assignee who is elsewhere then is refused."""
    with transaction(app, needs="jobs:write") as tx:
        return service.create(tx, job)


handler = app.lambda_handler
