"""/api/create-job-with-client"""

from clientway.http import api, transaction
from clientway.work.jobs import intake
from clientway.work.jobs.schemas import JobWithClient, JobWithClientCreate

app = api(__name__)


@app.post(
    "/api/create-job-with-client",
    status_code=201,
    summary="Book a job for a client, known or new",
    tags=["Jobs"],
    operation_id="create_job_with_client",
)
def create_job_with_client(order: JobWithClientCreate) -> JobWithClient:
    """Find or make the client, write down the address and book the job with its reminders: all of it, or nothing."""
    with transaction(app, needs="jobs:write") as tx:
        return intake.book(tx, order)


handler = app.lambda_handler
