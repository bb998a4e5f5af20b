"""What comes in and out of the endpoints of reminders."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from clientway.schemas import Id, Schema, Timestamp, Version

ReminderState = Literal["scheduled", "claimed", "sent", "canceled", "skipped", "failed"]
ReminderType = Literal["job_upcoming", "invoice_due"]
ReminderChannel = Literal["email", "sms"]


class ReminderRuleInput(Schema):
    """One time at which clients are reminded, and how. Also how the rules are shown."""

    type: ReminderType
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        description="Names the rule in its reminders; a rule that keeps its name keeps what it has sent."
    )
    offset: int = Field(
        ge=-30,
        le=43_200,
        description="job_upcoming: minutes before the start, 15 to 43200. invoice_due: days after the due date, -30 (before it) to 30, "
        "at nine o'clock of the tenant's time zone.",
    )
    # Less than the time between two looks of the schedule would leave it to chance.
    max_lateness: int = Field(ge=15, le=2_880, description="Minutes after its time that it is still sent; a job's never after its start.")
    channels: list[ReminderChannel] = Field(min_length=1, max_length=2)
    enabled: bool = True


class Reminder(Schema):
    """A message that is due at a time, about a job or an invoice."""

    id: Id
    contact_id: Id
    job_id: Id | None
    invoice_id: Id | None
    type: ReminderType
    rule: str = Field(description="The tenant's name for it; without rules of its own before_24h, before_2h, due_minus_2d, due_day.")
    channel: ReminderChannel
    anchor_at: Timestamp = Field(description="The start of the job, or nine o'clock of the due date, as it stood when this was planned.")
    send_at: Timestamp
    next_at: Timestamp = Field(description="When it is looked at next: its time, or later after a failure or for quiet hours.")
    expires_at: Timestamp = Field(description="Later than this it is not sent any more.")
    state: ReminderState
    state_reason: str | None
    attempts: int = Field(ge=0)
    address: str | None = Field(description="Where it went.")
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    bounced_at: Timestamp | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
