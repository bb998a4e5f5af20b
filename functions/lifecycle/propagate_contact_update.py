"""POST /api/propagate-contact-update"""

from clientway.http import api, transaction
from clientway.lifecycle.clients.updates import service
from clientway.lifecycle.clients.updates.schemas import ContactUpdatePropagated, PropagateContactUpdate

app = api(__name__)


@app.post("/api/propagate-contact-update", summary="Propagate new details", tags=["Contacts"], operation_id="propagate_contact_update")
def propagate_contact_update(update: PropagateContactUpdate) -> ContactUpdatePropagated:
    """Change your own contact at once, and propose it to the person: other tenants have it when that person confirms it."""
    with transaction(app, needs="contacts:write") as tx:
        return service.propagate(tx, update)


handler = app.lambda_handler
