"""What goes into and comes out of the endpoints of job series."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NaiveDatetime, PlainSerializer, StringConstraints, WithJsonSchema

from clientway.schemas import Cents, Currency, Id, LongText, Patch, Schema, ShortText, Text, Timestamp, Version
from clientway.work.jobs.rules import JobStatus
from clientway.work.jobs.schemas import StatusReason, TimeZone

_LOCAL = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$"
MOST_EXCLUDED = 366


def _read_local(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S" if value.count(":") > 1 else "%Y-%m-%dT%H:%M")  # noqa: DTZ007  (local)
        except ValueError:
            pass
    message = "must be a local date and time like 2026-03-02T09:00:00, without an offset"
    raise ValueError(message)


LocalTime = Annotated[
    NaiveDatetime,
    BeforeValidator(_read_local),
    PlainSerializer(lambda clock: clock.isoformat(), when_used="json-unless-none"),
    WithJsonSchema({"type": "string", "pattern": _LOCAL, "examples": ["2026-03-02T09:00:00"]}),
]
"""What clocks show where the job is, with no offset."""


def _distinct(found: list[datetime]) -> list[datetime]:
    return sorted(set(found))


Excluded = Annotated[list[LocalTime], Field(max_length=MOST_EXCLUDED), AfterValidator(_distinct)]
Rrule = Annotated[
    Text,
    StringConstraints(min_length=1, max_length=1000),
    Field(
        description="An RFC 5545 rule: DAILY, WEEKLY, MONTHLY or YEARLY with its BYMONTH, BYMONTHDAY, BYYEARDAY, BYDAY, BYSETPOS, "
        "INTERVAL, WKST, and COUNT or UNTIL. The time of day is the start's.",
        examples=["FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH"],
    ),
]
Minutes = Annotated[int, Field(ge=1, le=43_200)]
_STARTS = "From when the rule counts; its first occurrence is the first that fits it from here on. Nothing is made for the past."
_FORCE = "Schedule its jobs although the assignee is elsewhere; without it such a job is made as blocked."
_EXCLUDED = "Occurrences that are left out."
SeriesStatus = Literal["active", "ended"]


class JobSeriesCreate(Schema):
    """Work for a client that repeats. What is left out comes from the service and the tenant."""

    contact_id: Id
    service_id: Id | None = Field(None, description="A service that is offered: gives title, duration and price.")
    address_id: Id | None = Field(None, description="An address of the client; the default one, when left out.")
    assignee_id: Id | None = Field(None, description="The rep who does it.")
    rrule: Rrule
    starts_local: LocalTime = Field(description=_STARTS)
    time_zone: TimeZone | None = Field(None, description="In which 09:00 is 09:00; the tenant's, when left out.")
    duration_minutes: Minutes | None = Field(None, description="The service's, or an hour, when left out.")
    price_cents: Cents | None = Field(None, description="The service's of the day when a job is made, when left out.")
    title: ShortText | None = Field(None, description="The service's name, when left out.")
    notes: LongText | None = None
    excluded_local: Excluded = Field(default=[], description=_EXCLUDED)
    force_overlap: bool = Field(default=False, description=_FORCE)


class JobSeriesPatch(Patch):
    """Change a series: its jobs to come, from now on or from an occurrence on. What is done or under way stays as it was."""

    REQUIRED: ClassVar = frozenset({"scope", "rrule", "starts_local", "time_zone", "duration_minutes", "excluded_local", "force_overlap"})

    scope: Literal["all", "this_and_following"] = Field(
        "all", description="this_and_following ends the series before `from_local` and answers with the one that goes on from there."
    )
    from_local: LocalTime | None = Field(None, description="The occurrence from which on, for this_and_following.")
    include_detached: bool = Field(default=False, description="Change those too that were changed by hand.")
    service_id: Id | None = None
    address_id: Id | None = None
    assignee_id: Id | None = None
    rrule: Rrule | None = None
    starts_local: LocalTime | None = Field(None, description=_STARTS)
    time_zone: TimeZone | None = None
    duration_minutes: Minutes | None = None
    price_cents: Cents | None = None
    title: ShortText | None = None
    notes: LongText | None = None
    excluded_local: Excluded | None = Field(None, description=_EXCLUDED)
    force_overlap: bool | None = Field(None, description=_FORCE)


class JobSeriesEnd(Schema):
    """End a series: its jobs to come are canceled, those too that were changed by hand."""

    from_local: LocalTime | None = Field(None, description="From when on; at once, when left out.")
    reason: StatusReason | None = None


class SeriesJob(Schema):
    """A job of a series."""

    id: Id
    occurrence_local: LocalTime = Field(description="Which occurrence it is, wherever it has been moved to.")
    start_at: Timestamp
    end_at: Timestamp
    status: JobStatus
    detached: bool


class JobSeries(Schema):
    """Jobs that repeat."""

    id: Id
    organization_id: Id
    contact_id: Id
    service_id: Id | None
    address_id: Id | None
    assignee_id: Id | None
    title: str | None
    notes: str | None
    price_cents: int | None
    currency: Currency
    rrule: str
    starts_local: LocalTime
    time_zone: str
    duration_minutes: int
    excluded_local: list[LocalTime]
    overlap_forced: bool
    status: SeriesStatus
    status_reason: str | None
    next_local: LocalTime | None = Field(description="The first occurrence that has no job yet; one is made 60 days ahead.")
    split_from: Id | None = Field(description="The series that this one goes on from.")
    version: Version
    created_at: Timestamp
    updated_at: Timestamp


class JobSeriesWithJobs(JobSeries):
    """A series with its next jobs."""

    upcoming: list[SeriesJob]


class JobSeriesOutcome(JobSeries):
    """A series, and what became of its jobs."""

    created: int
    moved: int = Field(description="Jobs that were changed: their time, assignee, address, title, notes or price.")
    canceled: int
    overlapping: list[SeriesJob] = Field(description="Jobs that are blocked because their assignee is elsewhere at the time.")
