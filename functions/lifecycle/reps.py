"""/api/reps"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.reps import service
from clientway.lifecycle.reps.schemas import Rep, RepCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/reps", summary="List reps", tags=["Reps"], operation_id="list_reps")
def list_reps(
    active: Annotated[bool | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["slug", "-slug"], Query()] = "slug",
) -> Page[Rep]:
    """The people who look after organizations."""
    with transaction(app, needs="reps:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, {"active": active}), active=active)


@app.post("/api/reps", status_code=201, summary="Add a rep", tags=["Reps"], operation_id="create_rep")
def create_rep(rep: RepCreate) -> Rep:
    """Add somebody who looks after organizations."""
    with transaction(app, needs="reps:write") as tx:
        return service.create(tx, rep)


handler = app.lambda_handler
