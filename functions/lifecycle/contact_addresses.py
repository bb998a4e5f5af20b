"""/api/contacts/{contact_id}/addresses"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.addresses import service
from clientway.lifecycle.addresses.schemas import AddressInput, ContactAddress
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/contacts/<contact_id>/addresses", summary="List a contact's addresses", tags=["Contacts"], operation_id="list_contact_addresses"
)
def list_contact_addresses(
    contact_id: UUID,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[ContactAddress]:
    """Where the contact is to be found, the oldest entry first."""
    request = Request(limit, cursor, sort, {"contact_id": contact_id, "include_deleted": bool(include_deleted)})
    with transaction(app, needs="contacts:read") as tx:
        return service.find(tx, contact_id, request, include_deleted=bool(include_deleted))


@app.post(
    "/api/contacts/<contact_id>/addresses",
    status_code=201,
    summary="Add a contact's address",
    tags=["Contacts"],
    operation_id="create_contact_address",
)
def create_contact_address(contact_id: UUID, address: AddressInput) -> ContactAddress:
    """Add an address; the first becomes the default."""
    with transaction(app, needs="contacts:write") as tx:
        return service.create(tx, contact_id, address)


handler = app.lambda_handler
