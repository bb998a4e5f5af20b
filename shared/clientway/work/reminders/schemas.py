"""What comes out of the endpoints of reminders."""

from typing import Literal

from pydantic import Field

from clientway.schemas import Id, Schema, Timestamp, Version

ReminderState = Literal["scheduled", "claimed", "sent", "canceled", "skipped", "failed"]


class Reminder(Schema):
    """A message that is due at a time, about a job or an invoice."""

    id: Id
    contact_id: Id
    job_id: Id | None
    invoice_id: Id | None
    type: Literal["job_upcoming", "invoice_due"]
    rule: str = Field(description="before_24h, before_2h; due_minus_2d, due_day.")
    channel: Literal["email", "sms"]
    anchor_at: Timestamp = Field(description="The start of the job, or nine o'clock of the due date, as it stood when this was planned.")
    send_at: Timestamp
    expires_at: Timestamp = Field(description="Later than this it is not sent any more.")
    state: ReminderState
    state_reason: str | None
    sent_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
