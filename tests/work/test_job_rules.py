"""How a job moves from state to state, and what a change makes of its times."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.errors import Conflict, Unprocessable
from clientway.work.jobs.rules import JobClosed, JobMoveRefused, JobOverlaps, check_start, check_times, legal_moves, revise

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
START = NOW + timedelta(days=1)


def job(status="scheduled", **others):
    return {
        "status": status, "start_at": START.isoformat(), "end_at": (START + timedelta(hours=1)).isoformat(), "assignee_id": None,
        "series_id": None, "started_at": None, "completed_at": None, "canceled_at": None, "status_reason": None, "title": "x", **others,
    }  # fmt: skip


STATUSES = ("scheduled", "in_progress", "completed", "canceled", "blocked")
LEGAL = {
    ("scheduled", "in_progress"), ("scheduled", "completed"), ("scheduled", "canceled"), ("scheduled", "blocked"),
    ("in_progress", "completed"), ("in_progress", "canceled"), ("in_progress", "blocked"),
    ("blocked", "scheduled"), ("blocked", "canceled"), ("canceled", "scheduled"),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), list(product(STATUSES, STATUSES)))
@pytest.mark.parametrize("role", ["admin", "editor"])
def test_a_move_is_legal_or_refused_with_those_that_are(one, other, role):
    allowed = LEGAL | ({("completed", "in_progress")} if role == "admin" else set())
    sent = {"status": other, "status_reason": "because"}
    if one == other or (one, other) in allowed:
        assert revise(job(one), sent, role=role, now=NOW).after["status"] == other
        return
    with pytest.raises(JobMoveRefused) as refusal:
        revise(job(one), sent, role=role, now=NOW)
    assert set(refusal.value.extensions["legal"]) == {to for start, to in allowed if start == one}
    assert tuple(refusal.value.extensions["legal"]) == legal_moves(one, role)
    assert refusal.value.detail.endswith(f"legal: {', '.join(legal_moves(one, role)).replace('_', ' ') or 'none'}.")


def test_what_is_done_is_taken_up_again_with_a_reason():
    began = (NOW - timedelta(hours=2)).isoformat()
    done = job("completed", completed_at=NOW.isoformat(), started_at=began)
    with pytest.raises(Unprocessable) as refusal:
        revise(done, {"status": "in_progress"}, role="admin", now=NOW)
    assert [one.pointer for one in refusal.value.errors] == ["#/status_reason"]

    columns = revise(done, {"status": "in_progress", "status_reason": "A room was forgotten"}, role="admin", now=NOW).columns
    assert (columns["completed_at"], columns["started_at"]) == (None, began)


def test_each_state_has_its_time():
    assert revise(job(), {"status": "in_progress"}, role="editor", now=NOW).columns["started_at"] == NOW.isoformat()
    assert revise(job(), {"status": "completed"}, role="editor", now=NOW).columns["completed_at"] == NOW.isoformat()
    canceled = revise(job(), {"status": "canceled", "status_reason": "Rain"}, role="editor", now=NOW).after
    assert (canceled["canceled_at"], canceled["status_reason"]) == (NOW.isoformat(), "Rain")
    again = revise({**canceled, "started_at": NOW.isoformat()}, {"status": "scheduled"}, role="editor", now=NOW).after
    assert (again["canceled_at"], again["status_reason"], again["started_at"]) == (None, None, None)


def test_a_start_that_moves_takes_the_end_along():
    later = START + timedelta(days=2)
    assert (
        revise(job(), {"start_at": later.isoformat()}, role="editor", now=NOW).columns["end_at"] == (later + timedelta(hours=1)).isoformat()
    )
    own = revise(job(), {"start_at": later.isoformat(), "end_at": (later + timedelta(hours=3)).isoformat()}, role="editor", now=NOW)
    assert own.columns["end_at"] == (later + timedelta(hours=3)).isoformat()


@pytest.mark.parametrize("status", ["completed", "canceled"])
def test_the_time_and_assignee_of_what_is_over_stand(status):
    over = job(status, completed_at=NOW.isoformat(), canceled_at=NOW.isoformat())
    for sent in (
        {"start_at": (START + timedelta(hours=1)).isoformat()},
        {"end_at": (START + timedelta(hours=3)).isoformat()},
        {"start_at": (START + timedelta(minutes=1)).isoformat(), "end_at": (START + timedelta(hours=1)).isoformat()},
        {"assignee_id": "a"},
    ):
        with pytest.raises(JobClosed):
            revise(over, sent, role="admin", now=NOW)
    assert revise(over, {"notes": "x", "start_at": START.isoformat()}, role="editor", now=NOW).columns["notes"] == "x"


def test_what_is_done_may_be_said_to_have_lasted_longer():
    sent = {"status": "completed", "end_at": (START + timedelta(hours=2)).isoformat()}
    assert revise(job(), sent, role="editor", now=NOW).after["end_at"] == sent["end_at"]


def test_what_is_reopened_gets_its_time_and_assignee_with_it():
    sent = {"status": "scheduled", "start_at": (START + timedelta(hours=1)).isoformat(), "assignee_id": "a"}
    assert revise(job("canceled"), sent, role="editor", now=NOW).after["assignee_id"] == "a"


@pytest.mark.parametrize(
    ("status", "sent", "moved", "takes"),
    [
        ("scheduled", {"title": "y"}, False, False),
        ("scheduled", {"assignee_id": "a"}, False, True),
        ("scheduled", {"start_at": (START + timedelta(minutes=1)).isoformat(), "end_at": (START + timedelta(hours=1)).isoformat()}, True, True),
        ("scheduled", {"end_at": (START + timedelta(hours=2)).isoformat()}, True, True),
        ("scheduled", {"end_at": (START + timedelta(hours=1)).astimezone(timezone(timedelta(hours=2))).isoformat()}, False, False),
        ("scheduled", {"status": "in_progress"}, False, False),
        ("in_progress", {"status": "blocked"}, False, False),
        ("blocked", {"status": "canceled"}, False, False),
        ("blocked", {"status": "scheduled"}, False, True),
        ("canceled", {"status": "scheduled"}, False, True),
        ("completed", {"status": "in_progress", "status_reason": "x"}, False, True),
    ],
)  # fmt: skip
def test_a_change_wants_time_of_its_assignee_that_it_did_not_have(status, sent, moved, takes):
    found = revise(job(status), sent, role="admin", now=NOW)
    assert (found.moved_in_time, found.takes_time) == (moved, takes)


def test_a_time_is_written_in_utc():
    later = START + timedelta(days=2)
    columns = revise(job(), {"start_at": later.astimezone(timezone(timedelta(hours=2))).isoformat()}, role="editor", now=NOW).columns
    assert columns["start_at"] == later.isoformat()


def test_times_are_what_they_may_be_up_to_the_last_second():
    second = timedelta(seconds=1)
    skew, longest, furthest = timedelta(minutes=5), timedelta(days=30), timedelta(days=3660)
    check_start(NOW - skew, NOW)
    check_times(START, None, NOW)
    check_times(START, START + longest, NOW)
    check_times(NOW + furthest, NOW + furthest + second, NOW)
    check_times(NOW - furthest, None, NOW)
    for wrong, code in (
        (lambda: check_start(NOW - skew - second, NOW), "in_the_past"),
        (lambda: check_times(START, START + longest + second, NOW), "too_long"),
        (lambda: check_times(NOW + furthest + second, None, NOW), "too_far"),
        (lambda: check_times(NOW - furthest - second, None, NOW), "too_far"),
    ):
        with pytest.raises(Unprocessable) as refusal:
            wrong()
        assert [one.code for one in refusal.value.errors] == [code]


def test_what_is_in_the_way_is_named():
    assert JobOverlaps([{"id": 1}]).extensions == {"jobs": [{"id": 1}]}


def test_a_time_that_has_passed_is_refused_when_it_is_written():
    def ask(before, sent, **how):
        return revise(before, sent, role="editor", now=NOW, **how)

    yesterday = (NOW - timedelta(days=1)).isoformat()
    past = job(start_at=yesterday, end_at=(NOW - timedelta(hours=20)).isoformat())
    for before, sent in ((job(), {"start_at": yesterday}), ({**past, "status": "canceled"}, {"status": "scheduled"})):
        with pytest.raises(Unprocessable) as refusal:
            ask(before, sent)
        assert [(one.pointer, one.code) for one in refusal.value.errors] == [("#/start_at", "in_the_past")]
        assert ask(before, sent, allow_past=True).after["start_at"] == yesterday
    assert ask(past, {"notes": "late", "start_at": yesterday}).columns["notes"] == "late"
    assert ask(job(), {"start_at": (NOW - timedelta(minutes=4)).isoformat()}).moved_in_time


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"end_at": START.isoformat()}, "before_start"),
        ({"end_at": (START + timedelta(days=31)).isoformat()}, "too_long"),
        ({"start_at": "9999-12-31T23:59:59+00:00"}, "too_far"),
        ({"start_at": "0001-01-01T00:00:00+00:00"}, "too_far"),
    ],
)
def test_times_that_cannot_be_are_refused(sent, code):
    with pytest.raises(Unprocessable) as refusal:
        revise(job(), sent, role="editor", now=NOW)
    assert [one.code for one in refusal.value.errors] == [code]


def test_a_job_of_a_series_that_is_changed_by_hand_goes_its_own_way():
    one = job(series_id="s", price_cents=1)
    assert revise(one, {"price_cents": 2}, role="editor", now=NOW).columns["detached"] is True
    for sent in ({"price_cents": 1}, {"status": "completed"}, {"status_reason": "x"}):
        assert "detached" not in revise(one, sent, role="editor", now=NOW).columns
    assert "detached" not in revise(job(), {"title": "y"}, role="editor", now=NOW).columns


OFFSETS = st.integers(-60, 60).map(lambda hours: (START + timedelta(hours=hours)).isoformat())
SENT = st.fixed_dictionaries(
    {},
    optional={"status": st.sampled_from(STATUSES), "start_at": OFFSETS, "end_at": OFFSETS, "status_reason": st.none() | st.just("x")},
)


@given(st.sampled_from(STATUSES), SENT, st.booleans())
def test_whatever_is_sent_the_row_fits_the_table_or_is_refused(status, sent, allow_past):
    stamps = {
        "completed_at": NOW.isoformat() if status == "completed" else None,
        "canceled_at": NOW.isoformat() if status == "canceled" else None,
    }
    try:
        after = revise(job(status, **stamps), sent, role="admin", now=NOW, allow_past=allow_past).after
    except (Conflict, Unprocessable):
        return
    start, end = (datetime.fromisoformat(after[name]) for name in ("start_at", "end_at"))
    assert start < end <= start + timedelta(days=30)
    assert (after["status"] == "completed") == (after["completed_at"] is not None)
    assert (after["status"] == "canceled") == (after["canceled_at"] is not None)
