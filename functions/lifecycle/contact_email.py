"""/api/contacts/{contact_id}/emails/{email_id}"""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.lifecycle.contacts.schemas import ContactEmail
from clientway.lifecycle.reach import service
from clientway.lifecycle.reach.schemas import ContactReachPatch

app = api(__name__)


@app.patch(
    "/api/contacts/<contact_id>/emails/<email_id>",
    summary="Change a contact's email",
    tags=["Contacts"],
    operation_id="change_contact_email",
)
def change_contact_email(contact_id: UUID, email_id: UUID, patch: ContactReachPatch) -> ContactEmail:
    """Replace the label, or make it the primary one. If-Match and ETag are the contact's."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        return service.change(tx, "email", contact_id, email_id, patch, version=version)


@app.delete(
    "/api/contacts/<contact_id>/emails/<email_id>",
    status_code=204,
    summary="Remove a contact's email",
    tags=["Contacts"],
    operation_id="remove_contact_email",
)
def remove_contact_email(contact_id: UUID, email_id: UUID) -> Response[Any]:
    """Take it away; if it was the primary one, the oldest remaining one takes over. If-Match is the contact's."""
    version = if_match(app)
    with transaction(app, needs="contacts:write") as tx:
        service.remove(tx, "email", contact_id, email_id, version=version)
    return Response(HTTPStatus.NO_CONTENT)


handler = app.lambda_handler
