"""POST /api/imports/{import_id}/commit"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import ImportAccepted

app = api(__name__)


@app.post("/api/imports/<import_id>/commit", status_code=202, summary="Commit an import", tags=["Imports"], operation_id="commit_import")
def commit_import(import_id: UUID) -> ImportAccepted:
    """Write what the preview showed; follow the import's status."""
    with transaction(app, needs="imports:write") as tx:
        return service.ask(tx, import_id, "commit")


handler = app.lambda_handler
