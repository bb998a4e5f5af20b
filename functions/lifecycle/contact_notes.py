"""/api/contacts/{contact_id}/notes"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.notes import service
from clientway.lifecycle.notes.schemas import ContactNote, ContactNoteCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/contacts/<contact_id>/notes", summary="List notes about a contact", tags=["Contacts"], operation_id="list_contact_notes")
def list_contact_notes(
    contact_id: UUID,
    pinned: Annotated[bool | None, Query(description="Only those that are pinned, or that are not.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[ContactNote]:
    """What staff wrote down about somebody, the latest first."""
    with transaction(app, needs="contacts:read") as tx:
        return service.find(tx, contact_id, Request(limit, cursor, sort, {"contact_id": contact_id, "pinned": pinned}), pinned=pinned)


@app.post(
    "/api/contacts/<contact_id>/notes",
    status_code=201,
    summary="Write a note about a contact",
    tags=["Contacts"],
    operation_id="create_contact_note",
)
def create_contact_note(contact_id: UUID, note: ContactNoteCreate) -> ContactNote:
    """Write something down about somebody; it also stands on the timeline."""
    with transaction(app, needs="contacts:write") as tx:
        return service.create(tx, contact_id, note)


handler = app.lambda_handler
