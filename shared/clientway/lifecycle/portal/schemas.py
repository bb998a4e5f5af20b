"""What a contact sees in the portal. Nothing here is a staff note: activities are those marked client-visible."""

from pydantic import Field

from clientway.schemas import Day, Id, Schema, Timestamp


class PortalCompany(Schema):
    """The contact's organization, by its public names."""

    name: str
    legal_name: str


class PortalPlan(Schema):
    """The support plan, once there is a client account."""

    tier: str
    status: str
    client_since: Timestamp
    hours_included: float
    hours_used: float
    hours_remaining: float = Field(description="Never below zero.")


class PortalRep(Schema):
    """Whom to call."""

    name: str
    email: str | None
    phone: str | None


class PortalTicket(Schema):
    """A ticket that is not resolved."""

    id: Id
    subject: str
    status: str
    priority: str
    created_at: Timestamp
    updated_at: Timestamp


class PortalInvoice(Schema):
    """A bill that is not paid yet."""

    id: Id
    number: str
    total_cents: int
    balance_cents: int = Field(description="What is still owed.")
    currency: str
    due_on: Day
    payment_url: str | None = Field(description="Where it can be paid; null where there is no such page.")


class PortalActivity(Schema):
    """A line of the timeline that clients may see."""

    id: Id
    activity_type: str
    title: str
    description: str | None
    occurred_at: Timestamp


class PortalInfo(Schema):
    """The portal's front page."""

    slug: str
    name: str
    email: str | None
    phone: str | None
    tenant_name: str
    company: PortalCompany | None
    plan: PortalPlan | None
    rep: PortalRep | None
    open_tickets: list[PortalTicket] = Field(description="The newest 50.")
    open_invoices: list[PortalInvoice] = Field(description="The first 50 to be due; an organization's primary contact sees all of its own.")
    recent_activities: list[PortalActivity] = Field(description="The newest 20.")
    as_of: Timestamp
