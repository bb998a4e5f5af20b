"""Series at a moment that the test chooses: what its tests begin with."""

# ruff: noqa: DTZ001  # local times have no zone

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.work.series import service
from clientway.work.series.plan import Existing
from clientway.work.series.schemas import JobSeriesCreate, JobSeriesOutcome, JobSeriesPatch

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)  # a Monday; 01:00 in New York
NINE = datetime(2026, 3, 2, 9)
NEW_YORK = "America/New_York"


@pytest.fixture
def at(tx):
    """Have it be another moment."""

    def move(moment):
        tx.now = moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    move(NOW)
    return move


@pytest.fixture
def client(tx, at):
    return people.upsert(tx, PersonInput(first_name="Ana", last_name="Ruiz", email="ana@home.example")).contact_id


@pytest.fixture
def rep(tx, at):
    return add_rep(tx, "Rosa")


def add_rep(tx, name, *, active=True):
    rep_id = uuid7()
    tx.execute(
        text("insert into reps (id, slug, name, active) values (:i, :s, :n, :a)"), {"i": rep_id, "s": name.lower(), "n": name, "a": active}
    )
    return rep_id


def sent(body):
    return json.dumps(body, default=lambda one: one.isoformat() if isinstance(one, datetime) else str(one))


def begin(tx, client, **given):
    body = {"contact_id": client, "rrule": "FREQ=WEEKLY;BYDAY=MO", "starts_local": datetime(2026, 3, 2, 9), "time_zone": NEW_YORK}
    answer = service.create(tx, JobSeriesCreate.model_validate_json(sent({**body, **given})))
    return JobSeriesOutcome.model_validate_json(answer)


def change(tx, series, **given):
    patch = JobSeriesPatch.model_validate_json(sent(given))
    return JobSeriesOutcome.model_validate_json(service.change(tx, series.id, patch, version=series.version))


def jobs(tx, series_id, *statuses):
    statement = """select j.* from jobs j where j.tenant_id = app.tenant() and j.series_id = :s order by j.start_at, j.id"""
    rows = tx.execute(text(statement), {"s": series_id}).all()
    return [row for row in rows if not statuses or row.status in statuses]


def clocks(rows):
    return [row.start_at.astimezone(ZoneInfo(row.time_zone)).replace(tzinfo=None) for row in rows]


def mondays(first, count):
    return [first + timedelta(weeks=week) for week in range(count)]


def touch(tx, job_id, **columns):
    """Change a job as somebody does by hand."""
    names = ", ".join(f"{name} = :{name}" for name in columns)
    tx.execute(text(f"update jobs set {names} where tenant_id = app.tenant() and id = :id"), {**columns, "id": job_id})


def reminders(tx, job_id, state):
    statement = "select r.anchor_at from reminders r where r.tenant_id = app.tenant() and r.job_id = :j and r.state = :s"
    return set(tx.execute(text(statement), {"j": job_id, "s": state}).scalars())


def existing(local, status="scheduled", *, detached=False, reason=None, passed=False):
    row = {"id": uuid7(), "occurrence_local": local.isoformat(), "status": status, "status_reason": reason, "detached": detached}
    return Existing(row, passed=passed)
