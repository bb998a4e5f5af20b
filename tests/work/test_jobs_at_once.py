"""Several people at one job, one assignee or one new client: one of them wins, and nothing is half done."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from clientway import access, db, effects, tokens
from clientway.errors import PreconditionFailed, Problem
from clientway.ids import uuid7
from clientway.lifecycle.intake.schemas import ClientIntake
from clientway.work.jobs import booking, intake, queries, service
from clientway.work.jobs.queries import NewJob
from clientway.work.jobs.rules import JobOverlaps
from clientway.work.jobs.schemas import Job, JobCreate, JobPatch, JobWithClient, JobWithClientCreate
from tests.served import eventually

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
HOUR = timedelta(hours=1)
CALLERS = 4


@pytest.fixture
def at_once(tenant):
    """Run functions of a transaction side by side, each in its own; what each answered, or the problem it ended with."""

    def call(*functions):
        barrier = threading.Barrier(len(functions))

        def one(function):
            tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
            try:
                tx.execute(text("select 1"))
                barrier.wait()
                answer = function(tx)
                db.commit(tx, effects.pending(tx))
            except Problem as problem:
                db.rollback(tx)
                return problem
            return answer

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(one, functions))

    return call


def count(engine, tenant, table):
    with engine.connect() as connection:
        return connection.execute(text(f"select count(*) from {table} where tenant_id = :t"), {"t": tenant.id}).scalar()


@pytest.mark.parametrize("round_", range(3))
def test_calls_for_one_new_client_make_one_client_and_all_their_jobs(at_once, tenant, admin_engine, database_url, round_):
    client = ClientIntake.model_validate(
        {
            "first_name": "Jane",
            "email": f"jane{round_}@example.com",
            "phone": "+13055550188",
            "address": {"address1": "1 Main St", "city": "Miami"},
        }
    )
    orders = [JobWithClientCreate(client=client, start_at=SOON + n * HOUR) for n in range(CALLERS)]
    answers = [JobWithClient.model_validate_json(one) for one in at_once(*(lambda tx, one=one: intake.book(tx, one) for one in orders))]

    assert len({one.client.contact_id for one in answers}) == 1
    assert sorted(one.client.is_new for one in answers) == [False] * (CALLERS - 1) + [True]
    assert len({one.job.address_id for one in answers}) == 1
    counted = {
        table: count(admin_engine, tenant, table) for table in ("organizations", "contacts", "contact_addresses", "jobs", "reminders")
    }
    assert counted == {"organizations": 1, "contacts": 1, "contact_addresses": 1, "jobs": CALLERS, "reminders": CALLERS * 4}


@pytest.mark.parametrize("round_", range(3))
def test_of_those_who_book_one_assignee_at_one_time_one_wins(at_once, site, tenant, admin_engine, round_):
    job = JobCreate(contact_id=site.contact_id, assignee_id=site.rep_id, start_at=SOON)
    answers = at_once(*[lambda tx: service.create(tx, job)] * CALLERS)

    [won] = [Job.model_validate_json(one) for one in answers if not isinstance(one, Problem)]
    lost = [one for one in answers if isinstance(one, Problem)]
    assert {type(one) for one in lost} == {JobOverlaps}
    assert {one["id"] for problem in lost for one in problem.extensions["jobs"]} == {str(won.id)}
    assert (count(admin_engine, tenant, "jobs"), count(admin_engine, tenant, "reminders")) == (1, 4)


@pytest.mark.parametrize("round_", range(3))
def test_who_books_without_looking_is_stopped_by_the_constraint(at_once, site, round_):
    """As a series does, whose jobs go in by the number."""

    def of_series(tx):
        row = NewJob(
            id=uuid7(), organization_id=site.organization_id, contact_id=site.contact_id, title="Series", start_at=SOON, end_at=SOON + HOUR,
            time_zone="UTC", currency="USD", assignee_id=site.rep_id,
        )  # fmt: skip
        return queries.insert(tx, [row])

    job = JobCreate(contact_id=site.contact_id, assignee_id=site.rep_id, start_at=SOON)
    booked, inserted, again = at_once(lambda tx: service.create(tx, job), of_series, of_series)

    assert not [one for one in (inserted, again) if isinstance(one, Problem)]
    assert isinstance(booked, str | JobOverlaps)
    assert sorted([isinstance(booked, str), bool(inserted), bool(again)]) == [False, False, True]


def test_the_constraint_stands_behind_the_question(at_once, site, tenant, admin_engine):
    """What has not been committed when the question is asked, and by somebody who asks nobody."""
    statement = text("""insert into jobs (tenant_id, id, organization_id, contact_id, assignee_id, title, start_at, end_at, time_zone, currency)
      values (:t, :id, :o, :c, :a, 'Unseen', :start, cast(:start as timestamptz) + interval '1 hour', 'UTC', 'USD')""")
    given = {"t": tenant.id, "id": uuid7(), "o": site.organization_id, "c": site.contact_id, "a": site.rep_id, "start": SOON}
    job = JobCreate(contact_id=site.contact_id, assignee_id=site.rep_id, start_at=SOON)
    with admin_engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, ThreadPoolExecutor(1) as pool:
        connection.execute(statement, given)
        answer = pool.submit(at_once, lambda tx: service.create(tx, job))
        waits = text("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
        with admin_engine.connect() as looking:
            eventually(lambda: looking.execute(waits).scalar())
        connection.commit()
        [refusal] = answer.result()

    assert isinstance(refusal, JobOverlaps)
    assert [one["title"] for one in refusal.extensions["jobs"]] == ["Unseen"]


def test_the_constraint_stands_behind_a_move(tx, site):
    first, second = (
        Job.model_validate_json(
            service.create(tx, JobCreate(contact_id=site.contact_id, assignee_id=site.rep_id, start_at=SOON + n * HOUR))
        )
        for n in range(2)
    )
    with pytest.raises(JobOverlaps):
        booking.write(tx, second.id, {"start_at": first.start_at.isoformat()})


@pytest.mark.parametrize("round_", range(3))
def test_of_those_who_move_one_job_one_wins_and_the_others_are_told(at_once, site, tenant, admin_engine, invoke, round_):
    job_id = invoke("work/jobs", method="POST", body={"contact_id": site.contact_id, "start_at": SOON.isoformat()}).json["id"]
    moves = [JobPatch(start_at=SOON + n * HOUR) for n in range(1, CALLERS + 1)]
    answers = at_once(*(lambda tx, one=one: service.change(tx, UUID(job_id), one, version=1) for one in moves))

    [won] = [Job.model_validate_json(one) for one in answers if not isinstance(one, Problem)]
    assert [type(one) for one in answers if isinstance(one, Problem)] == [PreconditionFailed] * (CALLERS - 1)
    assert won.version == 2
    with admin_engine.connect() as connection:
        statement = "select distinct anchor_at from reminders where tenant_id = :t and state = 'scheduled'"
        assert connection.execute(text(statement), {"t": tenant.id}).scalars().all() == [won.start_at]


STEPS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.booleans(), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_booked_only_what_was_forced_overlaps(tx, site, steps):
    """Against brute force: starts and lengths in quarters of an hour, forced or not; the last of a step says whether it is canceled after."""
    rep = uuid7()
    tx.execute(text("insert into reps (id, slug, name) values (:id, :s, 'x')"), {"id": rep, "s": rep.hex})
    standing = {}
    for start, length, force, canceled in steps:
        begins = SOON + start * HOUR / 4
        body = {"contact_id": site.contact_id, "assignee_id": rep, "start_at": begins, "end_at": begins + length * HOUR / 4}
        in_the_way = {one for one, (other, long) in standing.items() if start < other + long and other < start + length}
        if in_the_way and not force:
            with pytest.raises(JobOverlaps) as refusal:
                service.create(tx, JobCreate(**body))
            assert {UUID(one["id"]) for one in refusal.value.extensions["jobs"]} == in_the_way
            continue
        job = Job.model_validate_json(service.create(tx, JobCreate(**body, force_overlap=force)))
        assert job.overlap_forced == bool(in_the_way)
        if canceled:
            service.change(tx, job.id, JobPatch(status="canceled"), version=1)
        else:
            standing[job.id] = (start, length)
