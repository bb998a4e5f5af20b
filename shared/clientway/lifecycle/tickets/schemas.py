"""What goes into and comes out of the endpoints of tickets."""

from typing import Annotated, ClassVar

from pydantic import Field

from clientway.lifecycle.organizations.schemas import RecordOrganization
from clientway.lifecycle.tickets.rules import Priority, TicketStatus
from clientway.schemas import Id, LongText, Patch, Schema, ShortText, Timestamp, Version

Csat = Annotated[int, Field(ge=1, le=5, description="How satisfied the client is with how it was resolved, 1 to 5.")]


class TicketCreate(Schema):
    """Something that a client asks to be done or put right."""

    subject: ShortText
    description: LongText | None = None
    priority: Priority = "normal"
    contact_id: Id | None = Field(None, description="Who asks: a contact of this organization.")


class TicketPatch(Patch):
    """Change a ticket. Resolving it stamps the time; opening it again clears that. A rating is for a resolved ticket."""

    REQUIRED: ClassVar = frozenset({"subject", "priority", "status"})

    subject: ShortText | None = None
    description: LongText | None = None
    priority: Priority | None = None
    status: TicketStatus | None = None
    contact_id: Id | None = None
    csat: Csat | None = None


class Ticket(Schema):
    """A ticket."""

    id: Id
    organization_id: Id
    contact_id: Id | None
    subject: str
    description: str | None
    status: TicketStatus
    priority: Priority
    csat: int | None
    csat_at: Timestamp | None
    resolved_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class TicketWithOrganization(Ticket):
    """A ticket with the organization it is for."""

    organization: RecordOrganization
