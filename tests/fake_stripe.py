"""Stripe's stand-in and what functions outside the network have besides: parameters with keys, and queues."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from clientway import queues
from clientway.integrations.stripe import client, secrets
from clientway.local.stripe.server import FakeStripe


@pytest.fixture
def fake_stripe(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeStripe]:
    """A stand-in of this test alone, which delivers events when told to."""
    running = FakeStripe().start(deliver=False)
    monkeypatch.setenv("STRIPE_API_BASE", running.base)
    yield running
    client._http().close()
    client._http.cache_clear()
    running.stop()


@dataclass
class Outside:
    """What there is outside the network."""

    ssm: Any
    sqs: Any
    queue: str
    seen: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> list[dict[str, Any]]:
        """The messages that came on the queue of states since the last look."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for one in messages:
                found.append(json.loads(one["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=one["ReceiptHandle"])
        self.seen += found
        return found

    def kept(self, endpoint: str) -> dict[str, Any] | None:
        """An endpoint's secrets, as they are kept."""
        try:
            answer = self.ssm.get_parameter(Name=f"/clientway/stripe/{endpoint}", WithDecryption=True)
        except self.ssm.exceptions.ParameterNotFound:
            return None
        return dict(json.loads(answer["Parameter"]["Value"]))

    def connect(self, key: str, endpoint: str | None = None) -> str:
        """Keep a key for an endpoint, as connecting does."""
        endpoint = endpoint or str(uuid4())
        secrets.write(endpoint, secrets.Secrets(key, "whsec_sampleSample"))
        return endpoint


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    """SSM and the queue of states, of this test alone."""
    _forget()
    with mock_aws():
        sqs = boto3.client("sqs", region_name="us-east-1")
        queue = sqs.create_queue(QueueName="states")["QueueUrl"]
        monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", queue)
        yield Outside(boto3.client("ssm", region_name="us-east-1"), sqs, queue)
    _forget()


def _forget() -> None:
    secrets._known.clear()
    secrets._ssm.cache_clear()
    queues.sqs.cache_clear()
