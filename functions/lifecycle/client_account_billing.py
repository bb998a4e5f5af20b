"""GET /api/client-accounts/{client_account_id}/billing"""

from uuid import UUID

from clientway.http import api, transaction
from clientway.lifecycle.accounts import service
from clientway.lifecycle.accounts.schemas import Billing

app = api(__name__)


@app.get(
    "/api/client-accounts/<client_account_id>/billing", summary="Plan and money", tags=["Client accounts"], operation_id="read_billing"
)
def read_billing(client_account_id: UUID) -> Billing:
    """Plan, hours, recurring revenue, and what was paid and is due."""
    with transaction(app, needs="accounts:read") as tx:
        return service.billing(tx, client_account_id)


handler = app.lambda_handler
