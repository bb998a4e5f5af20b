"""/api/tickets/{ticket_id}"""

from uuid import UUID

from clientway.http import api, if_match, transaction
from clientway.lifecycle.tickets import service
from clientway.lifecycle.tickets.schemas import Ticket, TicketPatch

app = api(__name__)


@app.get("/api/tickets/<ticket_id>", summary="Read a ticket", tags=["Tickets"], operation_id="read_ticket")
def read_ticket(ticket_id: UUID) -> Ticket:
    """One ticket."""
    with transaction(app, needs="tickets:read") as tx:
        return service.read(tx, ticket_id)


@app.patch("/api/tickets/<ticket_id>", summary="Change a ticket", tags=["Tickets"], operation_id="change_ticket")
def change_ticket(ticket_id: UUID, patch: TicketPatch) -> Ticket:
    """Replace what is sent: work on it, resolve it, rate it, open it again."""
    version = if_match(app)
    with transaction(app, needs="tickets:write") as tx:
        return service.change(tx, ticket_id, patch, version=version)


handler = app.lambda_handler
