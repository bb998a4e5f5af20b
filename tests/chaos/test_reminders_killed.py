"""Reminders while their dispatchers die at any flight, run side by side, and the database breaks off at COMMIT.

At least once, never lost, never after it was of use; twice only where a provider's answer died with its worker.
"""

import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest

from clientway import db
from clientway.db import Unavailable
from clientway.work.reminders import claiming, dispatching
from tests.chaos.mortal import Killed, mortal
from tests.fixtures import make_tenant
from tests.work.conftest import make_site
from tests.work.reminding import Providers, Reminding

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@pytest.fixture
def told(admin_engine, database_url, monkeypatch):
    """Make a tenant with its providers."""

    def make(jobs):
        tenant = make_tenant(admin_engine)
        one = Reminding(admin_engine, tenant, make_site(admin_engine, tenant), Providers())
        one.write("update tenants set time_zone = 'America/New_York' where tenant_id = :t")
        for number in range(jobs):
            one.book(2 * HOUR + number * SECOND)
        one.now += timedelta(minutes=1)
        monkeypatch.setattr(dispatching.providers, "send", lambda message, *, once: one.providers.send(message, once=once))
        monkeypatch.setattr(dispatching.time, "sleep", lambda _seconds: None)
        return one

    return make


def finish(told):
    """Whoever comes after the dead: runs until nothing waits any more."""
    for _ in range(10):
        told.now += claiming.LEASE + SECOND
        told.dispatch()
        if {row.state for row in told.rows()} == {"sent"}:
            break
    rows = told.rows()
    assert {row.state for row in rows} == {"sent"}, Counter(row.state for row in rows)
    times = Counter(one.id for one in told.providers.sent)
    assert set(times) == {row.id for row in rows}
    lines = list(told.write("select metadata ->> 'reminder_id' from activities where tenant_id = :t").scalars())
    assert sorted(lines) == sorted(str(row.id) for row in rows), "one line for each on the timeline"
    return times


def test_a_dispatcher_dies_at_any_flight(told, draw, size, tally, monkeypatch):
    flights = 12
    for number in range(size(short=10, long=1_000)):
        one = told(6)
        at, when = number % flights if size(short=1, long=0) else draw.randrange(flights), draw.choice(["before", "after"])
        with mortal(monkeypatch, at, when), suppress(Killed):
            one.dispatch()
        sent = {message.id for message in one.providers.sent}
        unsettled = {row.id for row in one.rows() if row.id in sent and row.state != "sent"}
        times = finish(one)
        again = {reminder for reminder, count in times.items() if count > 1}
        assert again == unsettled, "again whatever nobody wrote down, and nothing else"
        tally.update({"dispatchers killed": 1, "reminders sent": len(times), "of them again: the answer died with its worker": len(again)})


def test_the_answer_to_commit_is_lost(told, draw, size, tally, monkeypatch):
    """The claim's or the report's: what was committed all the same is neither sent twice by that worker nor lost."""
    commit = db.commit
    for _ in range(size(short=6, long=300)):
        one, numbers, fail_at, arrives = told(4), iter(range(1000)), draw.randrange(5), draw.random() < 0.5

        def broken(tx, last=None, *, numbers=numbers, fail_at=fail_at, arrives=arrives):
            if next(numbers) != fail_at:
                return commit(tx, last)
            if arrives:
                commit(tx, last)
            else:
                db.rollback(tx)
            raise db.CommitUnknown("The connection broke.", sent_commit=True)

        with monkeypatch.context() as patch:
            patch.setattr(db, "commit", broken)
            with suppress(ExceptionGroup, Unavailable):
                one.dispatch()
        times = finish(one)
        # A report that cannot be written is written again, under the same token.
        assert set(times.values()) == {1}
        tally.update({"commits whose answer was lost": 1, "reminders sent": len(times)})


def test_dispatchers_side_by_side_send_each_once(told, draw, size, tally):
    for _ in range(size(short=2, long=60)):
        one = told(30)
        barrier, failures = threading.Barrier(3), []

        def run(one=one, barrier=barrier, failures=failures):
            barrier.wait()
            try:
                one.dispatch()
            except BaseException as failure:  # noqa: BLE001
                failures.append(failure)

        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        one.dispatch()
        times = Counter(message.id for message in one.providers.sent)
        assert set(times.values()) == {1}
        assert len(times) == len(one.rows()) == 60
        tally.update({"reminders sent by three dispatchers at once": len(times)})


def test_a_lease_ends_while_its_worker_still_waits_for_the_provider(told, draw, size, tally):
    """The provider takes longer than the lease lasts: another one sends, and what the first reports then is not written."""
    for _ in range(size(short=3, long=100)):
        one = told(draw.randrange(1, 5))
        first, slow = one.now, []

        def answer(message, one=one, slow=slow, first=first):
            if not slow:
                slow.append(message.id)
                one.now = first + claiming.LEASE + SECOND
                one.providers.answer = lambda _message: None
                one.dispatch()

        one.providers.answer = answer
        one.dispatch()
        rows = {row.id: row for row in one.rows()}
        times = Counter(message.id for message in one.providers.sent)
        assert {row.state for row in rows.values()} == {"sent"}
        assert set(times) == set(rows)
        assert rows[slow[0]].attempts == times[slow[0]] == 2
        assert rows[slow[0]].provider_message_id == f"provider-{[m.id for m in one.providers.sent].index(slow[0]) + 1}", "the second one's"
        lines = one.write("select count(*) from activities where tenant_id = :t").scalar()
        assert lines == len(rows)
        tally.update({"leases that ended meanwhile": 1})
