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
from tests.chaos.mortal import Killed
from tests.chaos.sqs import RECEIVES, Queue, forget_the_rest, later, relayed, unsent


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
    forget_the_rest(admin_engine)
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
