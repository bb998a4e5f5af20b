"""How a job moves from state to state, and what a change makes of its times."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from clientway.errors import Conflict, FieldError, Unprocessable
from clientway.moments import rfc3339

JobStatus = Literal["scheduled", "in_progress", "completed", "canceled", "blocked"]
Change = Mapping[str, Any]

OPEN: Final = ("scheduled", "in_progress")
"""Somebody is going to be there: these take an assignee's time, and keep a client from churning."""
OVER: Final = ("completed", "canceled")
MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "scheduled": ("in_progress", "completed", "canceled", "blocked"),
    "in_progress": ("completed", "canceled", "blocked"),
    "blocked": ("scheduled", "canceled"),
    "canceled": ("scheduled",),
    "completed": ("in_progress",),
}
CLOCK_SKEW: Final = timedelta(minutes=5)
LONGEST: Final = timedelta(days=30)
FURTHEST: Final = timedelta(days=3660)
"""A job further off than ten years, either way, is a slip of the pen."""
_TIMES: Final = ("start_at", "end_at", "assignee_id")
_DETACHING: Final = ("title", "service_id", "address_id", "price_cents", "notes", "time_zone", *_TIMES)


class JobMoveRefused(Conflict):
    """409: the job cannot go from its status to that one, or not for this role. `legal` lists those it can go to."""

    code, title = "job_move_refused", "Job move refused"

    def __init__(self, current: str, target: str, legal: tuple[str, ...]) -> None:
        """Name the refused move and what would be legal instead."""
        detail = f"A job that is {current} cannot become {target}; legal: {', '.join(legal) or 'none'}."
        super().__init__(detail.replace("in_progress", "in progress"), current=current, target=target, legal=list(legal))


class JobClosed(Conflict):
    """409: the job is over; its time and assignee stand."""

    code, title = "job_closed", "Job closed"


class JobOverlaps(Conflict):
    """409: the assignee is elsewhere at that time. `jobs` lists what is in the way, as far as is known."""

    code, title = "job_overlaps", "Job overlaps"

    def __init__(self, jobs: list[dict[str, Any]]) -> None:
        """Name the jobs that are in the way."""
        super().__init__("The assignee has another job at that time; send force_overlap to book it all the same.", jobs=jobs)


@dataclass(frozen=True)
class Revision:
    """What a change writes, and what it does."""

    columns: dict[str, Any]
    after: dict[str, Any]
    moved_in_time: bool
    takes_time: bool
    """Whether it wants time of an assignee that it did not have."""


def legal_moves(status: str, role: str | None) -> tuple[str, ...]:
    """Where a job can go from a status; what is done is taken up again by an admin alone."""
    return () if status == "completed" and role != "admin" else MOVES[status]


def revise(before: Change, sent: Change, *, role: str | None, now: datetime, allow_past: bool = False) -> Revision:
    """The columns to write when `sent` comes to the job `before`; both as JSON has them, times in ISO 8601.

    A start that moves takes the end along, unless the end is sent too. A job of a series that is changed by hand goes its
    own way from then on. Raises JobMoveRefused (409), JobClosed (409), Unprocessable (422) for times that cannot be, a time
    that has passed, or what is done being taken up without a reason.
    """
    after = {**before, **sent}
    _check_move(before["status"], after["status"], role)
    start, end = _times(before, sent)
    columns: dict[str, Any] = {**sent}
    if (start, end) != (_moment(before["start_at"]), _moment(before["end_at"])):
        columns |= {"start_at": rfc3339(start), "end_at": rfc3339(end)}
        check_times(start, end, now)
    changed = {name for name, value in columns.items() if not _same(name, value, before.get(name))}
    if before["status"] in OVER and after["status"] in OVER and changed.intersection(_TIMES):
        raise JobClosed(f"The job is {before['status']}: reopen it to give it another time or assignee.")
    if ("start_at" in changed or (after["status"] == "scheduled" != before["status"])) and not allow_past:
        check_start(start, now)
    columns |= _stamps(before, sent, now)
    if before["series_id"] is not None and changed.intersection(_DETACHING):
        columns["detached"] = True
    takes_time = bool(changed.intersection(_TIMES)) or (before["status"] not in OPEN and after["status"] in OPEN)
    return Revision(columns, {**after, **columns}, bool(changed & {"start_at", "end_at"}), takes_time)


def check_start(start: datetime, now: datetime) -> None:
    """Refuse a start that has passed. Raises Unprocessable (422)."""
    if start < now - CLOCK_SKEW:
        hint = "has passed; send allow_past to record what is done already"
        raise Unprocessable("The job breaks a rule.", errors=[FieldError("#/start_at", "in_the_past", hint)])


def check_times(start: datetime, end: datetime | None, now: datetime) -> None:
    """Refuse times that cannot be a job's. Raises Unprocessable (422)."""
    errors = []
    if abs(start - now) > FURTHEST:
        errors.append(FieldError("#/start_at", "too_far", "more than ten years from now"))
    elif end is not None and end <= start:
        errors.append(FieldError("#/end_at", "before_start", "must be later than the start"))
    elif end is not None and end - start > LONGEST:
        errors.append(FieldError("#/end_at", "too_long", "a job lasts 30 days at most"))
    if errors:
        raise Unprocessable("The job breaks a rule.", errors=errors)


def _check_move(status: str, target: str, role: str | None) -> None:
    legal = legal_moves(status, role)
    if target != status and target not in legal:
        raise JobMoveRefused(status, target, legal)


def _times(before: Change, sent: Change) -> tuple[datetime, datetime]:
    start, end = _moment(before["start_at"]), _moment(before["end_at"])
    if "start_at" in sent:
        begins = _moment(sent["start_at"])
        try:
            start, end = begins, begins + (end - start)
        except OverflowError:
            start, end = begins, begins
    return start, _moment(sent["end_at"]) if "end_at" in sent else end


def _stamps(before: Change, sent: Change, now: datetime) -> dict[str, Any]:
    status = sent.get("status", before["status"])
    if status == before["status"]:
        return {}
    stamps: dict[str, Any] = {
        "completed_at": rfc3339(now) if status == "completed" else None,
        "canceled_at": rfc3339(now) if status == "canceled" else None,
    }
    if status == "in_progress":
        stamps["started_at"] = before["started_at"] or rfc3339(now)
    if status == "scheduled":
        stamps["started_at"] = None
    if "status_reason" not in sent:
        stamps["status_reason"] = None
    if before["status"] == "completed" and not sent.get("status_reason"):
        raise Unprocessable("The job breaks a rule.", errors=[FieldError("#/status_reason", "missing", "say why the job is reopened")])
    return stamps


def _same(name: str, one: Any, other: Any) -> bool:
    if name.endswith("_at"):
        return _moment(one) == _moment(other)
    return bool(one == other)


def _moment(value: Any) -> datetime:
    return (value if isinstance(value, datetime) else datetime.fromisoformat(value)).astimezone(UTC)
