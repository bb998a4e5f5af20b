"""POST /api/organizations/{organization_id}/convert-to-client"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.accounts.schemas import ClientAccount
from clientway.lifecycle.stages import service
from clientway.lifecycle.stages.schemas import Conversion

app = api(__name__)


@app.post(
    "/api/organizations/<organization_id>/convert-to-client",
    summary="Convert to client",
    tags=["Lifecycle"],
    operation_id="convert_to_client",
)
def convert_to_client(organization_id: UUID, conversion: Conversion) -> ClientAccount:
    """Open the client account and move the organization to client; doing it again changes nothing."""
    with transaction(app, needs="accounts:write") as tx:
        return service.convert(tx, organization_id, conversion)


handler = app.lambda_handler
