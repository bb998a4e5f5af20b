"""Tickets: what clients ask for, and how satisfied they were with the answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.records import Records
from clientway.lifecycle.tables import tickets
from clientway.lifecycle.tickets import rules
from clientway.lifecycle.tickets.rules import Priority, TicketStatus
from clientway.lifecycle.tickets.schemas import Ticket, TicketCreate, TicketPatch
from clientway.moments import rfc3339
from clientway.paging import Request

TICKETS = Records("ticket", tickets, Ticket, references=("contact_id",))


def find(tx: Tx, request: Request, *, status: TicketStatus | None, priority: Priority | None, updated_since: datetime | None) -> Any:
    """A page of the tenant's tickets, each with its organization."""
    return TICKETS.find(tx, request, updated_since=updated_since, status=status, priority=priority)


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, status: TicketStatus | None) -> Any:
    """A page of an organization's tickets. Raises NotFound (404)."""
    return TICKETS.of_organization(tx, organization_id, request, status=status)


def read(tx: Tx, ticket_id: UUID) -> Any:
    """One ticket. Raises NotFound (404)."""
    return TICKETS.read(tx, ticket_id)


def create(tx: Tx, organization_id: UUID, ticket: TicketCreate) -> Any:
    """Open a ticket. Raises NotFound (404), Unprocessable (422) for somebody else's contact."""
    owner = TICKETS.lock_owner(tx, organization_id, ticket)
    ticket_id, answer = TICKETS.insert(tx, owner, ticket.model_dump(mode="json"))
    _tell(tx, "ticket_created", ticket.subject, ticket_id, organization_id, ticket.contact_id)
    return answer


def change(tx: Tx, ticket_id: UUID, patch: TicketPatch, *, version: int) -> Any:
    """Replace what was sent. Raises NotFound (404), PreconditionFailed (412), Unprocessable (422)."""
    before = TICKETS.lock(tx, ticket_id, patch, version=version)
    changes = rules.revise(before, patch.model_dump(mode="json", exclude_unset=True), rfc3339(tx.now))
    after = {**before, **changes}
    answer = TICKETS.update(tx, before, changes)
    if after["status"] == "resolved" != before["status"]:
        contact_id = after["contact_id"] and UUID(after["contact_id"])
        _tell(tx, "ticket_resolved", after["subject"], ticket_id, UUID(before["organization_id"]), contact_id)
    return answer


def _tell(tx: Tx, kind: str, subject: str, ticket_id: UUID, organization_id: UUID, contact_id: UUID | None) -> None:
    metadata = {"ticket_id": str(ticket_id)}
    effects.record(tx, kind, subject, organization_id=organization_id, contact_id=contact_id, metadata=metadata, client_visible=True)
    effects.publish(tx, kind.replace("_", "."), {"ticket_id": ticket_id, "organization_id": organization_id})
