"""What goes into and comes out of the endpoints of reps."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.lifecycle.organizations.schemas import Organization
from clientway.schemas import Currency, Email, Id, Patch, Schema, ShortText, Timestamp, Trimmed, Version

Name = Annotated[Trimmed, StringConstraints(max_length=200)]


class RepCreate(Schema):
    """Somebody who looks after organizations; with `user_id` also a member who signs in."""

    name: Name
    email: Email | None = None
    phone: ShortText | None = None
    user_id: Id | None = Field(None, description="A member of this tenant.")
    active: bool = True


class RepPatch(Patch):
    """Change a rep; the slug stays. An inactive rep keeps organizations but gets no new ones."""

    REQUIRED: ClassVar = frozenset({"active", "name"})

    name: Name | None = None
    email: Email | None = None
    phone: ShortText | None = None
    user_id: Id | None = None
    active: bool | None = None


class Rep(Schema):
    """A rep."""

    id: Id
    slug: str
    name: str
    email: str | None
    phone: str | None
    user_id: Id | None
    active: bool
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class RepClientAccount(Schema):
    """The commercial relation with one of a rep's organizations, in short."""

    id: Id
    status: str
    client_since: Timestamp
    support_plan_tier: str
    support_plan_status: str
    mrr_cents: int
    currency: Currency
    health_score: int
    health_trend: str
    churn_risk: str


class RepClient(Organization):
    """One organization of a rep, with its client account once somebody pays."""

    client_account: RepClientAccount | None
