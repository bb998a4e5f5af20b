"""GET /api/imports/{import_id}/rows"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import ImportRow, RowOutcome
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/imports/<import_id>/rows", summary="What the rows became", tags=["Imports"], operation_id="list_import_rows")
def list_import_rows(
    import_id: UUID,
    outcome: Annotated[RowOutcome | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["row_number", "-row_number"], Query()] = "row_number",
) -> Page[ImportRow]:
    """What became of each row, and why."""
    with transaction(app, needs="imports:read") as tx:
        return service.rows(tx, import_id, Request(limit, cursor, sort, {"import_id": import_id, "outcome": outcome}), outcome)


handler = app.lambda_handler
