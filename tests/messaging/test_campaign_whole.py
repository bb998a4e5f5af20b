"""A campaign from its draft to its end, through the API and the queue's function."""

import importlib
import json
from uuid import uuid4

import pytest

from clientway.messaging.delivery import providers
from tests.campaigns import Provider, relayed
from tests.fixtures import LambdaContext
from tests.messaging import campaigning
from tests.messaging.at_work import at

stage = campaigning.stage


@pytest.fixture
def provider(monkeypatch):
    made = Provider()
    monkeypatch.setattr(providers, "send", made.send)
    return made


def work(stage, *, most=100):
    """Whatever waits for the queue of campaigns, until nothing does; returns the topics."""
    handler, done = importlib.import_module("messaging.send_campaign").handler, []
    while bodies := relayed(stage.engine, f"tenant_id = '{stage.tenant.id}'"):
        for body in bodies:
            record = {"messageId": str(uuid4()), "body": body, "eventSource": "aws:sqs"}
            assert handler({"Records": [record]}, LambdaContext()) == {"batchItemFailures": []}
            done.append(json.loads(body)["topic"])
        assert len(done) < most
    return done


def test_from_the_draft_to_the_end(stage, provider):
    people, gone = [stage.person(first_name=f"N{number}") for number in range(30)], stage.person(do_not_contact=True)
    one = stage.draft(*people, gone, body_text="Hello {{ contact.first_name }}")["id"]
    stage.launch(one)
    provider.after = at(7, lambda _message: stage.post("pause", one))

    assert work(stage) == ["campaign.freeze", "campaign.chunk"]

    # A wave had been claimed when it was paused.
    paused = stage.read(one)
    assert (paused["status"], paused["progress"]["states"]["sent"], paused["progress"]["states"]["queued"]) == ("paused", 9, 21)
    assert stage.post("resume", one).json["status"] == "sending"
    assert work(stage) == ["campaign.chunk"]

    now = stage.read(one)
    assert (now["status"], now["progress"]["states"]["sent"], now["progress"]["skipped"]) == ("finished", 30, {"do_not_contact": 1})
    assert sorted(message.text.split("\n")[0] for message in provider.sent) == sorted(f"Hello N{number}" for number in range(30))
    assert {message.html is not None and "1 Main St, Miami FL" in message.text for message in provider.sent} == {True}
    assert set(provider.ids.values()) == {1}


def test_what_is_canceled_is_not_sent(stage, provider):
    one = stage.draft(*(stage.person() for _ in range(40)))["id"]
    stage.launch(one)
    provider.after = at(3, lambda _message: stage.post("cancel", one))

    work(stage)

    now = stage.read(one)
    assert (now["status"], now["progress"]["states"]["sent"], now["progress"]["states"]["canceled"]) == ("canceled", 3, 37)
    assert len(provider.sent) == 3
