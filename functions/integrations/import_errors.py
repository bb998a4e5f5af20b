"""GET /api/imports/{import_id}/errors.csv"""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.integrations.imports import service

app = api(__name__)


@app.get(
    "/api/imports/<import_id>/errors.csv",
    summary="Failed rows as a file",
    tags=["Imports"],
    operation_id="download_import_errors",
    responses={200: {"description": "CSV, in UTF-8", "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
def download_import_errors(import_id: UUID) -> Response[str]:
    """Every failed row as it came, with its reason; cells that a spreadsheet would run are defused."""
    with transaction(app, needs="imports:read") as tx:
        body = service.errors_csv(tx, import_id)
        saved_as = {"Content-Disposition": 'attachment; filename="errors.csv"'}
        return Response(200, content_type="text/csv; charset=utf-8", body=body, headers=saved_as)


handler = app.lambda_handler
