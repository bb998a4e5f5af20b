"""POST /api/imports/{import_id}/cancel"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import ImportAccepted

app = api(__name__)


@app.post("/api/imports/<import_id>/cancel", status_code=202, summary="Cancel an import", tags=["Imports"], operation_id="cancel_import")
def cancel_import(import_id: UUID) -> ImportAccepted:
    """Stop after the rows that are being written; undo takes those back."""
    with transaction(app, needs="imports:write") as tx:
        return service.ask(tx, import_id, "cancel")


handler = app.lambda_handler
