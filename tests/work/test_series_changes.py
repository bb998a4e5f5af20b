"""Series that change: other times and days, from now on or from an occurrence on, and their end."""

# ruff: noqa: DTZ001, F811  # local times have no zone; fixtures are imported

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway import effects
from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.work.series import materialize, service
from clientway.work.series.plan import Occurrence, replan
from clientway.work.series.schemas import JobSeriesEnd, JobSeriesOutcome, JobSeriesWithJobs
from tests.work.series import NINE, NOW, add_rep, at, begin, change, client, clocks, existing, jobs, mondays, reminders, rep, sent, touch  # noqa: F401  (fixtures)


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


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.sampled_from(
                [
                    ("scheduled", None),
                    ("blocked", "overlap"),
                    ("blocked", "rain"),
                    ("canceled", "ill"),
                    ("canceled", "series changed"),
                    ("completed", None),
                ]
            ),
            st.booleans(),
            st.booleans(),
            st.integers(8, 10),
        ),
        max_size=12,
        unique_by=lambda one: (one[0], one[4]),
    ),
    st.lists(st.integers(0, 12), unique=True, max_size=12),
    st.integers(8, 10),
    st.booleans(),
)
def test_any_plan_gives_each_occurrence_one_job_and_each_job_one_fate(rows_, days, hour, include_detached):
    made = [
        existing(NINE + timedelta(days=day, hours=at_ - 9), status, reason=reason, detached=detached, passed=passed)
        for day, (status, reason), detached, passed, at_ in rows_
    ]
    times = [Occurrence((one := NINE + timedelta(days=day, hours=hour - 9)), one, one) for day in sorted(days)]
    plan = replan(made, times, include_detached=include_detached)

    given_ = [one.local for _, one in [*plan.follow, *plan.stay]]
    assert sorted([*given_, *(one.local for one in plan.create)]) == [one.local for one in times]
    fates = [job.id for job, _ in [*plan.follow, *plan.stay]] + [job.id for job in plan.cancel]
    assert len(set(fates)) == len(fates)
    assert all(job.local.date() == one.local.date() for job, one in [*plan.follow, *plan.stay])
    untouched = {job.id for job in made if not job.follows(include_detached=include_detached)}
    assert not untouched & {job.id for job in plan.cancel}
    assert not untouched & {job.id for job, _ in plan.follow}
    taken = {one.local.date() for one in times}
    assert {job.id for job in plan.cancel} >= {
        job.id for job in made if job.id not in untouched and job.row["status"] != "canceled" and job.local.date() not in taken
    }
    # Carried out, it has nothing left to do.
    moved = [existing(one.local, job.row["status"], reason=job.row["status_reason"]) for job, one in [*plan.follow, *plan.stay]]
    again = replan([*moved, *(existing(one.local) for one in plan.create)], times, include_detached=include_detached)
    assert (list(again.cancel), list(again.create)) == ([], [])


def test_a_change_that_changes_nothing_touches_no_job(tx, at, client, rep):
    series = begin(tx, client, assignee_id=rep, rrule="FREQ=DAILY;COUNT=10")
    before = jobs(tx, series.id)
    series = change(tx, series, rrule="FREQ=DAILY;COUNT=10", starts_local=datetime(2026, 3, 2, 9))
    assert (series.moved, series.created, series.canceled, jobs(tx, series.id)) == (0, 0, 0, before)
