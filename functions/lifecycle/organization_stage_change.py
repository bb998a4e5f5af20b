"""POST /api/organizations/{organization_id}/stage-change"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.stages import service
from clientway.lifecycle.stages.schemas import OrganizationStage, StageChange

app = api(__name__)


@app.post("/api/organizations/<organization_id>/stage-change", summary="Move by hand", tags=["Lifecycle"], operation_id="change_stage")
def change_stage(organization_id: UUID, change: StageChange) -> OrganizationStage:
    """Move an organization along its lifecycle, by hand and with a reason."""
    with transaction(app, needs="organizations:write") as tx:
        return service.change_stage(tx, organization_id, change)


handler = app.lambda_handler
