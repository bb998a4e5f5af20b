"""The database goes away while a campaign is being sent: killed with -9, or around a COMMIT. No loss, and nobody twice."""

import itertools
import os
import threading
import time

import pytest

from clientway import db
from clientway.config import settings
from clientway.messaging.campaigns import sending
from clientway.messaging.delivery import providers
from tests import campaigns
from tests.campaigns import Provider
from tests.chaos.campaigning import check, lines, tend, time_passes
from tests.chaos.clusters import cluster
from tests.fixtures import forget_engines, make_tenant
from tests.test_db import proxy as _proxy

proxy = _proxy


@pytest.fixture
def line(proxy, monkeypatch, database_url):
    """The job role's line to the database, which may be cut."""
    monkeypatch.setenv("JOB_DATABASE_URL", os.environ["JOB_DATABASE_URL"].replace("clientway_app", "clientway_job"))
    forget_engines()
    return proxy


def delivered(campaign, *, most=60):
    """Every message until it is done, as a queue would deliver it, and the schedule when the queue is empty."""
    for _ in range(most):
        waiting = campaign.relayed()
        while waiting:
            body = waiting.pop(0)
            try:
                sending.work(body)
            except db.Unavailable:
                waiting.append(body)
        if campaign.status == "finished":
            return
        time_passes(campaign.engine)
        tend()
    raise AssertionError(("it does not come to an end", campaign.status, campaign.states))


@pytest.mark.parametrize("where", ["before it arrives", "after it is answered"])
def test_the_connection_is_lost_around_commit(where, line, tenant, admin_engine, draw, size, tally, monkeypatch):
    monkeypatch.setattr(sending, "pause", lambda _seconds: None)
    for number in range(size(short=8, long=300)):
        campaign = campaigns.launched(admin_engine, tenant, draw.randrange(20, 70), chunk=30)
        provider = Provider()
        monkeypatch.setattr(providers, "send", provider.send)
        campaign.pump()
        fatal, commits = {draw.randrange(12) for _ in range(draw.randrange(1, 4))}, []

        def is_fatal(data, fatal=fatal, commits=commits):
            if b"commit\x00" not in data:
                return False
            commits.append(data)
            return len(commits) - 1 in fatal

        if where == "before it arrives":
            line.cut_before = is_fatal
        else:
            line.cut_after = is_fatal
        print(number, sorted(fatal))
        delivered(campaign)
        line.heal()

        # What could not be known was asked again: none is unknown for it.
        assert campaign.states == {"sent": len(provider.sent)}
        states = check(campaign, provider.sent, tally)
        assert len(states) == len(provider.sent)
        told = lines(campaign)
        assert all(told[str(one)] == 1 for one in states)
        assert campaign.one("select sum(total_emails_received) from contacts where tenant_id = :t") == sum(told.values())
        tally["commits cut"] += sum(one < len(commits) for one in fatal)


@pytest.fixture
def durable(monkeypatch):
    with cluster() as running:
        monkeypatch.setenv("DATABASE_URL", running.url())
        monkeypatch.setenv("JOB_DATABASE_URL", running.url("clientway_job"))
        forget_engines()
        yield running
        forget_engines()
        monkeypatch.undo()
        settings.cache_clear()


def test_postgresql_is_killed_while_a_campaign_is_sent(durable, draw, size, tally, monkeypatch):
    tenant = make_tenant(durable.admin)
    for number in range(size(short=1, long=60)):
        campaign = campaigns.launched(durable.admin, tenant, 150, chunk=50)
        provider, what, at = Provider(), draw.choice(["postmaster", "processes"]), draw.randrange(150)
        monkeypatch.setattr(providers, "send", provider.send)
        print(number, what, at)
        back = threading.Thread(target=durable.start)

        def kill(_message, numbers=itertools.count(), at=at, what=what, back=back):  # noqa: B008  (one for each turn)
            if next(numbers) == at:
                durable.kill(what)
                back.start()

        def wait(seconds, back=back):
            # However long the database takes to recover here, the worker's patience is not what is tried.
            back.join(60) if back.is_alive() else time.sleep(seconds)

        provider.after = kill
        monkeypatch.setattr(sending, "pause", wait)
        campaign.pump()
        began = time.monotonic()
        waiting = campaign.relayed()
        while waiting:
            try:
                sending.work(waiting[0])
                waiting.pop(0)
            except db.Unavailable:
                time.sleep(0.1)
                assert time.monotonic() < began + 60
        back.join(60)
        delivered(campaign)

        # What was claimed had been committed, and what came of it was written down as soon as that could be.
        states = check(campaign, provider.sent, tally)
        assert set(provider.ids) == {one for one, state in states.items() if state == "sent"}
        told = lines(campaign)
        assert all(told[str(one)] == (state == "sent") for one, state in states.items())
        tally["kills"] += 1
        tally["reports that were late"] += campaign.states["sent"]
