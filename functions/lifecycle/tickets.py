"""/api/tickets"""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.tickets import service
from clientway.lifecycle.tickets.rules import Priority, TicketStatus
from clientway.lifecycle.tickets.schemas import TicketWithOrganization
from clientway.paging import Request
from clientway.schemas import Page, Timestamp

app = api(__name__)


@app.get("/api/tickets", summary="List all tickets", tags=["Tickets"], operation_id="list_tickets")
def list_tickets(
    status: Annotated[TicketStatus | None, Query()] = None,
    priority: Annotated[Priority | None, Query()] = None,
    updated_since: Annotated[Timestamp | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["updated_at", "-updated_at"], Query()] = "-updated_at",
) -> Page[TicketWithOrganization]:
    """The tickets of all organizations, those that changed last first."""
    filters = {"status": status, "priority": priority, "updated_since": updated_since}
    with transaction(app, needs="tickets:read") as tx:
        return service.find(tx, Request(limit, cursor, sort, filters), status=status, priority=priority, updated_since=updated_since)


handler = app.lambda_handler
