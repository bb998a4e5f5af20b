"""/api/contact-notes/{note_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.lifecycle.notes import service
from clientway.lifecycle.notes.schemas import ContactNote, ContactNotePatch

app = api(__name__)


@app.get("/api/contact-notes/<note_id>", summary="Read a note", tags=["Contacts"], operation_id="read_contact_note")
def read_contact_note(note_id: UUID) -> ContactNote:
    """One note about a contact."""
    with transaction(app, needs="contacts:read") as tx:
        return service.read(tx, note_id)


@app.patch("/api/contact-notes/<note_id>", summary="Change a note", tags=["Contacts"], operation_id="change_contact_note")
def change_contact_note(note_id: UUID, patch: ContactNotePatch) -> ContactNote:
    """Replace what is sent; the timeline keeps what was written first."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        return service.change(tx, note_id, patch, version=version)


@app.delete("/api/contact-notes/<note_id>", status_code=204, summary="Delete a note", tags=["Contacts"], operation_id="delete_contact_note")
def delete_contact_note(note_id: UUID) -> Response[Any]:
    """Take a note away; its line on the timeline stays."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        service.delete(tx, note_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
