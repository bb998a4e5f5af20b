"""/api/deals/{deal_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.deals import service
from clientway.lifecycle.deals.schemas import Deal, DealPatch

app = api(__name__)


@app.get("/api/deals/<deal_id>", summary="Read a deal", tags=["Deals"], operation_id="read_deal")
def read_deal(deal_id: UUID) -> Deal:
    """One deal."""
    with transaction(app, needs="deals:read") as tx:
        return service.read(tx, deal_id)


@app.patch("/api/deals/<deal_id>", summary="Change a deal", tags=["Deals"], operation_id="change_deal")
def change_deal(deal_id: UUID, patch: DealPatch) -> Deal:
    """Replace what is sent: move it on, win it, lose it with a reason, open it again."""
    version = if_match(app)
    with transaction(app, needs="deals:write") as tx:
        return service.change(tx, deal_id, patch, version=version)


handler = app.lambda_handler
