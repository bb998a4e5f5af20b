"""/api/job-series/{series_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.work.series import service
from clientway.work.series.schemas import JobSeriesOutcome, JobSeriesPatch, JobSeriesWithJobs

app = api(__name__)


@app.get("/api/job-series/<series_id>", summary="Read a job series", tags=["Jobs"], operation_id="read_job_series")
def read_job_series(series_id: UUID) -> JobSeriesWithJobs:
    """One series with its next ten jobs."""
    with transaction(app, needs="jobs:read") as tx:
        return service.read(tx, series_id)


@app.patch("/api/job-series/<series_id>", summary="Change a job series", tags=["Jobs"], operation_id="change_job_series")
def change_job_series(series_id: UUID, patch: JobSeriesPatch) -> JobSeriesOutcome:
    """Change all jobs to come, or those from an occurrence on: then the answer is the new series that goes on from there."""
    with transaction(app, needs="jobs:write") as tx:
        return service.change(tx, series_id, patch, version=if_match(app))


handler = app.lambda_handler
