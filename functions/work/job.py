"""/api/jobs/{job_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.work.jobs import service
from clientway.work.jobs.schemas import Job, JobPatch

app = api(__name__)


@app.get("/api/jobs/<job_id>", summary="Read a job", tags=["Jobs"], operation_id="read_job")
def read_job(job_id: UUID) -> Job:
    """One job."""
    with transaction(app, needs="jobs:read") as tx:
        return service.read(tx, job_id)


@app.patch("/api/jobs/<job_id>", summary="Change a job", tags=["Jobs"], operation_id="change_job")
def change_job(job_id: UUID, patch: JobPatch) -> Job:
    """Move a job, hand it over, start, finish, cancel or reopen it; its reminders follow. One that is canceled stays on record."""
    version = if_match(app)
    with transaction(app, needs="jobs:write") as tx:
        return service.change(tx, job_id, patch, version=version)


handler = app.lambda_handler
