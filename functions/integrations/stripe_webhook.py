"""POST /api/webhooks/stripe/{endpoint}"""

from clientway.http import api
from clientway.integrations.stripe import ingress
from clientway.integrations.stripe.schemas import Received

app = api(__name__)


@app.post("/api/webhooks/stripe/<endpoint>", summary="Receive a Stripe event", tags=["Stripe"], operation_id="receive_stripe_event")
def receive_stripe_event(endpoint: str) -> Received:
    """Where Stripe delivers its signed events; `endpoint` is a tenant's own, or `connect`. The event is queued and processed soon after."""
    return ingress.accept(endpoint, app.event)


handler = app.lambda_handler
