"""POST /api/integrations/stripe/key"""

import time

from clientway.http import api
from clientway.integrations.stripe import keys
from clientway.integrations.stripe.account_schemas import StripeKeyAccepted, StripeKeyUpload

app = api(__name__)


@app.post(
    "/api/integrations/stripe/key", status_code=202, summary="Hand in a Stripe key", tags=["Stripe"], operation_id="hand_in_stripe_key"
)
def hand_in_stripe_key(given: StripeKeyUpload) -> StripeKeyAccepted:
    """Hand in the key with the ticket from connecting. It is tried at Stripe, encrypted, and never shown again."""
    return keys.take_in(given, now=time.time())


handler = app.lambda_handler
