"""/api/custom-fields/{field_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.lifecycle.custom_fields import service
from clientway.lifecycle.custom_fields.schemas import CustomField, CustomFieldPatch

app = api(__name__)


@app.get("/api/custom-fields/<field_id>", summary="Read a custom field", tags=["Custom fields"], operation_id="read_custom_field")
def read_custom_field(field_id: UUID) -> CustomField:
    """One field, archived or not."""
    with transaction(app, needs="custom_fields:read") as tx:
        return service.read(tx, field_id)


@app.patch("/api/custom-fields/<field_id>", summary="Change a custom field", tags=["Custom fields"], operation_id="change_custom_field")
def change_custom_field(field_id: UUID, patch: CustomFieldPatch) -> CustomField:
    """Replace what is sent; key and kind stay. `archived` hides it or brings it back."""
    version = if_match(app)
    with transaction(app, needs="custom_fields:write") as tx:
        return service.change(tx, field_id, patch, version=version)


@app.delete(
    "/api/custom-fields/<field_id>",
    status_code=204,
    summary="Archive a custom field",
    tags=["Custom fields"],
    operation_id="archive_custom_field",
)
def archive_custom_field(field_id: UUID) -> Response[Any]:
    """Archive a field: it is neither shown nor accepted any more, and the values that contacts have are kept."""
    version = if_match(app)
    with transaction(app, needs="custom_fields:write") as tx:
        service.archive(tx, field_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
