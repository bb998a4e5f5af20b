"""/api/contact-addresses/{address_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.lifecycle.addresses import service
from clientway.lifecycle.addresses.schemas import AddressPatch, ContactAddress

app = api(__name__)


@app.get("/api/contact-addresses/<address_id>", summary="Read an address", tags=["Contacts"], operation_id="read_contact_address")
def read_contact_address(address_id: UUID) -> ContactAddress:
    """One address of a contact, deleted or not."""
    with transaction(app, needs="contacts:read") as tx:
        return service.read(tx, address_id)


@app.patch("/api/contact-addresses/<address_id>", summary="Change an address", tags=["Contacts"], operation_id="change_contact_address")
def change_contact_address(address_id: UUID, patch: AddressPatch) -> ContactAddress:
    """Replace what is sent; null clears."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        return service.change(tx, address_id, patch, version=version)


@app.delete(
    "/api/contact-addresses/<address_id>",
    status_code=204,
    summary="Delete an address",
    tags=["Contacts"],
    operation_id="delete_contact_address",
)
def delete_contact_address(address_id: UUID) -> Response[Any]:
    """Hide an address; if it was the default, the oldest remaining one takes over."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        service.delete(tx, address_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
