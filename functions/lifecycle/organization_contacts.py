"""/api/organizations/{organization_id}/contacts"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import Contact, ContactCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get(
    "/api/organizations/<organization_id>/contacts",
    summary="List an organization's contacts",
    tags=["Contacts"],
    operation_id="list_organization_contacts",
)
def list_organization_contacts(
    organization_id: UUID,
    include_deleted: Annotated[bool | None, Query(description="Deleted ones too.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "created_at",
) -> Page[Contact]:
    """The people at an organization, the oldest entry first."""
    filters = {"organization_id": organization_id, "include_deleted": bool(include_deleted)}
    with transaction(app, needs="contacts:read") as tx:
        return service.of_organization(tx, organization_id, Request(limit, cursor, sort, filters), include_deleted=bool(include_deleted))


@app.post(
    "/api/organizations/<organization_id>/contacts",
    status_code=201,
    summary="Add a contact",
    tags=["Contacts"],
    operation_id="create_contact",
)
def create_contact(organization_id: UUID, contact: ContactCreate) -> Contact:
    """Add somebody at an organization; the first becomes the primary contact."""
    with transaction(app, needs="contacts:write") as tx:
        return service.create(tx, organization_id, contact)


handler = app.lambda_handler
