"""/api/job-series"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.series import service
from clientway.work.series.schemas import JobSeries, JobSeriesCreate, JobSeriesOutcome, SeriesStatus

app = api(__name__)


@app.get("/api/job-series", summary="List job series", tags=["Jobs"], operation_id="list_job_series")
def list_job_series(
    contact_id: Annotated[UUID | None, Query()] = None,
    status: Annotated[SeriesStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[JobSeries]:
    """Jobs that repeat, the latest series first."""
    filters = {"contact_id": contact_id, "status": status}
    with transaction(app, needs="jobs:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, filters), contact_id=contact_id, status=status)


@app.post("/api/job-series", status_code=201, summary="Begin a job series", tags=["Jobs"], operation_id="create_job_series")
def create_job_series(series: JobSeriesCreate) -> JobSeriesOutcome:
    """Work for a client that repeats by an RFC 5545 rule, in local time. Its jobs of the next 60 days are made, 50 of them at once."""
    with transaction(app, needs="jobs:write") as tx:
        return service.create(tx, series)


handler = app.lambda_handler
