"""What comes out of the endpoints of clients."""

from typing import Annotated, Any, Literal

from pydantic import Field

from clientway.lifecycle.clients.rules import LineType
from clientway.schemas import Currency, Id, Schema, Timestamp

ClientStatus = Literal["lead", "active", "inactive"]


class TimelineLine(Schema):
    """A line of a client's timeline."""

    id: Id
    type: Annotated[LineType, Field(strict=False)]
    activity_type: str
    created_at: Timestamp = Field(description="When it happened.")
    title: str
    description: str | None
    contact_id: Id = Field(description="The record it was written to: this client's, or one that was merged into it.")
    data: dict[str, Any] = Field(description="What belongs to its type: ids of the job, invoice or payment, and *_cents.")


class _Totals(Schema):
    total_clients: int
    active_clients: int
    lead_clients: int
    inactive_clients: int
    paying_clients: int = Field(description="Clients with a lifetime value above nothing.")
    total_ltv_cents: int


class Verification(_Totals):
    """A full count, made in the same moment."""

    agrees: bool = Field(description="Whether it says the same as what is kept.")


class ClientStats(_Totals):
    """All of a tenant's clients in a few numbers."""

    avg_ltv_cents: int = Field(description="Over all clients, rounded down; 0 without any.")
    avg_ltv_per_payer_cents: int = Field(description="Over paying clients, rounded down; 0 without any.")
    currency: Currency
    as_of: Timestamp
    verification: Verification | None = Field(description="With `verify=true`.")


class FoundClient(Schema):
    """A client as a search shows it."""

    org_client_id: Id
    person_id: Id = Field(description="The same id: two tenants never see one that they could compare.")
    first_name: str | None
    last_name: str | None
    primary_email: str | None
    primary_phone_e164: str | None
    status: ClientStatus
    ltv_cents: int
    tags: list[str]
    created_at: Timestamp


class ContactAccount(Schema):
    """Whether a contact has signed in to an account of their own, in which they see what this tenant does for them."""

    has_account: bool
