"""A queue as SQS is at its worst, and the relay that fills it, which may die at any of its flights."""

import importlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import text

from tests.chaos.mortal import Killed, mortal
from tests.fixtures import LambdaContext

RECEIVES = 5
"""maxReceiveCount in template.yaml; tests/test_house.py holds every queue to it."""


@dataclass
class Queue:
    """A standard queue: delivers at least once, in any order, and gives up on a message after so many receives."""

    draw: Random
    batch: int = 10
    loses: float = 0.0
    """How many messages never come, against all of SQS's promises: a purge, a retention that was too short."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    before_sending: Callable[[], Any] = lambda: None

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: ARG002, N803  (boto3's words)
        self.before_sending()
        chance = self.draw.random()
        if chance < 0.05:
            raise ConnectionError("SQS is away")
        if chance < 0.1:
            raise Killed
        failed = [one for one in Entries if self.draw.random() < 0.02]
        for one in Entries:
            if one not in failed and (not self.loses or self.draw.random() >= self.loses):
                self.put(one["MessageBody"])
                if self.draw.random() < 0.05:
                    self.put(one["MessageBody"])
        if chance < 0.2:
            # The messages are there, and nobody will ever write that down.
            raise Killed
        return {"Failed": [{"Id": one["Id"], "Code": "InternalError", "SenderFault": False} for one in failed]}

    def put(self, body: str) -> None:
        self.waiting.append({"body": body, "receives": 0})

    def deliver(self, handler: Callable[[Any, Any], Any], tally: Counter) -> None:
        """One batch to a worker: what it does not report as failed is deleted, all of it comes again when it died."""
        self.draw.shuffle(self.waiting)
        batch, self.waiting = self.waiting[: self.batch], self.waiting[self.batch :]
        if not batch:
            return
        for one in batch:
            one["receives"] += 1
        records = [{"messageId": str(number), "body": one["body"], "eventSource": "aws:sqs"} for number, one in enumerate(batch)]
        try:
            answer = handler({"Records": records}, LambdaContext())
            again = {int(one["itemIdentifier"]) for one in answer["batchItemFailures"]}
        except Killed:
            tally["senders killed"] += 1
            again = set(range(len(batch)))
        for number in again:
            (self.dead if batch[number]["receives"] >= RECEIVES else self.waiting).append(batch[number])


def relayed(queue, draw, monkeypatch, admin_engine, tally):
    """One run of the relay, which may die at any of its flights or be overtaken by another one."""

    def overtaken():
        queue.before_sending = lambda: None
        tally["relays overtaken"] += 1
        later(admin_engine)
        with suppress(Killed):
            importlib.import_module("operations.relay_outbox").handler({}, LambdaContext())

    queue.before_sending = overtaken if draw.random() < 0.2 else lambda: None
    with mortal(monkeypatch, draw.randrange(12), draw.choice(["before", "after", "not at all"])):
        try:
            importlib.import_module("operations.relay_outbox").handler({}, LambdaContext())
        except Killed:
            tally["relays killed"] += 1


def later(engine):
    """Leases run out and delays pass."""
    with engine.connect() as connection:
        connection.execute(text("update outbox set lease_until = now() - interval '1 s' where sent_at is null and lease_until is not null"))
        connection.execute(text("update outbox set available_at = now() where sent_at is null"))


def unsent(engine):
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from outbox where sent_at is null")).scalar()


def forget_the_rest(engine):
    """What other tests of this database have left is none of ours."""
    with engine.connect() as connection:
        for left in ("outbox", "platform_outbox"):
            connection.execute(text(f"update {left} set sent_at = now() where sent_at is null"))
