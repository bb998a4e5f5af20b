"""GET /api/clients/stats"""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.clients import service
from clientway.lifecycle.clients.schemas import ClientStats

app = api(__name__)


@app.get("/api/clients/stats", summary="All clients in numbers", tags=["Clients"], operation_id="client_stats")
def client_stats(
    verify: Annotated[bool | None, Query(description="Count them all beside it, and say whether it agrees; for admins.")] = None,
) -> ClientStats:
    """How many clients there are in each status, and what they paid; kept with every change, so that asking costs nothing."""
    if verify:
        with transaction(app, needs="settings:write") as tx:
            return service.stats(tx, verify=True)
    with transaction(app, needs="contacts:read") as tx:
        return service.stats(tx, verify=False)


handler = app.lambda_handler
