"""What goes into and comes out of the endpoints of campaigns."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from clientway.messaging.campaigns.rules import Reason, Status
from clientway.messaging.segments.schemas import SegmentDefinition
from clientway.schemas import Email, Id, Patch, Schema, Text, Timestamp, Trimmed, Version

Channel = Literal["email", "sms"]
Purpose = Literal["marketing", "transactional"]
SendState = Literal["queued", "sending", "sent", "skipped", "failed", "unknown", "expired", "canceled"]
CampaignName = Annotated[Trimmed, StringConstraints(max_length=200)]
Subject = Annotated[Trimmed, StringConstraints(max_length=500)]
BodyText = Annotated[Text, StringConstraints(min_length=1, max_length=50_000)]
BodyHtml = Annotated[Text, StringConstraints(min_length=1, max_length=200_000)]
Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_SEGMENT = "A definition of the campaign's own, as of POST /api/segments."
_TEMPLATE = "A template of the campaign's channel. What it says is taken over at the launch: editing it later changes nothing."
_SCHEDULED = "When it goes out; at the launch, when left out."
_ENDS = "Nothing is sent after it: who could not be reached until then is `expired`."
_PURPOSE = (
    "`transactional` is for what recipients have to know, a recall or a changed appointment: it goes to those who have unsubscribed "
    "from marketing, too. Whoever writes campaigns may prepare one; to launch it, or change it after that, takes an admin."
)
_QUIET = "Hold what would come in the recipient's quiet hours until their next opening."


@dataclass(frozen=True)
class Filters:
    """What a caller asked of the list."""

    status: Status | None
    channel: Channel | None
    updated_since: datetime | None
    include_deleted: bool


class CampaignCreate(Schema):
    """A message to many: to whom (`segment_id` or `segment`) and what (`template_id` or a text of its own)."""

    name: CampaignName
    channel: Channel
    purpose: Purpose = Field("marketing", description=_PURPOSE)
    segment_id: Id | None = Field(None, description="A segment that is kept.")
    segment: SegmentDefinition | None = Field(None, description=_SEGMENT)
    template_id: Id | None = Field(None, description=_TEMPLATE)
    subject: Subject | None = Field(None, description="For an e-mail.")
    body_text: BodyText | None = None
    body_html: BodyHtml | None = Field(None, description="For an e-mail; made from the text when left out.")
    scheduled_at: Timestamp | None = Field(None, description=_SCHEDULED)
    ends_at: Timestamp | None = Field(None, description=_ENDS)
    quiet_hours: bool | None = Field(None, description=f"{_QUIET} True for text messages and false for e-mail, when left out.")


class CampaignPatch(Patch):
    """Change a draft; of one that is scheduled, `scheduled_at` and `ends_at`.

    A `segment_id` takes the place of a `segment` and the other way round, and so do `template_id` and the campaign's own text.
    """

    REQUIRED: ClassVar = frozenset({"name", "purpose", "quiet_hours"})

    name: CampaignName | None = None
    purpose: Purpose | None = Field(None, description=_PURPOSE)
    segment_id: Id | None = None
    segment: SegmentDefinition | None = Field(None, description=_SEGMENT)
    template_id: Id | None = Field(None, description=_TEMPLATE)
    subject: Subject | None = None
    body_text: BodyText | None = None
    body_html: BodyHtml | None = None
    scheduled_at: Timestamp | None = Field(None, description=_SCHEDULED)
    ends_at: Timestamp | None = Field(None, description=_ENDS)
    quiet_hours: bool | None = Field(None, description=_QUIET)


class CampaignLaunch(Schema):
    """Send it to whom the dry run showed."""

    dry_run_hash: Hash = Field(description="Of the dry run that was looked at. If things are otherwise by now, nothing is launched.")
    accept_drift: bool = Field(default=False, description="Launch although the audience, the content or the schedule changed since.")
    scheduled_at: Timestamp | None = Field(None, description="In place of the campaign's own.")


class CampaignPreviewRequest(Schema):
    """Whose message to show."""

    contact_id: Id | None = Field(None, description="A sample recipient, when left out.")


class CampaignPreview(Schema):
    """The message as that recipient would get it."""

    contact_id: Id | None
    to: str | None = Field(description="The address it would go to; null when they have none.")
    subject: str | None
    text: str
    html: str | None
    headers: dict[str, str] = Field(description="What makes one-click unsubscribing work. The link of a preview is a sample.")
    sms_segments: int | None = Field(description="How many parts a text message is billed as.")
    excluded: Reason | None = Field(description="Why this contact would get nothing; null when they would.")


class CampaignTest(Schema):
    """Who of the staff is to see it."""

    to: Annotated[list[Email], Field(min_length=1, max_length=3)] = Field(description="Members of the tenant.")
    contact_id: Id | None = Field(None, description="Whose message it is; a sample recipient's, when left out.")


class DryRunPerson(Schema):
    """Somebody of the audience."""

    contact_id: Id
    name: str
    reason: Reason | None = Field(description="Why not; null for who gets it.")


class DryRunAudience(Schema):
    """How many there are."""

    total: int
    to_send: int
    excluded: dict[Reason, int]


class DryRunHour(Schema):
    """How many could be sent from an hour on, by the recipients' zones and quiet hours."""

    at: Timestamp | None = Field(description="The hour; null for those whom nothing reaches before the campaign ends (`expired`).")
    count: int


class DryRunParts(Schema):
    """What the hash is made of."""

    audience: Hash
    content: Hash
    schedule: Hash


class DryRun(Schema):
    """What a launch would do: made by the code that launches."""

    at: Timestamp
    hash: Hash = Field(description="Over who gets it and who does not and why, the content and the schedule. The launch quotes it.")
    parts: DryRunParts
    audience: DryRunAudience
    segment: str = Field(description="The audience in a sentence.")
    sample: list[DryRunPerson] = Field(description="Up to five who get it and three for each reason why somebody does not.")
    when: list[DryRunHour]
    cost_micros: int = Field(description="Millionths of the currency's unit. Text messages are measured on up to 200 recipients.")
    currency: str
    sms_segments: float | None = Field(description="Parts of a text message, on average over those measured.")
    warnings: list[str]


class CampaignDryRun(DryRun):
    """A dry run, kept with the campaign."""

    campaign_id: Id
    version: Version


class Drift(Schema):
    """What changed between the dry run and the launch."""

    expected: DryRunAudience
    found: DryRunAudience
    changed: list[Literal["audience", "content", "schedule"]]


class Campaign(Schema):
    """A message to many."""

    id: Id
    name: str
    channel: Channel
    purpose: Purpose
    status: Status
    status_reason: str | None
    segment_id: Id | None
    template_id: Id | None
    subject: str | None
    scheduled_at: Timestamp | None
    ends_at: Timestamp | None
    quiet_hours: bool
    dry_run_at: Timestamp | None
    launched_at: Timestamp | None
    launched_by: Id | None
    frozen_at: Timestamp | None = Field(description="When its recipients were written down.")
    finished_at: Timestamp | None
    audience_count: int | None = Field(description="How many were written down.")
    created_by: Id | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp
    deleted_at: Timestamp | None


class CampaignStates(Schema):
    """Its sends by state."""

    queued: int
    sending: int
    sent: int
    skipped: int
    failed: int
    unknown: int = Field(
        description="Handed over, but whether the provider took it is not known: its events settle it; it is not sent again."
    )
    expired: int
    canceled: int


class CampaignOutcomes(Schema):
    """What became of what was sent."""

    delivered: int
    opened: int = Field(description="By people; what a mail program opened by itself counts apart.")
    machine_opened: int
    clicked: int
    bounced: int
    complained: int
    unsubscribed: int


class CampaignRates(Schema):
    """Shares, 0 to 1; null while there is nothing to divide by."""

    delivered: float | None = Field(description="Of those sent.")
    bounced: float | None = Field(description="Of those sent.")
    complained: float | None = Field(description="Of those delivered; of those sent where nothing says what was delivered.")
    opened: float | None = Field(description="Of those delivered.")
    clicked: float | None = Field(description="Of those delivered.")
    unsubscribed: float | None = Field(description="Of those delivered.")


class CampaignProgress(Schema):
    """How far it is."""

    total: int
    states: CampaignStates
    skipped: dict[str, int] = Field(description="Why somebody was left out → how many.")
    outcomes: CampaignOutcomes
    rates: CampaignRates


class CampaignWithProgress(Campaign):
    """A campaign with what it says and how far it is."""

    segment: dict[str, Any] | None
    body_text: str | None
    body_html: str | None
    dry_run: DryRun | None
    dry_run_hash: Hash | None
    drift: Drift | None = Field(
        description="What had changed since the dry run when it was launched, and then when its recipients were written down."
    )
    progress: CampaignProgress


class CampaignSend(Schema):
    """One recipient of a campaign."""

    id: Id
    campaign_id: Id
    contact_id: Id
    channel: Channel
    state: SendState
    reason: str | None
    address: str | None = Field(description="Where it went.")
    consent_event_id: Id | None = Field(description="The line of the consent ledger that it relied on.")
    due_at: Timestamp | None = Field(description="Held until then: quiet hours, or the provider asked for time.")
    attempts: int
    provider_message_id: str | None
    sent_at: Timestamp | None
    delivered_at: Timestamp | None
    opened_at: Timestamp | None
    machine_opened_at: Timestamp | None
    clicked_at: Timestamp | None
    bounced_at: Timestamp | None
    complained_at: Timestamp | None
    unsubscribed_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
