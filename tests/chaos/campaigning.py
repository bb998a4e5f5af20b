"""Campaigns with faults all around them: a provider out of sorts, workers that die, and what providers tell afterwards."""

import importlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway.messaging.delivery.message import Outgoing, Refused, Unclear
from clientway.messaging.events import service as events
from tests.campaigns import Launched
from tests.chaos.mortal import Killed, mortal
from tests.chaos.sqs import Queue, forget_the_rest, later, relayed
from tests.fixtures import LambdaContext


@dataclass
class Moody:
    """A provider that refuses, loses its answers, and sees its callers die, before and after it has taken a message.

    A wave's calls come in any order, so from the same seed the same happens, but not to the same of them.
    """

    draw: Random
    tally: Counter
    trouble: float = 0.2
    taken: list[Outgoing] = field(default_factory=list)
    deaths: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)
    meanwhile: Callable[[], Any] = lambda: None

    def send(self, message: Outgoing, *, once: bool) -> str:
        assert once
        self.meanwhile()
        chance = self.draw.random() / self.trouble if self.trouble else 1.0
        if chance < 0.1:
            raise Killed
        if chance < 0.2:
            raise Refused("throttled", "Maximum sending rate exceeded.", retryable=True)
        if chance < 0.3:
            raise Refused("unreachable", "no route", retryable=True)
        if chance < 0.35:
            raise Refused("MessageRejected", "no such address", retryable=False)
        if chance < 0.45:
            raise Unclear("reset before anything was taken")
        self.taken.append(message)
        if chance < 0.55:
            raise Unclear("read timeout")
        if chance < 0.9:
            with self.guard:
                self.deaths += 1
            raise Killed
        return f"provider-{message.id}"

    def tells(self) -> list[str]:
        """Its events of what it has taken: accepted and delivered."""
        return [told(one, kind) for one in self.taken for kind in ("Send", "Delivery")]


def told(message: Outgoing, kind: str) -> str:
    """An event of SES."""
    at = datetime.now(UTC).isoformat()
    tags = {"tenant_id": [str(message.tenant_id)], "kind": [message.kind], "id": [str(message.id)]}
    mail = {"timestamp": at, "messageId": f"provider-{message.id}", "destination": list(message.to), "tags": tags}
    return json.dumps({"eventType": kind, "mail": mail, kind.lower(): {"timestamp": at} if kind == "Delivery" else {}})


def alone(engine):
    """What other tests of this database have left open is none of ours."""
    forget_the_rest(engine)
    with engine.connect() as connection:
        connection.execute(text("update campaigns set status = 'canceled' where status in ('scheduled', 'freezing', 'sending', 'paused')"))


def time_passes(engine):
    """Whatever somebody waits for is over: leases, delays, and the patience with the queue."""
    later(engine)
    with engine.connect() as connection:
        for statement in (
            "update campaign_sends set lease_until = now() - interval '1 s' where state = 'sending'",
            "update campaign_sends set due_at = now() - interval '1 s' where state = 'queued' and due_at > now()",
            "update campaign_chunks set due_at = now() - interval '1 s' where state = 'waiting' and due_at > now()",
        ):
            connection.execute(text(statement))


def queues_are_forgetful(engine):
    """A quarter of an hour, in which nothing was heard of what is in the queue."""
    with engine.connect() as connection:
        connection.execute(text("update campaign_chunks set queued_at = queued_at - interval '20 minutes' where state = 'queued'"))


def tend():
    importlib.import_module("messaging.tend_messages").handler({}, LambdaContext())


def worker():
    return importlib.import_module("messaging.send_campaign").handler


@dataclass
class World:
    """Everything a campaign needs to come to its end."""

    engine: Any
    queue: Queue
    draw: Random
    monkeypatch: Any
    tally: Counter

    def turn(self, *, deadly: float) -> None:
        """A relay, some workers and now and then the schedule, each of which may die at any of its flights."""
        relayed(self.queue, self.draw, self.monkeypatch, self.engine, self.tally)
        later(self.engine)
        for _ in range(self.draw.randrange(1, 4)):
            if self.draw.random() < deadly:
                with mortal(self.monkeypatch, self.draw.randrange(30), self.draw.choice(["before", "after"])):
                    self.queue.deliver(worker(), self.tally)
            else:
                self.queue.deliver(worker(), self.tally)
        if self.draw.random() < 0.3:
            time_passes(self.engine)
            if not self.queue.waiting:
                queues_are_forgetful(self.engine)
            with (
                mortal(self.monkeypatch, self.draw.randrange(40), self.draw.choice(["before", "after", "not at all", "not at all"])),
                suppress(Killed),
            ):
                tend()

    def to_the_end(
        self, campaigns: list[Launched], *, deadly: float = 0.0, most: int = 2000, every: Callable[[], Any] = lambda: None
    ) -> None:
        """Until all of them are finished."""
        turns = 0
        while any(one.status not in {"finished", "canceled"} for one in campaigns):
            turns += 1
            assert turns < most, ("it does not come to an end", [(one.status, one.states) for one in campaigns])
            every()
            self.turn(deadly=deadly)


def check(campaign: Launched, taken: list[Outgoing], tally: Counter) -> dict[UUID, str]:
    """Whatever happened: nobody twice, nothing open, all that is unknown was reported. Returns what each send is now."""
    times = Counter(one.id for one in taken if one.tenant_id == campaign.tenant.id)
    rows = {row.id: row for row in campaign.rows()}
    mine = {one: count for one, count in times.items() if one in rows}
    assert max(mine.values(), default=1) == 1, "somebody got it twice"
    assert {row.state for row in rows.values()} <= {"sent", "failed", "unknown"}, campaign.states
    for one, row in rows.items():
        assert row.state != "sent" or one in mine, "called sent, and was not"
        assert row.state != "failed" or one not in mine, "called failed, and was sent"
        assert row.state != "unknown" or row.reason
        assert row.lease_until is None
    tally["messages"] += len(rows)
    tally["taken by the provider"] += len(mine)
    tally["taken twice"] += sum(count > 1 for count in mine.values())
    tally["of unknown outcome at the end"] += campaign.states["unknown"]
    tally["of them taken"] += sum(row.state == "unknown" and one in mine for one, row in rows.items())
    return {one: row.state for one, row in rows.items()}


def reconcile(campaign: Launched, told: list[str], draw: Random, tally: Counter) -> None:
    """What the provider tells, twice and in any order: whatever it took is known to be sent."""
    told = [*told, *draw.sample(told, len(told) // 3)]
    draw.shuffle(told)
    tally["events of the provider"] += len(told)
    for one in told:
        events.apply(one)


def lines(campaign: Launched) -> Counter:
    """How many lines of the timeline each send has."""
    statement = "select metadata, event_key from activities where tenant_id = :t and activity_type in ('email_sent', 'sms_sent')"
    with campaign.engine.connect() as connection:
        return Counter(row.event_key.partition(":")[0] for row in connection.execute(text(statement), {"t": campaign.tenant.id}))
