"""/api/clients/{contact_id}/ledger"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.billing.ledger import service
from clientway.billing.ledger.schemas import ClientLedger
from clientway.http import api, transaction
from clientway.paging import Request

app = api(__name__)


@app.get("/api/clients/<contact_id>/ledger", summary="Read a client's ledger", tags=["Clients"], operation_id="list_client_ledger")
def list_client_ledger(
    contact_id: UUID,
    verify: Annotated[bool | None, Query(description="Count the lifetime value anew and say whether it agrees.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["occurred_at", "-occurred_at"], Query()] = "-occurred_at",
) -> ClientLedger:
    """What a client's lifetime value is made of, line by line, newest first."""
    with transaction(app, needs="payments:read") as tx:
        return service.of_client(tx, contact_id, Request(limit, cursor, sort, {"contact_id": contact_id}), verify=bool(verify))


handler = app.lambda_handler
