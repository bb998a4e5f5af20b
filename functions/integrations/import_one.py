"""/api/imports/{import_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.integrations.imports import service
from clientway.integrations.imports.schemas import Import, ImportPatch

app = api(__name__)


@app.get("/api/imports/<import_id>", summary="Follow an import", tags=["Imports"], operation_id="read_import")
def read_import(import_id: UUID) -> Import:
    """How far an import is, and what each of its columns is mapped to."""
    with transaction(app, needs="imports:read") as tx:
        return service.read(tx, import_id)


@app.patch("/api/imports/<import_id>", summary="Correct the mapping", tags=["Imports"], operation_id="change_import")
def change_import(import_id: UUID, patch: ImportPatch) -> Import:
    """Say what a column is; the preview is made again."""
    version = if_match(app)
    with transaction(app, needs="imports:write") as tx:
        return service.change(tx, import_id, patch, version=version)


handler = app.lambda_handler
