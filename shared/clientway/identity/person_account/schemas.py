"""What goes into and comes out of a person's own account."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from clientway.identity.sign_in.schemas import EmailText, Slug
from clientway.schemas import Id, Schema, Text, Timestamp

Change = Literal["first_name", "last_name", "email", "phone"]


class PersonSignUp(Schema):
    """Ask for a mail with a link and a code; it opens the account, and makes it if there is none."""

    email: EmailText


class PersonSignedIn(Schema):
    """A fresh session of a person. It shows what every tenant that knows them by this very address, primary or not, keeps for them."""

    token: str = Field(description="Shown once. 30 minutes without a request end it.")
    expires_at: Timestamp


class Holder(Schema):
    """A tenant that holds a person."""

    name: str
    slug: str


class HistoryLine(Schema):
    """A job, an invoice or a payment."""

    type: Literal["job", "invoice", "payment"]
    id: Id
    at: Timestamp = Field(description="When the job begins; when the invoice or payment was made.")
    tenant: Holder
    data: dict[str, Any] = Field(
        description="Of a job: title, status, times, price. Of an invoice: number, status, total, balance, due date and where to pay. "
        "Of a payment: amount, what was given back, status, method."
    )


class ProposedChanges(Schema):
    """New details; what is not proposed is left out."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None


class Proposal(Schema):
    """What one tenant has changed of its own record and proposes to the person for the others."""

    id: Id
    proposed_by: Holder
    status: Literal["open", "confirmed", "declined"]
    created_at: Timestamp
    decided_at: Timestamp | None
    changes: ProposedChanges
    would_reach: list[Holder] = Field(
        description="The others whose contact has this person's address as its primary one. None of them learns who proposed it."
    )


class ProposalConfirm(Schema):
    """Which of it is true, and who is to know."""

    fields: list[Change] | None = Field(None, min_length=1, max_length=4, description="All that was proposed, when left out.")
    tenants: list[Slug] | None = Field(None, min_length=1, max_length=200, description="All that hold this person, when left out.")
    email_token: Annotated[Text, StringConstraints(max_length=200)] | None = Field(
        None, description="The token of a session that was opened with the new address: a new e-mail is spread only once it is verified."
    )


class Reached(Holder):
    """A tenant whose record was changed."""

    fields: list[Change] = Field(description="What was written. An e-mail that it knows of somebody else is left out.")


class ProposalDecided(Schema):
    """What was decided."""

    id: Id
    status: Literal["confirmed", "declined"]
    reached: list[Reached]
