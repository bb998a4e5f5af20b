"""POST /api/imports/{import_id}/undo"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import ImportAccepted

app = api(__name__)


@app.post("/api/imports/<import_id>/undo", status_code=202, summary="Undo an import", tags=["Imports"], operation_id="undo_import")
def undo_import(import_id: UUID) -> ImportAccepted:
    """Take back everything that nobody has changed since."""
    with transaction(app, needs="imports:write") as tx:
        return service.ask(tx, import_id, "undo")


handler = app.lambda_handler
