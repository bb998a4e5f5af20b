"""What comes out of the list of a contact's messages."""

from typing import Literal

from pydantic import Field

from clientway.schemas import Id, Schema, Timestamp


class ContactMessage(Schema):
    """A message to a contact: a campaign's, a reminder or a single mail."""

    kind: Literal["campaign_send", "email_message", "reminder"]
    id: Id
    contact_id: Id = Field(description="Whom it was made for: another one, who turned out to be this contact, for some.")
    channel: Literal["email", "sms"]
    at: Timestamp = Field(description="When it was made, or is due.")
    title: str = Field(description="The campaign's name, the mail's subject, or what the reminder is of.")
    state: str = Field(description="As its own endpoint has it.")
    reason: str | None
    campaign_id: Id | None
    job_id: Id | None
    invoice_id: Id | None
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    opened_at: Timestamp | None
    clicked_at: Timestamp | None
    bounced_at: Timestamp | None
    complained_at: Timestamp | None
