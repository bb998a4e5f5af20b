"""GET /healthz"""

from clientway.http import anonymous, api
from clientway.operations.health import Liveness, check

app = api(__name__)


@app.get("/healthz", summary="Is it up?", tags=["Operations"], operation_id="healthz")
def healthz() -> Liveness:
    """200 when the API and its database answer; 503 while the database is away."""
    with anonymous(app) as tx:
        return check(tx)


handler = app.lambda_handler
