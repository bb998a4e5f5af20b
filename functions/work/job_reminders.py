"""/api/jobs/{job_id}/reminders"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.reminders import service
from clientway.work.reminders.schemas import Reminder

app = api(__name__)


@app.get("/api/jobs/<job_id>/reminders", summary="List a job's reminders", tags=["Jobs"], operation_id="list_job_reminders")
def list_job_reminders(
    job_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["send_at", "-send_at"], Query()] = "send_at",
) -> Page[Reminder]:
    """What the client is sent about a job and when, with what was called off when it moved."""
    with transaction(app, needs="jobs:read") as tx:
        return service.of_job(tx, job_id, Request(limit, cursor, sort, {"job_id": job_id}))


handler = app.lambda_handler
