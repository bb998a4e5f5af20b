"""What goes into and comes out of the endpoints of single mails."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clientway.messaging.templates.schemas import Data, Subject, TemplateKey
from clientway.schemas import Email, Id, Schema, Timestamp, Version

MailStatus = Literal["pending", "sending", "sent", "failed"]


class EmailMessageCreate(Schema):
    """A mail from a template, to a contact or to addresses. It is no marketing: who denied such mail is not told, everybody else is."""

    contact_id: Id | None = Field(None, description="A contact; the template knows their name, and their timeline the mail.")
    to: Annotated[list[Email], Field(min_length=1, max_length=10)] | None = Field(None, description="Or addresses; each sees the others.")
    template: TemplateKey = Field(description="Its key: the tenant's own, else the built-in one.")
    data: Data = Field(default_factory=dict)
    subject: Subject | None = Field(None, description="In place of the template's, in the same language.")

    @model_validator(mode="after")
    def _goes_to_somebody(self) -> Self:
        if (self.to is None) == (self.contact_id is None):
            message = "name either contact_id or to"
            raise ValueError(message)
        return self


class EmailMessageLine(Schema):
    """A mail as a list shows it."""

    id: Id
    contact_id: Id | None
    to: list[str]
    template: str
    subject: str
    status: MailStatus
    attempts: int
    error: str | None = Field(description="Why it failed, or who was left out.")
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    bounced_at: Timestamp | None
    complained_at: Timestamp | None
    opened_at: Timestamp | None
    clicked_at: Timestamp | None
    created_by: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class EmailMessage(EmailMessageLine):
    """A mail as it was rendered when it was asked for: what is sent is what is seen."""

    data: dict[str, Any]
    body_text: str
    body_html: str | None
    provider_message_id: str | None
