"""/api/contacts/{contact_id}/emails"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.contacts.schemas import ContactEmail
from clientway.lifecycle.reach import service
from clientway.lifecycle.reach.schemas import ContactEmailCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/contacts/<contact_id>/emails", summary="List a contact's emails", tags=["Contacts"], operation_id="list_contact_emails")
def list_contact_emails(
    contact_id: UUID,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[ContactEmail]:
    """What the contact is reached at, the oldest first; five at most."""
    with transaction(app, needs="contacts:read") as tx:
        return service.find(tx, "email", contact_id, Request(limit, cursor, sort, {"contact_id": contact_id}))


@app.post(
    "/api/contacts/<contact_id>/emails",
    status_code=201,
    summary="Add a contact's email",
    tags=["Contacts"],
    operation_id="add_contact_email",
)
def add_contact_email(contact_id: UUID, email: ContactEmailCreate) -> ContactEmail:
    """Add another email; the ETag is the contact's."""
    with transaction(app, needs="contacts:write") as tx:
        return service.add_email(tx, contact_id, email)


handler = app.lambda_handler
