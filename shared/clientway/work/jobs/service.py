"""Jobs: booked, moved, done; with their reminders, and nobody at two places at once."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.contacts.service import OrganizationDeleted
from clientway.lifecycle.intake import service as intake
from clientway.lifecycle.people import service as people
from clientway.lifecycle.stages import service as stages
from clientway.paging import Request
from clientway.work.jobs import booking
from clientway.work.jobs.rules import OPEN, JobOverlaps, check_start, check_times, revise
from clientway.work.jobs.schemas import JobCreate, JobPatch, flags

_UNKNOWN = {
    "contact_id": "not a contact of this tenant",
    "org_client_id": "no client of this tenant",
    "service_id": "no service that is offered",
    "address_id": "not an address of this client",
    "assignee_id": "not an active rep of this tenant",
}
_TOLD = {
    "scheduled": "job_scheduled", "in_progress": "job_started", "completed": "job_completed", "canceled": "job_canceled",
    "blocked": "job_blocked",
}  # fmt: skip


def find(tx: Tx, request: Request, equal: Mapping[str, Any], *, times: Mapping[str, datetime | None]) -> Any:
    """A page of jobs; `equal` are columns and the values asked for, `times` start_from, start_before and updated_since."""
    return booking.find(tx, request, equal, times=times)


def read(tx: Tx, job_id: UUID) -> Any:
    """One job. Raises NotFound (404)."""
    answer = booking.read(tx, job_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, job: JobCreate) -> Any:
    """Book a job for a contact.

    Raises Unprocessable (422) for what is not there and times that cannot be, JobOverlaps, ContactMerged,
    ContactBlacklisted, OrganizationDeleted (409).
    """
    check(tx, job.start_at, job.end_at, allow_past=job.allow_past)
    try:
        holder = people.hold(tx, job.contact_id)
    except NotFound:
        raise unknown("contact_id") from None
    check_live(holder.organization_id, live=holder.organization_is_live)
    given = job.model_dump(mode="json", exclude={"force_overlap", "allow_past"})
    if job.address_id is None and holder.default_address_id is not None:
        given["address_id"] = str(holder.default_address_id)
    return book(tx, {**given, "organization_id": holder.organization_id}, force=job.force_overlap)


def check(tx: Tx, start_at: datetime, end_at: datetime | None, *, allow_past: bool) -> None:
    """Refuse times that a new job cannot have. Raises Unprocessable (422)."""
    check_times(start_at, end_at, tx.now)
    if not allow_past:
        check_start(start_at, tx.now)


def check_live(organization_id: UUID, *, live: bool) -> None:
    """Refuse work for a client whose organization is deleted. Raises OrganizationDeleted (409)."""
    if not live:
        raise OrganizationDeleted("The client's organization is deleted; restore it first.", organization_id=str(organization_id))


def book(tx: Tx, given: Mapping[str, Any], *, force: bool, home: dict[str, Any] | None = None) -> Any:
    """Insert a job for a contact that is held, in one statement; `home` is an address to write down with it.

    Raises Unprocessable (422), JobOverlaps (409).
    """
    job_id = uuid7()
    row = {**given, "id": job_id}
    booked = booking.book(tx, row, force=force, home=home)
    if booked.missing:
        raise unknown(*booked.missing)
    if booked.answer is None:
        raise JobOverlaps(booked.busy)
    if booked.crowded:
        raise intake.crowded()
    if home is not None and booked.home_added:
        intake.tell_home(tx, home)
    if booked.activated:
        effects.audit(tx, "contact.updated", "contact", UUID(str(row["contact_id"])), {"status": "active"})
    effects.audit(tx, "job.created", "job", job_id, {name: value for name, value in given.items() if value is not None})
    _tell(tx, "job_scheduled", json.loads(booked.answer))
    return booked.answer


def change(tx: Tx, job_id: UUID, patch: JobPatch, *, version: int) -> Any:
    """Replace what was sent: move a job, hand it over, bring it from state to state; its reminders follow.

    Raises NotFound (404), PreconditionFailed (412), Unprocessable (422), JobMoveRefused, JobClosed, JobOverlaps (409).
    """
    sent, force, allow_past = flags(patch)
    asks = bool(sent.keys() & {"start_at", "end_at", "assignee_id", "status"})
    locked = booking.lock(tx, job_id, sent, asks=asks)
    if locked is None:
        raise _absent()
    before = locked.row
    check_version(before["version"], version)
    if locked.missing:
        raise unknown(*locked.missing)
    revision = revise(before, sent, role=tx.actor.role, now=tx.now, allow_past=allow_past)
    columns, after = revision.columns, revision.after
    if asks and after["status"] in OPEN and revision.takes_time:
        if locked.busy and not force:
            raise JobOverlaps(locked.busy)
        columns["overlap_forced"] = bool(locked.busy)
    answer = booking.write(tx, job_id, columns)
    effects.audit(tx, "job.updated", "job", job_id, {name: value for name, value in columns.items() if value != before[name]})
    if after["status"] != before["status"]:
        _tell(tx, _TOLD[after["status"]], after)
    elif revision.moved_in_time:
        _tell(tx, "job_rescheduled", after, previous_start_at=before["start_at"])
    if locked.last_of_ended and before["status"] in OPEN and after["status"] not in OPEN:
        # Nothing is left to be done for a client whose subscription has ended.
        stages.reconsider(tx, [UUID(before["organization_id"])], event_key=f"job:{job_id}:{answer.version}")
    return answer


def unknown(*names: str) -> Unprocessable:
    """422 for fields that name what is not there."""
    errors = [FieldError(f"#/{name}", f"unknown_{name.removesuffix('_id')}", _UNKNOWN[name]) for name in names]
    return Unprocessable("The job refers to something that does not exist.", errors=errors)


def _tell(tx: Tx, kind: str, job: Mapping[str, Any], **more: Any) -> None:
    """Put what became of a job on the timeline and into the outbox."""
    metadata = {"job_id": str(job["id"]), **more}
    metadata |= {name: job[name] for name in ("start_at", "end_at", "status", "service_id", "assignee_id", "price_cents", "currency")}
    organization_id, contact_id = UUID(str(job["organization_id"])), UUID(str(job["contact_id"]))
    title = f"Job {kind.removeprefix('job_')}: {job['title']}"
    effects.record(tx, kind, title, organization_id=organization_id, contact_id=contact_id, metadata=metadata, client_visible=True)
    effects.publish(tx, kind.replace("_", ".", 1), {"organization_id": organization_id, "contact_id": contact_id, **metadata})


def _absent() -> NotFound:
    return NotFound("There is no such job.")
