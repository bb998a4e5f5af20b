"""/api/contacts/{contact_id}"""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, if_match, transaction
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import Contact, ContactPatch

app = api(__name__)


@app.get("/api/contacts/<contact_id>", summary="Read a contact", tags=["Contacts"], operation_id="read_contact")
def read_contact(
    contact_id: UUID, include_deleted: Annotated[bool | None, Query(description="Answer also when it is deleted.")] = None
) -> Contact:
    """One person as the tenant knows them."""
    with transaction(app, needs="contacts:read") as tx:
        return service.read(tx, contact_id, include_deleted=bool(include_deleted))


@app.patch("/api/contacts/<contact_id>", summary="Change a contact", tags=["Contacts"], operation_id="change_contact")
def change_contact(contact_id: UUID, patch: ContactPatch) -> Contact:
    """Replace what is sent; null clears."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        return service.change(tx, contact_id, patch, version=version)


@app.delete("/api/contacts/<contact_id>", status_code=204, summary="Delete a contact", tags=["Contacts"], operation_id="delete_contact")
def delete_contact(contact_id: UUID) -> Response[Any]:
    """Hide a contact; if it was the primary one, the oldest remaining one takes over. It can be restored."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        service.delete(tx, contact_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
