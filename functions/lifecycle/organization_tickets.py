"""/api/organizations/{organization_id}/tickets"""

from typing import Annotated, Literal
from uuid import UUID

from aws_lambda_powertools.event_handler.openapi.params import Query

from clientway.http import api, transaction
from clientway.lifecycle.tickets import service
from clientway.lifecycle.tickets.rules import TicketStatus
from clientway.lifecycle.tickets.schemas import Ticket, TicketCreate
from clientway.paging import Request
from clientway.schemas import Page

app = api(__name__)


@app.get("/api/organizations/<organization_id>/tickets", summary="List tickets", tags=["Tickets"], operation_id="list_organization_tickets")
def list_tickets(
    organization_id: UUID,
    status: Annotated[TicketStatus | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 25,
    cursor: Annotated[str | None, Query()] = None,
    sort: Annotated[Literal["created_at", "-created_at"], Query()] = "-created_at",
) -> Page[Ticket]:
    """What an organization has asked for, newest first."""
    with transaction(app, needs="tickets:read") as tx:
        request = Request(limit, cursor, sort, {"organization_id": organization_id, "status": status})
        return service.of_organization(tx, organization_id, request, status=status)


@app.post(
    "/api/organizations/<organization_id>/tickets", status_code=201, summary="Open a ticket", tags=["Tickets"], operation_id="create_ticket"
)
def create_ticket(organization_id: UUID, ticket: TicketCreate) -> Ticket:
    """Open a ticket for an organization; the client sees it on the portal."""
    with transaction(app, needs="tickets:write") as tx:
        return service.create(tx, organization_id, ticket)


handler = app.lambda_handler
