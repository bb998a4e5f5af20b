"""What goes into and comes out of the endpoints of jobs."""

from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from clientway.lifecycle.intake.schemas import ClientIntake
from clientway.lifecycle.people.schemas import MatchedBy
from clientway.schemas import Cents, Currency, Id, LongText, Patch, Schema, ShortText, Text, Timestamp, Trimmed, Version
from clientway.work.jobs.rules import JobStatus


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = "not a time zone of the IANA database"
        raise ValueError(message) from None
    return name


TimeZone = Annotated[
    Text, StringConstraints(pattern=r"^(UTC|[A-Z][A-Za-z_]{1,30}(/[A-Za-z0-9_+-]{1,30}){1,2})$", max_length=64), AfterValidator(_known)
]
StatusReason = Annotated[Trimmed, StringConstraints(max_length=2000)]
_ZONE = "IANA time zone in which its times are meant; the address's or the tenant's, when left out."
_FORCE = "Book it although the assignee is elsewhere at that time."
_PAST = "Take a start that has passed, for work that is already done."


class JobCreate(Schema):
    """Work for a client at a time. What is left out comes from the service, the client and the tenant."""

    contact_id: Id = Field(description="Whom it is for. The first job makes a lead an active client.")
    service_id: Id | None = Field(None, description="A service that is offered: gives title, duration and price.")
    address_id: Id | None = Field(None, description="An address of the client; the default one, when left out.")
    assignee_id: Id | None = Field(None, description="The rep who does it.")
    title: ShortText | None = None
    start_at: Timestamp
    end_at: Timestamp | None = Field(None, description="The start and the service's duration, or an hour, when left out.")
    time_zone: TimeZone | None = Field(None, description=_ZONE)
    price_cents: Cents | None = None
    notes: LongText | None = None
    force_overlap: bool = Field(default=False, description=_FORCE)
    allow_past: bool = Field(default=False, description=_PAST)


class JobPatch(Patch):
    """Change a job: move it, hand it over, start it, finish it, cancel it. A start that moves takes the end along."""

    REQUIRED: ClassVar = frozenset({"title", "start_at", "end_at", "time_zone", "price_cents", "status", "force_overlap", "allow_past"})

    service_id: Id | None = None
    address_id: Id | None = None
    assignee_id: Id | None = None
    title: ShortText | None = None
    start_at: Timestamp | None = None
    end_at: Timestamp | None = None
    time_zone: TimeZone | None = None
    price_cents: Cents | None = None
    notes: LongText | None = None
    status: JobStatus | None = Field(
        None,
        description="scheduled → in_progress, completed, canceled, blocked; in_progress → completed, canceled, blocked; "
        "blocked → scheduled, canceled; canceled → scheduled; completed → in_progress, by an admin and with a reason.",
    )
    status_reason: StatusReason | None = Field(None, description="Why it is canceled, blocked or taken up again. Staff alone see it.")
    force_overlap: bool | None = Field(None, description=_FORCE)
    allow_past: bool | None = Field(None, description=_PAST)


class JobContact(Schema):
    """Whom a job is for."""

    id: Id
    first_name: str | None
    last_name: str | None


class JobAddress(Schema):
    """Where a job is done."""

    id: Id
    label: str | None
    address1: str
    address2: str | None
    city: str | None
    state: str | None
    postal: str | None
    country: str


class JobNamed(Schema):
    """The service of a job, or who does it."""

    id: Id
    name: str


class Job(Schema):
    """A job."""

    id: Id
    organization_id: Id = Field(description="Whose account it is on: the client's own, or the company's they belong to.")
    contact_id: Id
    service_id: Id | None
    address_id: Id | None
    assignee_id: Id | None
    series_id: Id | None
    detached: bool = Field(description="Of a series, and changed by hand: it goes its own way.")
    title: str
    status: JobStatus
    status_reason: str | None
    start_at: Timestamp
    end_at: Timestamp
    time_zone: str
    price_cents: int
    currency: Currency
    notes: str | None
    overlap_forced: bool = Field(description="Booked knowingly over another job of the assignee.")
    started_at: Timestamp | None
    completed_at: Timestamp | None
    canceled_at: Timestamp | None
    contact: JobContact
    address: JobAddress | None
    service: JobNamed | None
    assignee: JobNamed | None
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class JobWithClientCreate(Schema):
    """Work for a client, known or new, in one call: either `org_client_id` or `client`."""

    organization_id: Id | None = Field(None, description="The provider: your own tenant's id, or nothing.")
    org_client_id: Id | None = Field(None, description="A contact of yours.")
    client: ClientIntake | None = Field(None, description="Found by e-mail, or phone and first name; made when nobody is found.")
    service_id: Id | None = None
    address_id: Id | None = Field(None, description="An address of `org_client_id`; the default one, when left out.")
    assignee_id: Id | None = None
    title: ShortText | None = None
    start_at: Timestamp
    end_at: Timestamp | None = None
    time_zone: TimeZone | None = Field(None, description=_ZONE)
    price_cents: Cents | None = None
    notes: LongText | None = None
    force_overlap: bool = Field(default=False, description=_FORCE)
    allow_past: bool = Field(default=False, description=_PAST)


class BookedClient(Schema):
    """For whom a job was booked."""

    contact_id: Id
    organization_id: Id
    is_new: bool = Field(description="New to this tenant.")
    matched_by: MatchedBy | None = Field(description="What told who it is; null for somebody new, or named by id.")
    suggested_contact_ids: list[Id] = Field(description="Contacts that may be the same person.")


class JobWithClient(Schema):
    """A job, and for whom it is."""

    success: Literal[True]
    job: Job
    client: BookedClient


def flags(patch: JobPatch) -> tuple[dict[str, Any], bool, bool]:
    """What is sent of a change as columns, and whether an overlap and a time that has passed are meant."""
    sent = patch.model_dump(mode="json", exclude_unset=True)
    return sent, bool(sent.pop("force_overlap", False)), bool(sent.pop("allow_past", False))
