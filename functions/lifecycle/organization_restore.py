"""POST /api/organizations/{organization_id}/restore"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.organizations import service
from clientway.lifecycle.organizations.schemas import Organization

app = api(__name__)


@app.post(
    "/api/organizations/<organization_id>/restore",
    summary="Restore an organization",
    tags=["Organizations"],
    operation_id="restore_organization",
)
def restore_organization(organization_id: UUID) -> Organization:
    """Bring a deleted organization back, with the locations and contacts that were deleted along with it."""
    with transaction(app, needs="organizations:write") as tx:
        return service.restore(tx, organization_id)


handler = app.lambda_handler
