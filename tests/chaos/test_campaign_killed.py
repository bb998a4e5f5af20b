"""Workers of a campaign that die between the provider's answer and their report, and everywhere else."""

from collections import Counter

import pytest

from clientway.config import settings
from clientway.messaging.campaigns import sending, tending
from clientway.messaging.delivery import providers
from clientway.operations import relay
from tests import campaigns
from tests.chaos.campaigning import Moody, World, alone, check, lines, reconcile, tend, time_passes, worker
from tests.chaos.sqs import Queue


@pytest.fixture
def provider(draw, tally, monkeypatch):
    made = Moody(draw, tally)
    monkeypatch.setattr(providers, "send", made.send)
    monkeypatch.setattr(sending, "pause", lambda _seconds: None)
    return made


@pytest.fixture
def world(draw, tally, monkeypatch, admin_engine, database_url):
    alone(admin_engine)
    queue = Queue(draw, batch=2)
    monkeypatch.setenv("CAMPAIGN_QUEUE_URL", "the queue of campaigns")
    settings.cache_clear()
    monkeypatch.setattr(relay, "sqs", lambda: queue)
    yield World(admin_engine, queue, draw, monkeypatch, tally)
    monkeypatch.undo()
    settings.cache_clear()


def test_a_worker_that_dies_sends_nothing_twice_and_loses_nothing(world, provider, tenant, other_tenant, draw, size, tally):
    """1,000 deaths between the provider's yes and the report; each time the send is unknown, and known by its events."""
    while provider.deaths < size(short=6, long=1000):
        provider.taken.clear()
        both = [
            campaigns.launched(world.engine, one, draw.randrange(40, 120), chunk=draw.choice([10, 30, 100]))
            for one in (tenant, other_tenant)
        ]
        for one in both:
            one.pump()
        deaths = provider.deaths
        world.to_the_end(both, deadly=0.3)
        died = provider.deaths - deaths
        for one in both:
            check(one, provider.taken, Counter())
        # Those whose worker died with a yes in its hand; all were reported as unknown.
        unknown = sum(one.states["unknown"] for one in both)
        assert unknown >= died
        for one in both:
            reported = one.one(
                "select coalesce(sum((changes ->> 'count')::int), 0) from audit_log where object_id = :c and action = 'campaign.sends_unknown'"
            )
            assert reported == len(one.rows("id", f"reason = '{tending.LOST}'"))

        reconcile(both[0], provider.tells(), draw, tally)
        taken = {one.id for one in provider.taken}
        for one in both:
            states = check(one, provider.taken, tally)
            assert {row for row, state in states.items() if state == "sent"} == taken & set(states)
            told = lines(one)
            assert all(told[str(row)] == (1 if state == "sent" else 0) for row, state in states.items())
        tally["killed between the provider's yes and the report"] += died
        tally["unknown, and settled by events"] += unknown - sum(one.states["unknown"] for one in both)
        world.queue.waiting.clear()


def test_a_lease_that_runs_out_under_a_worker_is_its_own_still(world, provider, tenant, draw, size, tally):
    """While a worker calls the provider, its lease ends, the schedule looks, and its message is delivered to others."""
    provider.trouble, inside = 0.0, []

    def meanwhile():
        with provider.guard:
            if inside or draw.random() > 0.05:
                return
            inside.append(1)
        time_passes(world.engine)
        tend()
        tally["leases that ended under a worker"] += 1
        for _ in range(2):
            world.queue.deliver(worker(), tally)
        inside.clear()

    provider.meanwhile = meanwhile
    for _ in range(size(short=1, long=40)):
        one = campaigns.launched(world.engine, tenant, 120, chunk=30)
        one.pump()
        world.to_the_end([one])
        states = check(one, provider.taken, tally)
        assert set(states.values()) <= {"sent"}
        told = lines(one)
        assert all(told[str(row)] == 1 for row in states)
