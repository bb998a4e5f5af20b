"""/api/imports/{import_id}/preview"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import ImportAccepted, ImportPreview

app = api(__name__)


@app.get("/api/imports/<import_id>/preview", summary="Read the preview", tags=["Imports"], operation_id="read_import_preview")
def read_import_preview(import_id: UUID) -> ImportPreview:
    """What a commit would create, update, skip and refuse, and why, with the first 50 rows."""
    with transaction(app, needs="imports:read") as tx:
        return service.preview(tx, import_id)


@app.post(
    "/api/imports/<import_id>/preview", status_code=202, summary="Make the preview", tags=["Imports"], operation_id="make_import_preview"
)
def make_import_preview(import_id: UUID) -> ImportAccepted:
    """Read the uploaded file and work out what a commit would do; nothing is written."""
    with transaction(app, needs="imports:write") as tx:
        return service.ask(tx, import_id, "preview")


handler = app.lambda_handler
