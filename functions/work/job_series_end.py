"""POST /api/job-series/{series_id}/end"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.work.series import service
from clientway.work.series.schemas import JobSeriesEnd, JobSeriesOutcome

app = api(__name__)


@app.post("/api/job-series/<series_id>/end", summary="End a job series", tags=["Jobs"], operation_id="end_job_series")
def end_job_series(series_id: UUID, ending: JobSeriesEnd) -> JobSeriesOutcome:
    """Cancel a series' jobs to come, at once or from a local time on; what is done stays."""
    with transaction(app, needs="jobs:write") as tx:
        return service.end(tx, series_id, ending)


handler = app.lambda_handler
