"""/api/locations/{location_id}"""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, if_match, transaction
from clientway.lifecycle.locations import service
from clientway.lifecycle.locations.schemas import Location, LocationPatch

app = api(__name__)


@app.get("/api/locations/<location_id>", summary="Read a location", tags=["Locations"], operation_id="read_location")
def read_location(
    location_id: UUID, include_deleted: Annotated[bool | None, Query(description="Answer also when it is deleted.")] = None
) -> Location:
    """One address of an organization."""
    with transaction(app, needs="organizations:read") as tx:
        return service.read(tx, location_id, include_deleted=bool(include_deleted))


@app.patch("/api/locations/<location_id>", summary="Change a location", tags=["Locations"], operation_id="change_location")
def change_location(location_id: UUID, patch: LocationPatch) -> Location:
    """Replace what is sent; null clears."""
    version = if_match(app)
    with transaction(app, needs="organizations:write") as tx:
        return service.change(tx, location_id, patch, version=version)


@app.delete(
    "/api/locations/<location_id>",
    status_code=204,
    summary="Delete a location",
    tags=["Locations"],
    operation_id="delete_location",
)
def delete_location(location_id: UUID) -> Response[Any]:
    """Hide an address; if it was the primary one, the oldest remaining one takes over."""
    version = if_match(app)
    with transaction(app, needs="organizations:write") as tx:
        service.delete(tx, location_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
