"""GET, POST and DELETE /api/integrations/stripe"""

from aws_lambda_powertools.event_handler import Response

from clientway.http import api, if_match, transaction
from clientway.integrations.stripe import accounts
from clientway.integrations.stripe.account_schemas import StripeAccount, StripeConnect, StripeConnecting

app = api(__name__)


@app.get("/api/integrations/stripe", summary="See the Stripe account", tags=["Stripe"], operation_id="read_stripe_account")
def read_stripe_account() -> StripeAccount:
    """Whether the tenant's Stripe account is connected, and how; keys are never shown."""
    with transaction(app, needs="integrations:read") as tx:
        return accounts.read(tx)


@app.post(
    "/api/integrations/stripe", status_code=201, summary="Connect a Stripe account", tags=["Stripe"], operation_id="connect_stripe_account"
)
def connect_stripe_account(given: StripeConnect) -> StripeConnecting:
    """Begin to connect an account: the answer says where its key goes, or soon (GET) where Stripe asks what it needs.

    For a connected account, this hands in another key.
    """
    with transaction(app, needs="integrations:write", replay_refusal=accounts.TicketShownOnce()) as tx:
        return accounts.connect(tx, given)


@app.delete(
    "/api/integrations/stripe",
    status_code=204,
    summary="Disconnect the Stripe account",
    tags=["Stripe"],
    operation_id="disconnect_stripe_account",
)
def disconnect_stripe_account() -> Response[None]:
    """Give the account up: its key is deleted, its events are no longer taken in, its payments stay in the books."""
    version = if_match(app)
    with transaction(app, needs="integrations:write") as tx:
        accounts.disconnect(tx, version=version)
        return Response(204)


handler = app.lambda_handler
