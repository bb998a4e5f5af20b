"""DELETE /api/import-mappings/{import_mapping_id}"""

from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, transaction
from clientway.integrations.imports import service

app = api(__name__)


@app.delete(
    "/api/import-mappings/<import_mapping_id>",
    status_code=204,
    summary="Forget a mapping",
    tags=["Imports"],
    operation_id="delete_import_mapping",
)
def delete_import_mapping(import_mapping_id: UUID) -> Response[None]:
    """Forget a saved mapping; imports that used it keep theirs."""
    with transaction(app, needs="imports:write") as tx:
        service.delete_mapping(tx, import_mapping_id)
        return Response(204)


handler = app.lambda_handler
