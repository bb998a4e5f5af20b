"""Mail on its way from the outbox to SES while relays and senders die, queues repeat themselves and SES is out of sorts.

Whatever was committed is sent, at least once and under one id; what was rolled back never is; what nobody can send ends in
the dead letter queue after as many tries as it is given.
"""

import importlib
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from clientway import effects
from clientway.config import settings
from clientway.db import job_transaction
from clientway.messaging.mail import service
from clientway.operations import relay
from tests.chaos.mortal import Killed, mortal
from tests.fixtures import LambdaContext

RECEIVES = 5
"""maxReceiveCount in template.yaml; tests/test_house.py holds every queue to it."""


@dataclass
class Queue:
    """A standard queue: delivers at least once, in any order, and gives up on a message after so many receives."""

    draw: object
    waiting: list[dict] = field(default_factory=list)
    dead: list[dict] = field(default_factory=list)
    taken: Counter = field(default_factory=Counter)
    before_sending: object = lambda: None

    def send_message_batch(self, *, QueueUrl, Entries):  # noqa: ARG002, N803  (boto3's words)
        self.before_sending()
        chance = self.draw.random()
        if chance < 0.05:
            raise ConnectionError("SQS is away")
        if chance < 0.1:
            raise Killed
        failed = [one for one in Entries if self.draw.random() < 0.02]
        for one in Entries:
            if one not in failed:
                self.waiting.append({"body": one["MessageBody"], "receives": 0})
                if self.draw.random() < 0.05:
                    self.waiting.append({"body": one["MessageBody"], "receives": 0})
        if chance < 0.2:
            # The messages are there, and nobody will ever write that down.
            raise Killed
        return {"Failed": [{"Id": one["Id"], "Code": "InternalError", "SenderFault": False} for one in failed]}

    def deliver(self, handler, tally):
        """One batch to a sender: what it does not report as failed is deleted, all of it comes again when it died."""
        self.draw.shuffle(self.waiting)
        batch, self.waiting = self.waiting[:10], self.waiting[10:]
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


@dataclass
class Ses:
    """SES as far as a sender knows it."""

    draw: object
    tally: Counter
    sent: list[dict] = field(default_factory=list)

    def send_email(self, **mail):
        chance = self.draw.random()
        if chance < 0.005:
            raise Killed
        if chance < 0.03:
            raise ConnectionError("throttled")
        self.sent.append(mail)
        if chance < 0.05:
            self.tally["senders killed between SES and their report"] += 1
            raise Killed
        return {"MessageId": str(len(self.sent))}


@pytest.fixture
def queue(draw, monkeypatch, admin_engine, database_url):
    with admin_engine.connect() as connection:
        # What other tests of this database have left is none of ours.
        for left in ("outbox", "platform_outbox"):
            connection.execute(text(f"update {left} set sent_at = now() where sent_at is null"))
    made = Queue(draw)
    monkeypatch.setenv("MAIL_QUEUE_URL", "the mail queue")
    monkeypatch.setenv("MAIL_FROM", "Clientway <hello@clientway.example>")
    settings.cache_clear()
    monkeypatch.setattr(relay, "sqs", lambda: made)
    yield made
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def ses(draw, tally, monkeypatch):
    made = Ses(draw, tally)
    monkeypatch.setattr(service, "_ses", lambda: made)
    return made


def publish(tenants, draw, count):
    """Mails of several tenants, some of whose transactions are rolled back, some of which nobody can send. Returns all three."""
    committed, lost, poison = {}, [], set()
    for number in range(count):
        tenant, template = draw.choice(tenants), "no_such_template" if draw.random() < 0.02 else "staff_link"
        payload = {
            "template": template, "to": f"n{number}@mail.example", "url": f"https://a.example/#token={number}", "tenant_name": "Acme", "code": "012345",
        }  # fmt: skip
        with suppress(ZeroDivisionError), job_transaction(tenant.id) as tx:
            one = str(effects.publish(tx, "mail", payload))
            if draw.random() < 0.1:
                effects.flush(tx)
                lost.append(one)
                raise ZeroDivisionError
            committed[one] = payload["to"]
            poison |= {one} if template == "no_such_template" else set()
    return committed, lost, poison


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


def test_what_was_committed_is_mailed_whoever_dies(tenant, other_tenant, queue, ses, draw, monkeypatch, admin_engine, size, tally):
    committed, lost, poison = publish([tenant, other_tenant], draw, size(short=120, long=10_000))
    send = importlib.import_module("messaging.send_mail").handler

    rounds = 0
    while unsent(admin_engine) or queue.waiting:
        rounds += 1
        assert rounds < 100 * len(committed), "it does not come to an end"
        if unsent(admin_engine):
            relayed(queue, draw, monkeypatch, admin_engine, tally)
            later(admin_engine)
        for _ in range(draw.randrange(1, 12)):
            queue.deliver(send, tally)

    mailed = Counter(next(tag["Value"] for tag in mail["EmailTags"] if tag["Name"] == "outbox_id") for mail in ses.sent)
    dead = {json.loads(one["body"])["id"] for one in queue.dead}
    # Nothing is lost: it was mailed, or it lies where somebody is told of it: poison, and what five senders died of.
    assert set(mailed) | dead == set(committed)
    assert poison <= dead
    assert not poison & set(mailed)
    assert all(one["receives"] == RECEIVES for one in queue.dead)
    assert not set(lost) & (set(mailed) | dead)
    # A mail that came twice is the same mail, by its id and to its person.
    for mail in ses.sent:
        one = next(tag["Value"] for tag in mail["EmailTags"] if tag["Name"] == "outbox_id")
        assert mail["Destination"]["ToAddresses"] == [committed[one]]
    # What was handed over keeps no link.
    with admin_engine.connect() as connection:
        left = connection.execute(
            text("select id::text, sent_at, payload from outbox where id = any (cast(:ids as uuid[]))"), {"ids": list(committed)}
        ).all()
    assert {row.id for row in left} == set(committed)
    assert all(row.sent_at and row.payload == {} for row in left)
    tally.update({
        "mails committed": len(committed), "mails lost": len(set(committed) - set(mailed) - dead), "mails that came more than once": sum(count > 1 for count in mailed.values()),
        "mails of rolled back transactions that went out": len(set(lost) & set(mailed)), "of them poison, and in the dead letter queue": len(poison), "in it for other reasons": len(dead - poison - set(mailed)),
    })  # fmt: skip
