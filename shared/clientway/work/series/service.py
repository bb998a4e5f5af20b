"""Job series: work that repeats by a rule, made into jobs some weeks ahead."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.contacts.service import OrganizationDeleted
from clientway.lifecycle.people import service as people
from clientway.lifecycle.stages import service as stages
from clientway.paging import DatabaseJson, Request
from clientway.recurrence import MOST_STEPS, ClientGone, first, occurrences, parse_days, to_local, wrong_start
from clientway.work.jobs.service import unknown
from clientway.work.series import jobs, queries
from clientway.work.series.expansion import Expansion, expand, zone_of
from clientway.work.series.plan import ENDED, MOST_AT_ONCE, Existing, replan
from clientway.work.series.queries import Locked, Row
from clientway.work.series.schemas import JobSeries, JobSeriesCreate, JobSeriesEnd, JobSeriesPatch, SeriesStatus

_NO_COLUMNS = {"scope", "from_local", "include_detached", "force_overlap"}


class SeriesEnded(Conflict):
    """409: the series has ended; begin another one."""

    code, title = "series_ended", "Series ended"


def find(tx: Tx, request: Request, *, contact_id: UUID | None, status: SeriesStatus | None) -> Any:
    """A page of series."""
    return queries.find(tx, request, contact_id=contact_id, status=status)


def read(tx: Tx, series_id: UUID) -> Any:
    """One series with its next jobs. Raises NotFound (404)."""
    answer = queries.read(tx, series_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, series: JobSeriesCreate) -> Any:
    """Begin a series and make its jobs of the next weeks; those that their assignee has no time for are made as blocked.

    Raises RecurrenceRefused, Unprocessable (422) for what is not there, ContactMerged, ContactBlacklisted, OrganizationDeleted (409).
    """
    rule = parse_days(series.rrule)
    _check_start(tx, series.starts_local)
    try:
        holder = people.hold(tx, series.contact_id)
    except NotFound:
        raise unknown("contact_id") from None
    if not holder.organization_is_live:
        raise OrganizationDeleted("The client's organization is deleted; restore it first.")
    given = series.model_dump(mode="json", exclude={"force_overlap"})
    row: dict[str, Any] = {
        **given,
        "id": str(uuid7()),
        "organization_id": str(holder.organization_id),
        "address_id": given["address_id"] or (str(holder.default_address_id) if holder.default_address_id else None),
        "time_zone": series.time_zone or holder.time_zone,
        "currency": holder.currency,
        "rrule": rule.text,
        "overlap_forced": series.force_overlap,
        "status": "active",
    }
    ahead = _require(expand(row, tx.now))
    now = ahead.occurrences[:MOST_AT_ONCE]
    opened = queries.insert(tx, {**row, **ahead.progress(MOST_AT_ONCE)}, [one.start_at for one in now])
    if opened.missing:
        raise unknown(*opened.missing)
    made = jobs.make(tx, jobs.new(opened.row, opened.terms, now, busy=opened.busy))
    effects.audit(tx, "job_series.created", "job_series", UUID(row["id"]), {name: one for name, one in given.items() if one is not None})
    title = f"{opened.terms.title}: {made.scheduled} jobs until {ahead.until:%Y-%m-%d}"
    _tell(tx, "job_scheduled", title, opened.row, "job_series.created", made.ids)
    return _answer(opened.row, made, moved=0, canceled=0)


def change(tx: Tx, series_id: UUID, patch: JobSeriesPatch, *, version: int) -> Any:
    """Change a series' jobs to come, or split it and change those from an occurrence on; answers with the series these belong to.

    Jobs keep their day where the rule still names it. Raises NotFound (404), PreconditionFailed (412), SeriesEnded,
    ClientGone (409), RecurrenceRefused, Unprocessable (422).
    """
    changes = patch.model_dump(mode="json", exclude_unset=True, exclude=_NO_COLUMNS)
    if patch.force_overlap is not None:
        changes["overlap_forced"] = patch.force_overlap
    if patch.rrule is not None:
        changes["rrule"] = parse_days(patch.rrule).text
    if patch.starts_local is not None:
        _check_start(tx, patch.starts_local)
    if (patch.scope == "this_and_following") != (patch.from_local is not None):
        hint = "says from which occurrence on" if patch.from_local is None else "goes with this_and_following"
        raise _broken(FieldError("#/from_local", "missing" if patch.from_local is None else "not_following", hint))
    locked = _lock(tx, series_id, changes)
    check_version(locked.row["version"], version)
    _check_open(locked)
    if missing := [name for name in locked.missing if name in changes]:
        raise unknown(*missing)
    split = None if patch.from_local is None else _split(locked.row, patch.from_local, patch.starts_local, tx.now)
    if split is None:
        return _revise(tx, locked, changes, include_detached=patch.include_detached)
    former, latter = split
    changes = {**latter, **changes}
    since = min(_clock(latter["starts_local"]), _clock(changes["starts_local"]))
    return _revise(tx, locked, changes, former=former, since=_midnight(since), include_detached=patch.include_detached)


def end(tx: Tx, series_id: UUID, ending: JobSeriesEnd) -> Any:
    """End a series, at once or from a local time on: its jobs from there on are canceled.

    Raises NotFound (404), SeriesEnded (409).
    """
    locked = _lock(tx, series_id, {})
    if locked.row["status"] == "ended":
        raise SeriesEnded("The series has already ended.")
    zone = zone_of(locked.row)
    since = max(ending.from_local, to_local(tx.now, zone)) if ending.from_local else to_local(tx.now, zone)
    changes: dict[str, Any] = {"rrule": parse_days(locked.row["rrule"]).ending_before(since).text}
    ahead = expand({**locked.row, **changes}, tx.now)
    # What has a job already is not made again: the series goes on from where it was, if it goes on at all.
    left = locked.row["next_local"] is not None and _clock(locked.row["next_local"]) < since
    remains = ahead.occurrences or ahead.beyond
    changes |= {"status_reason": ending.reason, "status": "active" if remains else "ended"} | (
        {} if left else {"next_local": None, "materialized_until": None}
    )
    row = queries.update(tx, locked.row, changes)
    called_off = [job for job in _existing(locked, tx.now) if job.local >= since and job.follows(include_detached=True)]
    canceled = jobs.cancel(tx, [job for job in called_off if job.row["status"] != "canceled"], ending.reason or ENDED)
    effects.audit(tx, "job_series.ended", "job_series", series_id, {"from_local": since.isoformat(), "reason": ending.reason})
    _tell(tx, "job_canceled", f"{locked.terms.title}: series ended, {len(canceled)} jobs canceled", row, "job_series.ended", canceled)
    if canceled and locked.churning:
        stages.reconsider(tx, [UUID(row["organization_id"])], event_key=f"job_series:{series_id}:{row['version']}")
    return _answer(row, jobs.Made(), moved=0, canceled=len(canceled))


def _revise(
    tx: Tx, locked: Locked, changes: Row, *, former: Row | None = None, since: datetime | None = None, include_detached: bool
) -> Any:
    """Write a series, or the one that follows it, and bring its jobs from `since` on to where it is now."""
    after = {**locked.row, **changes}
    ahead = _require(expand(after, tx.now, since=since))
    existing = [job for job in _existing(locked, tx.now) if since is None or job.local >= since]
    plan = replan(existing, ahead.occurrences, include_detached=include_detached)
    progress = ahead.progress(MOST_AT_ONCE, [one.local for one in plan.create])
    if former is None:
        row = queries.update(tx, locked.row, {**changes, **progress})
    else:
        successor = {**after, **progress, "id": str(uuid7()), "split_from": locked.row["id"]}
        row = queries.update(tx, locked.row, former, successor)
    done = jobs.carry_out(tx, plan, row, locked.terms, changed=set(changes), instead=locked.instead, most=MOST_AT_ONCE)
    action = "job_series.updated" if former is None else "job_series.split"
    effects.audit(tx, action, "job_series", UUID(locked.row["id"]), {**changes, "series_id": row["id"]})
    ids = [*done.made.ids, *done.moved, *done.canceled]
    title = f"{locked.terms.title}: {len(done.moved)} jobs changed, {done.made.scheduled} added, {len(done.canceled)} canceled"
    _tell(tx, "job_rescheduled", title, row, action, ids)
    return _answer(row, done.made, moved=len(done.moved), canceled=len(done.canceled))


def _split(row: Row, from_local: datetime, starts_local: datetime | None, now: datetime) -> tuple[Row, Row] | None:
    """What the series before an occurrence is changed to, and the one from there on begins as; None where nothing comes before.

    Raises Unprocessable (422) when no occurrence follows, or the new series is to start before the old one is over.
    """
    zone, rule, start = zone_of(row), parse_days(row["rrule"]), _clock(row["starts_local"])
    at = first(rule, start, zone=zone, since=from_local)
    if at is None:
        raise _broken(FieldError("#/from_local", "nothing_follows", "no occurrence of the series is then or later"))
    before = occurrences(rule, start, zone=zone, before=at, limit=MOST_STEPS)
    if not before:
        return None
    if starts_local is not None and starts_local.date() <= before[-1].date():
        raise _broken(FieldError("#/starts_local", "too_early", "is before the first occurrence that changes"))
    former = rule.ending_before(at)
    untouched = row["next_local"] is not None and _clock(row["next_local"]) < at
    goes_on = first(former, start, zone=zone, since=to_local(now, zone)) is not None
    ended: dict[str, Any] = {"rrule": former.text, "status": "active" if goes_on else "ended"}
    if not untouched:
        ended |= {"next_local": None, "materialized_until": None}
    return ended, {"rrule": rule.without_first(len(before)).text, "starts_local": at.isoformat()}


def _lock(tx: Tx, series_id: UUID, changes: Row) -> Locked:
    locked = queries.lock(tx, series_id, changes)
    if locked is None:
        raise _absent()
    return locked


def _check_open(locked: Locked) -> None:
    if locked.row["status"] == "ended":
        raise SeriesEnded("The series has ended; begin another one.")
    if locked.gone:
        raise ClientGone(f"The client is {locked.gone}; end the series instead.")


def _existing(locked: Locked, now: datetime) -> list[Existing]:
    """The series' jobs of today and later."""
    today = _midnight(to_local(now, zone_of(locked.row)))
    found = [Existing(row, passed=datetime.fromisoformat(row["start_at"]) < now) for row in locked.jobs]
    return [job for job in found if job.local >= today or not job.passed]


def _check_start(tx: Tx, start: datetime) -> None:
    if (wrong := wrong_start("#/starts_local", start, tx.now.astimezone(UTC).replace(tzinfo=None))) is not None:
        raise _broken(wrong)


def _require(ahead: Expansion) -> Expansion:
    if not ahead.occurrences and ahead.beyond is None:
        raise _broken(FieldError("#/rrule", "rrule_never_occurs", "has no future occurrence"))
    return ahead


def _broken(error: FieldError) -> Unprocessable:
    return Unprocessable("The job series breaks a rule.", errors=[error])


def _midnight(local: datetime) -> datetime:
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _clock(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _tell(tx: Tx, kind: str, title: str, row: Row, topic: str, ids: list[str]) -> None:
    """One line on the timeline and one event for a series, however many jobs there are."""
    organization_id, contact_id = UUID(row["organization_id"]), UUID(row["contact_id"])
    metadata = {"series_id": row["id"], "rrule": row["rrule"], "price_cents": row["price_cents"], "jobs": len(ids)}
    effects.record(tx, kind, title, organization_id=organization_id, contact_id=contact_id, metadata=metadata, client_visible=True)
    effects.publish(tx, topic, {"organization_id": organization_id, "contact_id": contact_id, **metadata, "job_ids": ids})


def _answer(row: Mapping[str, Any], made: jobs.Made, *, moved: int, canceled: int) -> DatabaseJson:
    shown = {name: row[name] for name in JobSeries.model_fields}
    outcome = {"created": len(made.ids), "moved": moved, "canceled": canceled, "overlapping": made.overlapping}
    return DatabaseJson(json.dumps({**shown, **outcome}), row["version"])


def _absent() -> NotFound:
    return NotFound("There is no such job series.")
