"""/api/client-accounts/{client_account_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.accounts import service
from clientway.lifecycle.accounts.schemas import ClientAccount, ClientAccountPatch

app = api(__name__)


@app.get(
    "/api/client-accounts/<client_account_id>",
    summary="Read a client account",
    tags=["Client accounts"],
    operation_id="read_client_account",
)
def read_client_account(client_account_id: UUID) -> ClientAccount:
    """One client account."""
    with transaction(app, needs="accounts:read") as tx:
        return service.read(tx, client_account_id)


@app.patch(
    "/api/client-accounts/<client_account_id>",
    summary="Change a client account",
    tags=["Client accounts"],
    operation_id="change_client_account",
)
def change_client_account(client_account_id: UUID, patch: ClientAccountPatch) -> ClientAccount:
    """Change plan, hours, rep or status; cancelling lets the organization churn."""
    version = if_match(app)
    with transaction(app, needs="accounts:write") as tx:
        return service.change(tx, client_account_id, patch, version=version)


handler = app.lambda_handler
