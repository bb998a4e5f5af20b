"""Job series: jobs ahead in local time, clocks that change, what overlaps, and the schedule."""

# ruff: noqa: DTZ001, F811  # local times have no zone; fixtures are imported

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.addresses import service as addresses
from clientway.lifecycle.addresses.schemas import AddressInput
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.series import materialize, service
from clientway.work.series.schemas import JobSeries, JobSeriesWithJobs
from tests.work.series import NOW, add_rep, at, begin, change, client, clocks, jobs, mondays, reminders, rep, touch  # noqa: F401  (fixtures)


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


def test_jobs_are_made_where_the_client_is_by_now(tx, at, client):
    former, now = (
        UUID(json.loads(addresses.create(tx, client, AddressInput(address1=f"{number} Main St", city="Miami")))["id"]) for number in (1, 2)
    )
    series, at_home = begin(tx, client, address_id=former), begin(tx, client, rrule="FREQ=WEEKLY;BYDAY=TU")
    tx.execute(text("update job_series set address_id = null where tenant_id = app.tenant() and id = :i"), {"i": at_home.id})
    addresses.delete(tx, former, version=1)
    at(NOW + timedelta(days=7))
    materialize.materialize(tx)

    assert [row.address_id for row in jobs(tx, series.id)][-2:] == [former, now]
    assert [row.address_id for row in jobs(tx, at_home.id)][-1:] == [None]


@pytest.mark.parametrize("which", [{}, {"scope": "this_and_following", "from_local": datetime(2026, 3, 16, 9)}], ids=["all", "following"])
def test_a_change_makes_jobs_where_the_client_is_by_now_and_of_nobody_who_has_left(tx, client, rep, which):
    former, now = (
        UUID(json.loads(addresses.create(tx, client, AddressInput(address1=f"{number} Main St", city="Miami")))["id"]) for number in (1, 2)
    )
    series = begin(tx, client, address_id=former, assignee_id=rep)
    kept = {row.id for row in jobs(tx, series.id)}
    addresses.delete(tx, former, version=1)
    tx.execute(text("update reps set active = false where tenant_id = app.tenant() and id = :i"), {"i": rep})

    after = change(tx, series, rrule="FREQ=WEEKLY;BYDAY=MO,TH", title="Twice", **which)

    found = {*jobs(tx, series.id), *jobs(tx, after.id)}
    assert {(row.address_id, row.assignee_id) for row in found if row.id in kept} == {(former, rep)}
    assert {(row.address_id, row.assignee_id, row.status) for row in found if row.id not in kept} == {(now, None, "scheduled")}


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update contacts set deleted_at = now() where tenant_id = app.tenant() and id = :i", "client deleted"),
        (
            """update organizations set lifecycle_stage = 'blacklist' where tenant_id = app.tenant()
                and id = (select organization_id from contacts where tenant_id = app.tenant() and id = :i)""",
            "client blacklisted",
        ),
    ],
)
def test_a_series_without_a_client_ends_with_its_reason(tx, at, client, statement, reason):
    series = begin(tx, client)
    tx.execute(text(statement), {"i": client})
    at(NOW + timedelta(days=30))
    materialize.materialize(tx)
    ended = JobSeriesWithJobs.model_validate_json(service.read(tx, series.id))
    assert (ended.status, ended.status_reason, len(jobs(tx, series.id))) == ("ended", reason, 9)


@pytest.mark.parametrize(("column", "nonsense"), [("rrule", "FREQ=NEVER"), ("time_zone", "Mars/Olympus")])
def test_a_series_that_cannot_go_on_is_tried_again_the_next_day(tx, at, client, column, nonsense):
    series = begin(tx, client)
    right = getattr(series, column)
    statement = text(f"update job_series set {column} = :v where tenant_id = app.tenant() and id = :i")
    tx.execute(statement, {"v": nonsense, "i": series.id})
    at(NOW + timedelta(days=30))
    assert (materialize.materialize(tx), materialize.materialize(tx)) == (1, 0)
    stuck = JobSeriesWithJobs.model_validate_json(service.read(tx, series.id))
    assert (stuck.status, stuck.status_reason.startswith("cannot go on: The"), len(jobs(tx, series.id))) == ("active", True, 9)

    tx.execute(statement, {"v": right, "i": series.id})
    at(NOW + timedelta(days=31))
    assert materialize.materialize(tx) == 1
    healed = JobSeriesWithJobs.model_validate_json(service.read(tx, series.id))
    assert (healed.status_reason, clocks(jobs(tx, series.id))) == (None, mondays(datetime(2026, 3, 2, 9), 13))


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


def test_lists_show_the_same_columns(tx, at, client):
    series = begin(tx, client)
    listed = service.find(tx, Request(25, None, "-created_at", {}), contact_id=client, status="active")
    [one] = Page[JobSeries].model_validate_json(listed).data
    assert one == JobSeries.model_validate_json(series.model_dump_json(include=set(JobSeries.model_fields)))
