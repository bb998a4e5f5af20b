"""GET /api/rep/{slug}/clients"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.reps import service
from clientway.lifecycle.reps.schemas import RepClient
from clientway.lifecycle.stages.rules import Stage
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/rep/<slug>/clients", summary="List a rep's clients", tags=["Reps"], operation_id="list_rep_clients")
def list_rep_clients(
    slug: str,
    lifecycle_stage: Annotated[Stage | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at", "name", "-name"], Query()] = "-updated_at",
) -> Page[RepClient]:
    """The organizations that a rep looks after, each with its client account once somebody pays."""
    filters = {"slug": slug, "lifecycle_stage": lifecycle_stage}
    with transaction(app, needs="organizations:read") as tx:
        return service.clients(tx, slug, Request(limit, cursor, sort, filters), lifecycle_stage=lifecycle_stage)


handler = app.lambda_handler
