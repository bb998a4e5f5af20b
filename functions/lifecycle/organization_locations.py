"""/api/organizations/{organization_id}/locations"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.locations import service
from clientway.lifecycle.locations.schemas import Location, LocationCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/organizations/<organization_id>/locations", summary="List locations", tags=["Locations"], operation_id="list_locations")
def list_locations(
    organization_id: UUID,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[Location]:
    """An organization's addresses, the oldest first."""
    filters = {"organization_id": organization_id, "include_deleted": bool(include_deleted)}
    with transaction(app, needs="organizations:read") as tx:
        return service.find(tx, organization_id, Request(limit, cursor, sort, filters), include_deleted=bool(include_deleted))


@app.post(
    "/api/organizations/<organization_id>/locations",
    status_code=201,
    summary="Add a location",
    tags=["Locations"],
    operation_id="create_location",
)
def create_location(organization_id: UUID, location: LocationCreate) -> Location:
    """Add an address; the first becomes the primary one."""
    with transaction(app, needs="organizations:write") as tx:
        return service.create(tx, organization_id, location)


handler = app.lambda_handler
