"""/api/imports"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import Import, ImportCreate, ImportStarted, ImportStatus
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/imports", summary="List imports", tags=["Imports"], operation_id="list_imports")
def list_imports(
    status: Annotated[ImportStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Import]:
    """Every import, newest first."""
    with transaction(app, needs="imports:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, {"status": status}), status)


@app.post("/api/imports", status_code=201, summary="Start an import", tags=["Imports"], operation_id="start_import")
def start_import(given: ImportCreate) -> ImportStarted:
    """Get a URL to upload a CSV file to, or send rows along; nothing is written before the commit."""
    with transaction(app, needs="imports:write") as tx:
        return service.start(tx, given)


handler = app.lambda_handler
