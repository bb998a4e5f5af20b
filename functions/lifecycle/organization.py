"""/api/organizations/{organization_id}"""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, if_match, transaction
from clientway.lifecycle.organizations import service
from clientway.lifecycle.organizations.schemas import Organization, OrganizationPatch

app = api(__name__)


@app.get("/api/organizations/<organization_id>", summary="Read an organization", tags=["Organizations"], operation_id="read_organization")
def read_organization(
    organization_id: UUID, include_deleted: Annotated[bool | None, Query(description="Answer also when it is deleted.")] = None
) -> Organization:
    """One organization with its rep, primary location and primary contact."""
    with transaction(app, needs="organizations:read") as tx:
        return service.read(tx, organization_id, include_deleted=bool(include_deleted))


@app.patch(
    "/api/organizations/<organization_id>",
    summary="Change an organization",
    tags=["Organizations"],
    operation_id="change_organization",
)
def change_organization(organization_id: UUID, patch: OrganizationPatch) -> Organization:
    """Replace what is sent; null clears. A rep is assigned here."""
    version = if_match(app)
    with transaction(app, needs="organizations:write") as tx:
        return service.change(tx, organization_id, patch, version=version)


@app.delete(
    "/api/organizations/<organization_id>",
    status_code=204,
    summary="Delete an organization",
    tags=["Organizations"],
    operation_id="delete_organization",
)
def delete_organization(organization_id: UUID) -> Response[Any]:
    """Hide an organization with its locations and contacts; it can be restored."""
    version = if_match(app)
    with transaction(app, needs="organizations:write") as tx:
        service.delete(tx, organization_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
