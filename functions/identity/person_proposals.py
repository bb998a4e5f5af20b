"""GET /api/person/proposals"""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, personal
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import Proposal
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/person/proposals", summary="Changes proposed of me", tags=["Persons"], operation_id="person_proposals")
def person_proposals(limit: Annotated[int, Query(ge=1, le=100)] = 25, cursor: Annotated[str | None, Query()] = None) -> Page[Proposal]:
    """What tenants have changed of their own records and propose for the others'."""
    with personal(app) as (tx, session):
        return service.proposals(tx, session, Request(limit, cursor, "-at", {"list": "proposals", "session": session}))


handler = app.lambda_handler
