"""GET /api/contacts/{contact_id}/account"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.clients import service
from clientway.lifecycle.clients.schemas import ContactAccount

app = api(__name__)


@app.get(
    "/api/contacts/<contact_id>/account", summary="Does this contact have an account?", tags=["Contacts"], operation_id="contact_account"
)
def contact_account(contact_id: UUID) -> ContactAccount:
    """Whether the contact, since you have their e-mail, has signed in with it to an account that shows them what you do for them."""
    with transaction(app, needs="contacts:read") as tx:
        return service.account(tx, contact_id)


handler = app.lambda_handler
