"""What goes into and comes out of the endpoint of messaging settings."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from clientway.schemas import Email, Patch, Schema, Trimmed, Version
from clientway.work.reminders.schemas import ReminderRuleInput

# What would end a header or the quotes in it is no name.
FromName = Annotated[
    str,
    StringConstraints(pattern=r'^[^\x00-\x1f\x7f<>"]*[^\s\x00-\x1f\x7f<>"][^\x00-\x1f\x7f<>"]*$', max_length=100, strip_whitespace=True),
]
PostalAddress = Annotated[Trimmed, StringConstraints(max_length=500)]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Micros = Annotated[int, Field(ge=0, le=10**9)]
_FROM_NAME = "Whom mails are from; the tenant's name, when null."
_SENDER_TOLD = "Number (+1…), pool or sender id that texts come from; the installation's, when null. The operator assigns it."
_UNTIL = "Nothing of marketing is texted before; by the recipient's clock, no earlier than 08:00."
_FROM = "Nor from then on; no later than 21:00."
_RULES = "When clients are reminded of jobs and invoices."
_BPS = "A campaign stops when so many of 10,000 of its recipients complain …"
_COUNT = "… and at least so many have."


class MessagingSettings(Schema):
    """How the tenant writes to its clients."""

    reminder_rules: list[ReminderRuleInput] = Field(description=_RULES)
    reminder_rules_are_default: bool
    from_name: str | None = Field(description=_FROM_NAME)
    reply_to: str | None
    postal_address: str | None
    sms_sender: str | None = Field(description=_SENDER_TOLD)
    marketing_email_needs_consent: bool
    quiet_until: TimeOfDay = Field(description=_UNTIL)
    quiet_from: TimeOfDay = Field(description=_FROM)
    complaint_stop_bps: int = Field(description=_BPS)
    complaint_stop_count: int = Field(description=_COUNT)
    email_cost_micros: int = Field(description="What a mail costs, in millionths of the tenant's currency; for estimates alone.")
    sms_segment_cost_micros: int = Field(description="What a segment of a text message costs, likewise.")
    version: Version


class MessagingSettingsPatch(Patch):
    """Change how the tenant writes. What has been sent stays as it was."""

    REQUIRED: ClassVar = frozenset(
        {
            "marketing_email_needs_consent",
            "quiet_until",
            "quiet_from",
            "complaint_stop_bps",
            "complaint_stop_count",
            "email_cost_micros",
            "sms_segment_cost_micros",
        }
    )

    reminder_rules: Annotated[list[ReminderRuleInput], Field(max_length=20)] | None = Field(
        None, description="In place of all there are; null brings the built-in ones back. What is planned already follows."
    )
    from_name: FromName | None = Field(None, description=_FROM_NAME)
    reply_to: Email | None = Field(None, description="Where answers go.")
    postal_address: PostalAddress | None = Field(None, description="Marketing mail has to show it.")
    marketing_email_needs_consent: bool | None = Field(
        None, description="Whether marketing is mailed only to who agreed; texted it always is."
    )
    quiet_until: TimeOfDay | None = Field(None, description=_UNTIL)
    quiet_from: TimeOfDay | None = Field(None, description=_FROM)
    complaint_stop_bps: Annotated[int, Field(ge=1, le=10_000)] | None = Field(None, description=_BPS)
    complaint_stop_count: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(None, description=_COUNT)
    email_cost_micros: Micros | None = None
    sms_segment_cost_micros: Micros | None = None
