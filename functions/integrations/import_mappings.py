"""/api/import-mappings"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import MappingSave, SavedMapping
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/import-mappings", summary="List saved mappings", tags=["Imports"], operation_id="list_import_mappings")
def list_import_mappings(
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["name", "-name"], Query()] = "name",
) -> Page[SavedMapping]:
    """Mappings kept for lists of the same kind."""
    with transaction(app, needs="imports:read") as tx:
        return service.list_mappings(tx, Request(limit, cursor, sort, {}))


@app.post("/api/import-mappings", status_code=201, summary="Save a mapping", tags=["Imports"], operation_id="save_import_mapping")
def save_import_mapping(given: MappingSave) -> SavedMapping:
    """Keep a mapping under a name; one of that name is replaced."""
    with transaction(app, needs="imports:write") as tx:
        return service.save_mapping(tx, given)


handler = app.lambda_handler
