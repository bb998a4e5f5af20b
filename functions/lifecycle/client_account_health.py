"""GET /api/client-accounts/{client_account_id}/health"""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.accounts import service
from clientway.lifecycle.accounts.schemas import AccountHealthReport
from clientway.schemas import Day

app = api(__name__)


@app.get(
    "/api/client-accounts/<client_account_id>/health",
    summary="Explain the health score",
    tags=["Client accounts"],
    operation_id="explain_health",
)
def explain_health(
    client_account_id: UUID, as_of: Annotated[Day | None, Query(description="A day; the score as it stood then.")] = None
) -> AccountHealthReport:
    """The score with its components, what they count, why, and what to do next."""
    with transaction(app, needs="accounts:read") as tx:
        return service.health(tx, client_account_id, as_of)


handler = app.lambda_handler
