"""/api/quotes/{quote_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.quotes import service
from clientway.lifecycle.quotes.schemas import Quote, QuotePatch

app = api(__name__)


@app.get("/api/quotes/<quote_id>", summary="Read a quote", tags=["Deals"], operation_id="read_quote")
def read_quote(quote_id: UUID) -> Quote:
    """One quote."""
    with transaction(app, needs="deals:read") as tx:
        return service.read(tx, quote_id)


@app.patch("/api/quotes/<quote_id>", summary="Change a quote", tags=["Deals"], operation_id="change_quote")
def change_quote(quote_id: UUID, patch: QuotePatch) -> Quote:
    """Change a draft, or record that it was sent, seen, accepted or declined. Sending it makes an opportunity."""
    version = if_match(app)
    with transaction(app, needs="deals:write") as tx:
        return service.change(tx, quote_id, patch, version=version)


handler = app.lambda_handler
