"""POST /api/contacts/{contact_id}/restore"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.contacts import service
from clientway.lifecycle.contacts.schemas import Contact

app = api(__name__)


@app.post("/api/contacts/<contact_id>/restore", summary="Restore a contact", tags=["Contacts"], operation_id="restore_contact")
def restore_contact(contact_id: UUID) -> Contact:
    """Bring a deleted contact back; it becomes primary only if nobody else is."""
    with transaction(app, needs="contacts:write") as tx:
        return service.restore(tx, contact_id)


handler = app.lambda_handler
