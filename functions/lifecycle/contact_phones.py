"""/api/contacts/{contact_id}/phones"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.contacts.schemas import ContactPhone
from clientway.lifecycle.reach import service
from clientway.lifecycle.reach.schemas import ContactPhoneCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/contacts/<contact_id>/phones", summary="List a contact's phones", tags=["Contacts"], operation_id="list_contact_phones")
def list_contact_phones(
    contact_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[ContactPhone]:
    """What the contact is reached at, the oldest first; five at most."""
    with transaction(app, needs="contacts:read") as tx:
        return service.find(tx, "phone", contact_id, Request(limit, cursor, sort, {"contact_id": contact_id}))


@app.post(
    "/api/contacts/<contact_id>/phones",
    status_code=201,
    summary="Add a contact's phone",
    tags=["Contacts"],
    operation_id="add_contact_phone",
)
def add_contact_phone(contact_id: UUID, phone: ContactPhoneCreate) -> ContactPhone:
    """Add another phone; the ETag is the contact's."""
    with transaction(app, needs="contacts:write") as tx:
        return service.add_phone(tx, contact_id, phone)


handler = app.lambda_handler
