"""/api/client-accounts"""

from dataclasses import asdict
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.accounts import service
from clientway.lifecycle.accounts.schemas import AccountStatus, ClientAccount, Filters, PlanTier, Risk
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/client-accounts", summary="List client accounts", tags=["Client accounts"], operation_id="list_client_accounts")
def list_client_accounts(
    status: Annotated[AccountStatus | None, Query()] = None,
    tier: Annotated[PlanTier | None, Query(description="Support plan.")] = None,
    risk: Annotated[Risk | None, Query(description="Churn risk.")] = None,
    rep: Annotated[str | None, Query(description="A rep's id or slug.")] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at", "created_at", "-created_at"], Query()] = "-updated_at",
) -> Page[ClientAccount]:
    """Everybody who pays, with plan and health."""
    with transaction(app, needs="accounts:read") as tx:
        asked = Filters(status=status, tier=tier, risk=risk, rep=rep, updated_since=updated_since)
        return service.find(tx, Request(limit, cursor, sort, asdict(asked)), asked)


handler = app.lambda_handler
