"""GET /api/person/history"""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, personal
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import HistoryLine
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/person/history", summary="What is being done for me", tags=["Persons"], operation_id="person_history")
def person_history(limit: Annotated[int, Query(ge=1, le=100)] = 25, cursor: Annotated[str | None, Query()] = None) -> Page[HistoryLine]:
    """Jobs, invoices and payments of every tenant that holds this address, newest first."""
    with personal(app) as (tx, session):
        return service.history(tx, session, Request(limit, cursor, "-at", {"list": "history", "session": session}))


handler = app.lambda_handler
