"""/api/custom-fields"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.custom_fields import service
from clientway.lifecycle.custom_fields.schemas import CustomField, CustomFieldCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/custom-fields", summary="List custom fields", tags=["Custom fields"], operation_id="list_custom_fields")
def list_custom_fields(
    include_archived: Annotated[bool | None, Query(description="Archived ones too.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["position", "-position"], Query()] = "position",
) -> Page[CustomField]:
    """The fields that the tenant defined for its contacts, in their order."""
    filters = {"include_archived": bool(include_archived)}
    with transaction(app, needs="custom_fields:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, filters), include_archived=bool(include_archived))


@app.post("/api/custom-fields", status_code=201, summary="Add a custom field", tags=["Custom fields"], operation_id="create_custom_field")
def create_custom_field(field: CustomFieldCreate) -> CustomField:
    """Define a field; its values are checked and can be filtered by from now on."""
    with transaction(app, needs="custom_fields:write") as tx:
        return service.create(tx, field)


handler = app.lambda_handler
