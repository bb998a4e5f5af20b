"""Campaigns whose messages come twice, in any order or never, among poison, to a provider that is slow and asked too much."""

import json
from collections import Counter
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.config import settings
from clientway.messaging.campaigns import sending
from clientway.messaging.campaigns.claims import MOST_ATTEMPTS
from clientway.messaging.delivery import calls, pace, providers
from clientway.messaging.delivery.message import Refused, Unclear
from clientway.operations import relay
from tests import campaigns
from tests.campaigns import Provider
from tests.chaos.campaigning import World, alone, worker
from tests.chaos.sqs import RECEIVES, Queue

FATES = ["taken"] * 12 + ["refused", "lost", "away once", "away four times", "away", "deleted", "denied", "moved"]
LATER = {"away once": 1, "away four times": 4, "away": 1000}


@pytest.fixture
def world(draw, tally, monkeypatch, admin_engine, database_url):
    alone(admin_engine)
    queue = Queue(draw, batch=2)
    monkeypatch.setenv("CAMPAIGN_QUEUE_URL", "the queue of campaigns")
    settings.cache_clear()
    monkeypatch.setattr(relay, "sqs", lambda: queue)
    monkeypatch.setattr(sending, "pause", lambda _seconds: None)
    # Refusals are drawn for each recipient here; that several in a row are the provider's is looked at elsewhere.
    monkeypatch.setattr(pace, "MOST_TROUBLES", 10**9)
    yield World(admin_engine, queue, draw, monkeypatch, tally)
    monkeypatch.undo()
    settings.cache_clear()


CHANGES = {
    "deleted": "update contacts set deleted_at = now() where id = :p",
    "denied": "update contact_consents set state = 'denied' where contact_id = :p",
    "moved": "update contacts set email = 'x' || email, email_norm = 'x' || email_norm where id = :p",
}


def drawn(campaign, draw):
    """What is to happen to each recipient."""
    fates = {}
    for row in campaign.rows():
        fates[row.id] = fate = draw.choice(FATES)
        if fate in CHANGES:
            campaign.one(CHANGES[fate], p=row.contact_id)
    return fates


def serially(fates):
    """What becomes of everybody where nothing goes wrong but the provider: the model."""
    said = {
        "taken": ("sent", None, 1), "moved": ("sent", None, 1), "refused": ("failed", "MessageRejected: no", 1),
        "lost": ("unknown", "the provider's answer was lost: timeout", 1), "deleted": ("skipped", "deleted", 0),
        "denied": ("skipped", "consent_denied", 0), "away once": ("sent", None, 2), "away four times": ("sent", None, 5),
        "away": ("failed", "unreachable: no route", MOST_ATTEMPTS),
    }  # fmt: skip
    return {one: said[fate] for one, fate in fates.items()}


def test_what_comes_twice_late_or_never_ends_as_if_it_had_come_once(world, tenant, other_tenant, draw, size, tally, monkeypatch):
    world.queue.loses = 0.1
    for _ in range(size(short=1, long=60)):
        both = [
            campaigns.launched(world.engine, one, draw.randrange(40, 100), chunk=draw.choice([10, 20, 100]))
            for one in (tenant, other_tenant)
        ]
        tried, fates = Counter(), {row: fate for one in both for row, fate in drawn(one, draw).items()}

        def before(message, fates=fates, tried=tried):
            fate = fates[message.id]
            tried[message.id] += 1
            if fate == "refused":
                raise Refused("MessageRejected", "no", retryable=False)
            if tried[message.id] <= LATER.get(fate, 0):
                raise Refused("unreachable", "no route", retryable=True)

        def after(message, fates=fates):
            if fates[message.id] == "lost":
                raise Unclear("timeout")

        provider = Provider(before=before, after=after)
        monkeypatch.setattr(providers, "send", provider.send)
        for campaign in both:
            campaign.pump()
        world.to_the_end(both)

        found = {row.id: (row.state, row.reason, row.attempts) for campaign in both for row in campaign.rows()}
        assert found == serially(fates)
        assert set(provider.ids.values()) == {1}
        assert {one.to[0].startswith("x") for one in provider.sent if fates[one.id] == "moved"} <= {True}
        # Everything that is left in the queue is of turns that are over.
        left, sent = len(world.queue.waiting), len(provider.sent)
        while world.queue.waiting:
            world.queue.deliver(worker(), tally)
        assert len(provider.sent) == sent
        tally["recipients, all as in the model"] += len(found)
        tally["messages left over, of which nothing came"] += left


def test_poison_ends_where_somebody_looks_and_its_neighbours_are_done(world, tenant, draw, size, tally, monkeypatch):
    provider = Provider()
    monkeypatch.setattr(providers, "send", provider.send)
    campaign = campaigns.launched(world.engine, tenant, size(short=60, long=4000), chunk=10)
    campaign.pump()
    good = {"id": str(uuid4()), "tenant_id": str(tenant.id), "topic": "campaign.chunk", "payload": {"campaign_id": str(campaign.id)}}
    poison = [
        "", "not JSON", "[]", "{}", json.dumps(good), json.dumps({**good, "topic": "mail"}), json.dumps({**good, "tenant_id": "x"}),
        json.dumps({**good, "tenant_id": str(uuid4()), "payload": {"campaign_id": str(campaign.id), "chunk": 0, "turn": "2026-01-01T00:00:00Z"}}),
    ]  # fmt: skip
    for one in poison:
        world.queue.put(one)

    world.to_the_end([campaign])
    while world.queue.waiting:
        world.queue.deliver(worker(), tally)

    assert sorted(one["body"] for one in world.queue.dead) == sorted(poison)
    assert {one["receives"] for one in world.queue.dead} == {RECEIVES}
    assert campaign.states == {"sent": len(provider.sent)}
    assert set(provider.ids.values()) == {1}
    tally["poison, all in the dead letter queue after five receives"] += len(poison)
    tally["neighbours, all done"] += len(provider.sent)


def test_nobody_waits_for_a_message_about_nothing(world, tenant, other_tenant, tally):
    """A chunk or a campaign that is not there, or is another tenant's, is no reason to come again."""
    campaign = campaigns.launched(world.engine, tenant, 1)
    campaign.pump()
    [body] = campaign.relayed()
    message = json.loads(body)
    for changed in ({"chunk": 7}, {"campaign_id": str(uuid4())}):
        world.queue.put(json.dumps({**message, "payload": {**message["payload"], **changed}}))
    world.queue.put(json.dumps({**message, "tenant_id": str(other_tenant.id)}))
    while world.queue.waiting:
        world.queue.deliver(worker(), tally)

    assert world.queue.dead == []
    assert campaign.states == {"queued": 1}


@dataclass
class Busy:
    """A provider with a quota, by a clock of its own: each call takes its time, and too many a second are refused.

    Calls at once take as long as the longest of them.
    """

    draw: object
    rate: float
    slow: tuple[float, float]
    now: float = 0.0
    longest: float = 0.0
    started: float = 0.0
    allowance: float = 0.0
    asked: int = 0
    refused: int = 0
    taken: Counter = field(default_factory=Counter)

    def send(self, message, *, once):
        assert once
        self.asked += 1
        self.longest = max(self.longest, self.draw.uniform(*self.slow))
        if self.allowance < 1:
            self.refused += 1
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)
        self.allowance -= 1
        self.taken[message.id] += 1
        return f"provider-{message.id}"

    def together(self, call, of):
        answers = [call(one) for one in of]
        self.pass_(self.longest)
        self.longest = 0.0
        return answers

    def pass_(self, seconds):
        self.now += seconds
        self.allowance = min(self.rate, self.allowance + seconds * self.rate)


@pytest.mark.parametrize("slow", [(0.0, 0.05), (6.0, 10.0)], ids=["throttling", "slow"])
def test_a_provider_that_is_slow_or_asked_too_much_is_not_pressed(slow, world, tenant, draw, size, tally, monkeypatch):
    busy = Busy(draw, rate=1.0 if slow[1] < 1 else 14.0, slow=slow)
    monkeypatch.setattr(providers, "send", busy.send)
    monkeypatch.setattr(sending, "pause", busy.pass_)
    monkeypatch.setattr(calls, "at_once", busy.together)
    # What a function of 150 seconds has left, by that clock.
    monkeypatch.setattr(
        "tests.fixtures.LambdaContext.get_remaining_time_in_millis", lambda _self: int(150_000 - (busy.now - busy.started) * 1000)
    )
    campaign = campaigns.launched(world.engine, tenant, size(short=120, long=3000), chunk=40)
    campaign.pump()

    def begins():
        # A minute at least lies between a worker that gave up and the next.
        busy.pass_(60.0 if slow[1] < 1 else 0.0)
        busy.started = busy.now

    deliver = world.queue.deliver
    longest = []

    def delivered(handler, counted):
        begins()
        deliver(handler, counted)
        longest.append(busy.now - busy.started)

    monkeypatch.setattr(world.queue, "deliver", delivered)
    world.to_the_end([campaign])

    # Slow is no reason for a send to be unknown: what there was no time for was given back.
    assert campaign.states == {"sent": len(busy.taken)}
    assert set(busy.taken.values()) == {1}
    assert max(longest) < 150
    # Asked a few times too often each time that it is enough, and not as fast as a loop turns.
    assert busy.refused <= busy.asked / 2
    tally["calls"] += busy.asked
    tally["of them too many"] += busy.refused
    with world.engine.connect() as connection:
        counted = connection.execute(text("select max(attempts) from campaign_sends where campaign_id = :c"), {"c": campaign.id}).scalar()
    assert counted == 1
