"""Job series at a moment that the test chooses: jobs ahead, clocks that change, rules that change, two runs of the schedule."""

# ruff: noqa: DTZ001  # local times have no zone

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from clientway import effects
from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.series import materialize, service
from clientway.work.series.plan import Existing, Occurrence, replan
from clientway.work.series.schemas import JobSeries, JobSeriesCreate, JobSeriesEnd, JobSeriesOutcome, JobSeriesPatch, JobSeriesWithJobs

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)  # a Monday; 01:00 in New York
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


def test_nine_stays_nine_when_clocks_change(tx, at, client):
    # New York's clocks go forward on 8 March 2026.
    series = begin(tx, client)
    made = jobs(tx, series.id)

    assert clocks(made) == mondays(datetime(2026, 3, 2, 9), 9)
    assert [row.start_at.hour for row in made] == [14] + [13] * 8
    assert (series.created, series.next_local) == (9, datetime(2026, 5, 4, 9))
    assert {row.end_at - row.start_at for row in made} == {timedelta(hours=1)}


def test_and_when_they_change_back(tx, at, client):
    at(datetime(2026, 10, 26, 6))
    series = begin(tx, client, starts_local=datetime(2026, 10, 26, 9))
    made = jobs(tx, series.id)

    assert clocks(made) == mondays(datetime(2026, 10, 26, 9), 9)
    assert [row.start_at.hour for row in made] == [13] + [14] * 8


def test_in_the_south_it_is_the_other_way_round(tx, at, client):
    # Sydney's summer ends on 5 April 2026.
    series = begin(tx, client, time_zone="Australia/Sydney", starts_local=datetime(2026, 3, 9, 9))
    made = jobs(tx, series.id)

    assert clocks(made) == mondays(datetime(2026, 3, 9, 9), 8)
    assert [row.start_at.hour for row in made] == [22] * 4 + [23] * 4


def test_a_time_that_clocks_skip_is_an_hour_later(tx, at, client):
    series = begin(tx, client, rrule="FREQ=DAILY;COUNT=3", starts_local=datetime(2026, 3, 7, 2, 30))
    assert clocks(jobs(tx, series.id)) == [datetime(2026, 3, 7, 2, 30), datetime(2026, 3, 8, 3, 30), datetime(2026, 3, 9, 2, 30)]


def test_the_zone_is_the_tenants_unless_it_says_so(tx, at, client):
    tx.execute(text("select 1"))
    assert begin(tx, client, time_zone=None).time_zone == "UTC"


def test_no_job_is_made_for_the_past_and_fifty_at_once(tx, at, client):
    at(datetime(2026, 3, 4, 15))
    series = begin(tx, client, rrule="FREQ=DAILY", starts_local=datetime(2026, 1, 1, 9))
    made = jobs(tx, series.id)

    assert clocks(made)[0] == datetime(2026, 3, 5, 9), "today's nine has passed"
    assert (len(made), series.created, series.next_local) == (50, 50, datetime(2026, 4, 24, 9))
    assert materialize.materialize(tx) == 1
    assert clocks(jobs(tx, series.id))[-1] == datetime(2026, 5, 3, 9)
    assert materialize.materialize(tx) == 0, "that is all for today"


def test_jobs_begin_as_the_series_and_its_service_say(tx, at, client, rep):
    service_id = uuid7()
    statement = "insert into services (id, name, duration_minutes, price_cents, currency) values (:i, 'Deep clean', 90, 12000, 'USD')"
    tx.execute(text(statement), {"i": service_id})
    series = begin(tx, client, service_id=service_id, assignee_id=rep, notes="Key under the mat")
    own = begin(tx, client, service_id=service_id, title="Windows", price_cents=0, duration_minutes=30, rrule="FREQ=MONTHLY;COUNT=1")

    assert series.duration_minutes == 90
    assert {(row.title, row.price_cents, row.notes, row.assignee_id) for row in jobs(tx, series.id)} == {
        ("Deep clean", 12000, "Key under the mat", rep)
    }
    assert [(row.title, row.price_cents, row.end_at - row.start_at) for row in jobs(tx, own.id)] == [("Windows", 0, timedelta(minutes=30))]


def test_each_job_has_its_reminders(tx, at, client):
    series = begin(tx, client)
    for row in jobs(tx, series.id)[1:]:
        assert reminders(tx, row.id, "scheduled") == {row.start_at}


def test_exceptions_are_left_out(tx, at, client):
    series = begin(tx, client, excluded_local=[datetime(2026, 3, 9, 9)])
    assert datetime(2026, 3, 9, 9) not in clocks(jobs(tx, series.id))
    assert len(jobs(tx, series.id)) == 8


def test_a_job_that_its_assignee_has_no_time_for_is_blocked_and_told_of(tx, at, client, rep):
    begin(tx, client, assignee_id=rep, rrule="FREQ=WEEKLY;COUNT=2", starts_local=datetime(2026, 3, 9, 9, 30))
    series = begin(tx, client, assignee_id=rep)
    other = begin(tx, client, assignee_id=add_rep(tx, "Otto"))
    forced = begin(tx, client, assignee_id=rep, force_overlap=True)

    blocked = [datetime(2026, 3, 9, 9), datetime(2026, 3, 16, 9)]
    assert [one.occurrence_local for one in series.overlapping] == blocked
    assert clocks(jobs(tx, series.id, "blocked")) == blocked
    assert {row.status_reason for row in jobs(tx, series.id, "blocked")} == {"overlap"}
    assert all(reminders(tx, row.id, "scheduled") == set() for row in jobs(tx, series.id, "blocked"))
    assert (other.overlapping, forced.overlapping) == ([], [])
    assert all(row.overlap_forced for row in jobs(tx, forced.id)), "each of them is in another's way"


def test_a_series_that_crosses_itself_is_blocked_where_it_does(tx, at, client, rep):
    series = begin(tx, client, assignee_id=rep, rrule="FREQ=DAILY;COUNT=4", duration_minutes=1500)
    assert [row.status for row in jobs(tx, series.id)] == ["scheduled", "blocked", "scheduled", "blocked"]


def test_the_schedule_makes_what_is_next_once(tx, at, client):
    series = begin(tx, client)
    for moment in (NOW + timedelta(days=7), NOW + timedelta(days=7), NOW + timedelta(days=21)):
        at(moment)
        materialize.materialize(tx)
    made = jobs(tx, series.id)

    assert clocks(made) == mondays(datetime(2026, 3, 2, 9), 12)
    assert JobSeriesWithJobs.model_validate_json(service.read(tx, series.id)).version == series.version, "no change of the series"


def test_the_schedule_does_again_what_a_crash_undid_and_nothing_twice(tx, at, client):
    series = begin(tx, client)
    # As if it had been killed before it wrote down how far it came.
    statement = "update job_series set materialized_until = :m, next_local = starts_local where tenant_id = app.tenant() and id = :i"
    tx.execute(text(statement), {"m": NOW, "i": series.id})
    assert materialize.materialize(tx) == 1
    assert clocks(jobs(tx, series.id)) == mondays(datetime(2026, 3, 2, 9), 9)


def test_a_canceled_job_does_not_come_back(tx, at, client):
    series = begin(tx, client)
    canceled = jobs(tx, series.id)[3]
    touch(tx, canceled.id, status="canceled", canceled_at=NOW, status_reason="on holiday")
    statement = "update job_series set materialized_until = :m, next_local = starts_local where tenant_id = app.tenant() and id = :i"
    tx.execute(text(statement), {"m": NOW, "i": series.id})
    materialize.materialize(tx)
    series = change(tx, series, starts_local=datetime(2026, 3, 2, 11), rrule="FREQ=WEEKLY;BYDAY=MO,TH")

    again = [row for row in jobs(tx, series.id) if row.occurrence_local.date() == canceled.occurrence_local.date()]
    assert [(row.id, row.status) for row in again] == [(canceled.id, "canceled")]
    at(NOW + timedelta(days=7))
    materialize.materialize(tx)
    assert len([row for row in jobs(tx, series.id) if row.occurrence_local.date() == canceled.occurrence_local.date()]) == 1


def test_the_schedule_blocks_what_overlaps_meanwhile(tx, at, client, rep):
    series = begin(tx, client, assignee_id=rep)
    begin(tx, client, assignee_id=rep, rrule="FREQ=YEARLY", starts_local=datetime(2026, 5, 4, 9))
    at(NOW + timedelta(days=14))
    materialize.materialize(tx)
    statuses = {row.occurrence_local: row.status for row in jobs(tx, series.id)}
    assert (statuses[datetime(2026, 4, 27, 9)], len(statuses)) == ("scheduled", 11)
    # Both are due in one run: one of them has the time, the other is told of.
    both = tx.execute(
        text("select status from jobs where tenant_id = app.tenant() and start_at = '2026-05-04 13:00Z' order by status")
    ).scalars()
    assert list(both) == ["blocked", "scheduled"]


def test_a_job_of_somebody_who_has_left_waits_for_whoever_takes_it(tx, at, client, rep):
    series = begin(tx, client, assignee_id=rep)
    tx.execute(text("update reps set active = false where tenant_id = app.tenant() and id = :i"), {"i": rep})
    at(NOW + timedelta(days=7))
    materialize.materialize(tx)
    assert [row.assignee_id for row in jobs(tx, series.id)][-2:] == [rep, None]


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update contacts set deleted_at = now() where tenant_id = app.tenant() and id = :i", "client deleted"),
        (
            """update organizations set lifecycle_stage = 'blacklist' where tenant_id = app.tenant()
                and id = (select organization_id from contacts where tenant_id = app.tenant() and id = :i)""",
            "client blacklisted",
        ),
        (
            "update job_series set rrule = 'FREQ=NEVER' where tenant_id = app.tenant() and contact_id = :i",
            "The recurrence rule is refused.",
        ),
    ],
)
def test_a_series_without_a_client_or_a_rule_ends_with_its_reason(tx, at, client, statement, reason):
    series = begin(tx, client)
    tx.execute(text(statement), {"i": client})
    at(NOW + timedelta(days=30))
    materialize.materialize(tx)
    ended = JobSeriesWithJobs.model_validate_json(service.read(tx, series.id))
    assert (ended.status, ended.status_reason, len(jobs(tx, series.id))) == ("ended", reason, 9)


def test_another_time_moves_the_jobs_to_come_and_their_reminders(tx, at, client):
    series = begin(tx, client)
    at(datetime(2026, 3, 11, 6))
    before = jobs(tx, series.id)
    touch(tx, before[0].id, status="completed", completed_at=NOW)
    series = change(tx, series, starts_local=datetime(2026, 3, 2, 14, 30))
    after = jobs(tx, series.id)

    assert (series.moved, series.created, series.canceled) == (7, 1, 0), "one more has come within 60 days"
    assert [row.id for row in after[:9]] == [row.id for row in before], "the same jobs"
    assert clocks(after[:2]) == clocks(before[:2]), "what is over stays"
    assert clocks(after[2:]) == mondays(datetime(2026, 3, 16, 14, 30), 8)
    assert [row.occurrence_local for row in after[2:]] == clocks(after[2:])
    moved = after[3]
    assert reminders(tx, moved.id, "scheduled") == {moved.start_at}
    assert reminders(tx, moved.id, "canceled") == {before[3].start_at}


def test_other_days_cancel_jobs_and_make_others_and_back_again(tx, at, client):
    series = begin(tx, client, rrule="FREQ=WEEKLY;BYDAY=MO,WE")
    first = jobs(tx, series.id)
    series = change(tx, series, rrule="FREQ=WEEKLY;BYDAY=MO,FR")
    assert (series.created, series.canceled, series.moved) == (8, 9, 0)
    assert {row.occurrence_local.weekday() for row in jobs(tx, series.id, "scheduled")} == {0, 4}
    assert all(reminders(tx, row.id, "scheduled") == set() for row in jobs(tx, series.id, "canceled"))

    series = change(tx, series, rrule="FREQ=WEEKLY;BYDAY=MO,WE")
    assert [row.id for row in jobs(tx, series.id, "scheduled")] == [row.id for row in first], "they come back, they are not made again"


def test_what_was_changed_by_hand_stays_unless_it_is_meant_too(tx, at, client):
    series = begin(tx, client)
    by_hand = jobs(tx, series.id)[2]
    later = by_hand.start_at + timedelta(days=1, hours=3)
    touch(tx, by_hand.id, start_at=later, end_at=later + timedelta(hours=1), detached=True, title="By hand")
    series = change(tx, series, starts_local=datetime(2026, 3, 2, 10), title="Clean", duration_minutes=120)

    [kept] = [row for row in jobs(tx, series.id) if row.id == by_hand.id]
    assert (kept.start_at, kept.title, kept.detached) == (later, "By hand", True)
    assert kept.occurrence_local == datetime(2026, 3, 16, 10), "it stands for the occurrence of its day"
    assert len(jobs(tx, series.id)) == 9
    assert {(row.title, row.end_at - row.start_at) for row in jobs(tx, series.id) if row.id != kept.id} == {("Clean", timedelta(hours=2))}

    series = change(tx, series, include_detached=True, title="All")
    assert clocks(jobs(tx, series.id)) == mondays(datetime(2026, 3, 2, 10), 9)
    assert {(row.title, row.detached) for row in jobs(tx, series.id)} == {("All", False)}


def test_this_and_following_goes_on_as_a_series_of_its_own(tx, at, client):
    series = begin(tx, client, rrule="FREQ=WEEKLY;BYDAY=MO;COUNT=12")
    first = jobs(tx, series.id)
    touch(tx, first[5].id, status="canceled", canceled_at=NOW, status_reason="on holiday")
    later = change(tx, series, scope="this_and_following", from_local=datetime(2026, 3, 23, 9), starts_local=datetime(2026, 3, 23, 15))

    assert later.id != series.id
    assert (later.split_from, later.rrule, later.starts_local) == (series.id, "FREQ=WEEKLY;BYDAY=MO;COUNT=9", datetime(2026, 3, 23, 15))
    assert clocks(jobs(tx, series.id)) == mondays(datetime(2026, 3, 2, 9), 3)
    assert [row.id for row in jobs(tx, later.id)] == [row.id for row in first[3:]]
    assert clocks(jobs(tx, later.id, "scheduled")) == [
        one for one in mondays(datetime(2026, 3, 23, 15), 6) if one != datetime(2026, 4, 6, 15)
    ]
    former = JobSeriesWithJobs.model_validate_json(service.read(tx, series.id))
    assert (former.rrule, former.next_local, former.version) == ("FREQ=WEEKLY;BYDAY=MO;UNTIL=20260323T085959", None, series.version + 1)

    for week in range(1, 12):
        at(NOW + timedelta(weeks=week))
        materialize.materialize(tx)
    assert clocks(jobs(tx, later.id))[-1] == datetime(2026, 5, 18, 15), "the twelfth, and no more"
    assert len(jobs(tx, series.id)) + len(jobs(tx, later.id)) == 12


def test_a_split_before_the_first_occurrence_is_a_change_of_all(tx, at, client):
    series = begin(tx, client)
    after = change(tx, series, scope="this_and_following", from_local=datetime(2026, 3, 1), title="Other")
    assert (after.id, {row.title for row in jobs(tx, series.id)}) == (series.id, {"Other"})


def test_a_split_beyond_what_is_made_leaves_the_former_to_go_on(tx, at, client):
    series = begin(tx, client)
    later = change(tx, series, scope="this_and_following", from_local=datetime(2026, 6, 1), title="Summer")
    assert (later.created, later.starts_local, later.next_local) == (0, datetime(2026, 6, 1, 9), datetime(2026, 6, 1, 9))
    for week in range(1, 15):
        at(NOW + timedelta(weeks=week))
        materialize.materialize(tx)
    assert clocks(jobs(tx, series.id)) == mondays(datetime(2026, 3, 2, 9), 13)
    assert clocks(jobs(tx, later.id))[0] == datetime(2026, 6, 1, 9)


def test_another_assignee_who_has_no_time_blocks_and_a_later_change_frees(tx, at, client, rep):
    otto = add_rep(tx, "Otto")
    begin(tx, client, assignee_id=otto, rrule="FREQ=WEEKLY;COUNT=1", starts_local=datetime(2026, 3, 9, 9, 30))
    series = begin(tx, client, assignee_id=rep)
    series = change(tx, series, assignee_id=otto)
    assert [one.occurrence_local for one in series.overlapping] == [datetime(2026, 3, 9, 9)]
    assert {row.assignee_id for row in jobs(tx, series.id)} == {otto}
    series = change(tx, series, starts_local=datetime(2026, 3, 2, 12))
    assert (series.overlapping, {row.status for row in jobs(tx, series.id)}) == ([], {"scheduled"})


def test_jobs_that_step_where_others_of_the_series_stood_do_not_collide(tx, at, client, rep):
    series = begin(tx, client, assignee_id=rep, rrule="FREQ=DAILY;COUNT=20", starts_local=datetime(2026, 3, 2, 9), duration_minutes=600)
    series = change(tx, series, starts_local=datetime(2026, 3, 2, 21))
    assert (series.moved, series.overlapping) == (20, [])
    assert {one.hour for one in clocks(jobs(tx, series.id, "scheduled"))} == {21}
    assert all(reminders(tx, row.id, "scheduled") == {row.start_at} for row in jobs(tx, series.id)[2:])


def test_an_end_cancels_what_is_to_come(tx, at, client):
    series = begin(tx, client)
    at(datetime(2026, 3, 9, 15))  # 11:00 in New York: the second job is over
    answer = JobSeriesOutcome.model_validate_json(service.end(tx, series.id, JobSeriesEnd(reason="moved away")))
    assert (answer.status, answer.status_reason, answer.canceled, answer.next_local) == ("ended", "moved away", 7, None)
    assert [row.status for row in jobs(tx, series.id)] == ["scheduled"] * 2 + ["canceled"] * 7
    at(NOW + timedelta(days=60))
    assert materialize.materialize(tx) == 0


def test_an_end_later_on_lets_it_go_on_until_then(tx, at, client):
    series = begin(tx, client)
    answer = JobSeriesOutcome.model_validate_json(
        service.end(tx, series.id, JobSeriesEnd.model_validate_json(sent({"from_local": datetime(2026, 5, 12)})))
    )
    assert (answer.status, answer.canceled) == ("active", 0)
    for week in range(1, 15):
        at(NOW + timedelta(weeks=week))
        materialize.materialize(tx)
    assert clocks(jobs(tx, series.id)) == mondays(datetime(2026, 3, 2, 9), 11)
    assert {row.status for row in jobs(tx, series.id)} == {"scheduled"}


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=SECONDLY"}, "#/rrule", "unsupported_rrule"),
        ({"rrule": "nonsense"}, "#/rrule", "malformed_rrule"),
        ({"rrule": "FREQ=DAILY;COUNT=1", "starts_local": datetime(2026, 3, 1, 9)}, "#/rrule", "rrule_never_occurs"),
        ({"starts_local": datetime(1999, 1, 1)}, "#/starts_local", "too_far"),
        ({"starts_local": datetime(2999, 1, 1)}, "#/starts_local", "too_far"),
        ({"service_id": uuid7()}, "#/service_id", "unknown_service"),
        ({"address_id": uuid7()}, "#/address_id", "unknown_address"),
        ({"assignee_id": uuid7()}, "#/assignee_id", "unknown_assignee"),
        ({"contact_id": uuid7()}, "#/contact_id", "unknown_contact"),
    ],
)
def test_what_cannot_be_a_series_is_refused(tx, at, client, given, pointer, code):
    with pytest.raises(Unprocessable) as refused:
        begin(tx, client, **given)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [(pointer, code)]


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"scope": "this_and_following"}, "#/from_local", "missing"),
        ({"from_local": datetime(2026, 3, 9)}, "#/from_local", "not_following"),
        ({"scope": "this_and_following", "from_local": datetime(2027, 3, 9)}, "#/from_local", "nothing_follows"),
        (
            {"scope": "this_and_following", "from_local": datetime(2026, 3, 16), "starts_local": datetime(2026, 3, 9, 12)},
            "#/starts_local",
            "too_early",
        ),
        ({"rrule": "FREQ=HOURLY"}, "#/rrule", "unsupported_rrule"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260301"}, "#/rrule", "rrule_never_occurs"),
        ({"assignee_id": uuid7()}, "#/assignee_id", "unknown_assignee"),
    ],
)
def test_what_cannot_be_a_change_is_refused(tx, at, client, given, pointer, code):
    series = begin(tx, client, rrule="FREQ=WEEKLY;COUNT=10")
    with pytest.raises(Unprocessable) as refused:
        change(tx, series, **given)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [(pointer, code)]


def test_effects_are_one_line_however_many_jobs(tx, at, client):
    series = begin(tx, client, rrule="FREQ=DAILY")
    change(tx, series, title="Other")
    effects.flush(tx)
    lines = tx.execute(
        text(
            "select activity_type, contact_id, organization_id, metadata from activities where tenant_id = app.tenant() and contact_id = :c order by occurred_at, id"
        ),
        {"c": client},
    ).all()
    told = [line for line in lines if line.activity_type.startswith("job_")]
    assert [line.activity_type for line in told] == ["job_scheduled", "job_rescheduled"]
    assert all(line.organization_id == series.organization_id and line.metadata["series_id"] == str(series.id) for line in told)
    topics = tx.execute(text("select topic from outbox where tenant_id = app.tenant() order by id")).scalars()
    assert [topic for topic in topics if topic.startswith("job_series")] == ["job_series.created", "job_series.updated"]


def test_lists_show_the_same_columns(tx, at, client):
    series = begin(tx, client)
    listed = service.find(tx, Request(25, None, "-created_at", {}), contact_id=client, status="active")
    [one] = Page[JobSeries].model_validate_json(listed).data
    assert one == JobSeries.model_validate_json(series.model_dump_json(include=set(JobSeries.model_fields)))


def existing(local, status="scheduled", *, detached=False, reason=None, passed=False):
    row = {"id": uuid7(), "occurrence_local": local.isoformat(), "status": status, "status_reason": reason, "detached": detached}
    return Existing(row, passed=passed)


def test_a_plan_gives_each_occurrence_one_job():
    day = datetime(2026, 3, 2, 9)
    jobs_ = {
        "same": existing(day),
        "moves": existing(day + timedelta(days=1)),
        "by hand": existing(day + timedelta(days=2), detached=True),
        "canceled": existing(day + timedelta(days=3), "canceled", reason="ill"),
        "unscheduled": existing(day + timedelta(days=4), "canceled", reason="series changed"),
        "begun": existing(day + timedelta(days=5), "in_progress"),
        "passed": existing(day + timedelta(days=6), passed=True),
        "gone": existing(day + timedelta(days=30)),
    }
    clock = lambda days, hour: Occurrence((local := datetime(2026, 3, 2 + days, hour)), local, local)  # noqa: E731
    times = [clock(0, 9), *(clock(days, 11) for days in range(1, 9))]
    plan = replan(jobs_.values(), times, include_detached=False)
    name = {job.id: name for name, job in jobs_.items()}
    assert [name[job.id] for job, _ in plan.follow] == ["same", "moves", "unscheduled"]
    assert [name[job.id] for job, _ in plan.stay] == ["by hand", "canceled", "begun", "passed"]
    assert [name[job.id] for job in plan.cancel] == ["gone"]
    assert [one.local.day for one in plan.create] == [9, 10]
    assert {name[job.id] for job, _ in replan(jobs_.values(), times, include_detached=True).follow} == {
        "same",
        "moves",
        "by hand",
        "unscheduled",
    }
