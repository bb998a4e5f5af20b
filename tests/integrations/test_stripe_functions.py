"""From Stripe's delivery to the queue of states, through the real handlers with their sample events."""

import importlib
import json
import time
from typing import ClassVar
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from clientway import queues
from clientway.integrations.stripe import fetching, secrets
from clientway.integrations.stripe.signature import sign
from tests.fixtures import EVENTS, LambdaContext

SECRET = "whsec_" + "s" * 32


@pytest.fixture
def cloud(monkeypatch):
    """SQS and SSM of this test alone; read what is in a queue by its variable."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        sqs = boto3.client("sqs")
        urls = {}
        for name in ("STRIPE_EVENT_QUEUE_URL", "STRIPE_STATE_QUEUE_URL"):
            urls[name] = sqs.create_queue(QueueName=f"q-{uuid4().hex}")["QueueUrl"]
            monkeypatch.setenv(name, urls[name])
        for cached in (queues.sqs, secrets._ssm):
            cached.cache_clear()
        secrets._known.clear()

        def read(name):
            messages = sqs.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=10).get("Messages", [])
            return [json.loads(message["Body"]) for message in messages]

        yield read
    for cached in (queues.sqs, secrets._ssm):
        cached.cache_clear()
    secrets._known.clear()


@pytest.fixture
def endpoint(cloud):
    found = str(uuid4())
    secrets.write(found, secrets.Secrets("rk_test_" + "x" * 24, SECRET))
    return found


def deliver(endpoint, *, secret=SECRET, at=None, change=lambda event: event):
    event = json.loads((EVENTS / "integrations/stripe_webhook.json").read_text())
    event["pathParameters"]["endpoint"] = endpoint
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/api/webhooks/stripe/{endpoint}"
    at = str(int(time.time()) if at is None else at)
    event["headers"]["stripe-signature"] = f"t={at},v1={sign(event['body'].encode(), secret, at)}"
    answer = importlib.import_module("integrations.stripe_webhook").handler(change(event), LambdaContext())
    return answer["statusCode"], json.loads(answer["body"])


def test_a_delivery_is_answered_and_queued(cloud, endpoint):
    assert deliver(endpoint) == (200, {"received": True, "queued": True})
    [message] = cloud("STRIPE_EVENT_QUEUE_URL")
    assert message == {
        "endpoint": endpoint, "account_id": None, "event": {"id": "evt_sample", "type": "payment_intent.succeeded", "created": 1795226400},
        "subject": {"kind": "payment_intent", "id": "pi_sample"},
    }  # fmt: skip


def unsigned(event):
    event["headers"].pop("stripe-signature")
    return event


def changed(event):
    event["body"] = event["body"].replace("pi_sample", "pi_simple")
    return event


@pytest.mark.parametrize(
    "given",
    [{"secret": "whsec_other"}, {"at": -301}, {"at": 400}, {"change": unsigned}, {"change": changed}],
    ids=["another secret", "too old", "too new", "unsigned", "changed"],
)
def test_what_is_not_signed_for_this_account_now_is_refused(cloud, endpoint, given):
    if "at" in given:
        given = {"at": int(time.time()) + given["at"]}
    status, problem = deliver(endpoint, **given)
    assert (status, problem["code"]) == (400, "bad_signature")
    assert cloud("STRIPE_EVENT_QUEUE_URL") == []


@pytest.mark.parametrize("nobody", ["0d5d1f0e-6a37-4a4b-9d0f-0b1d3f8e2a11", "connect", "nonsense", "a" * 300])
def test_an_endpoint_that_is_not_there_refuses_alike(cloud, endpoint, nobody):
    status, problem = deliver(nobody)
    assert (status, problem["code"]) == (400, "bad_signature")


def test_too_much_is_refused(cloud, endpoint):
    def large(event):
        event["body"] = "x" * 300_000
        return event

    assert deliver(endpoint, change=large)[0] == 413


def test_deliveries_are_never_throttled(cloud, endpoint):
    assert {deliver(endpoint)[0] for _ in range(600)} == {200}


class Stripe:
    """Stripe as a reader sees it."""

    objects: ClassVar[dict] = {}

    def __init__(self, *_who):
        pass

    def one(self, kind, object_id):
        return self.objects.get((kind, object_id))

    def of_charge(self, kind, charge_id):
        return self.objects.get((kind, charge_id), [])

    def billed(self, intent_id):
        return self.objects.get(("billed", intent_id), [])


def fetched(monkeypatch, cloud, objects, kind, object_id):
    monkeypatch.setattr(Stripe, "objects", objects)
    monkeypatch.setattr(fetching, "StripeReader", Stripe)
    event = json.loads((EVENTS / "integrations/fetch_stripe.json").read_text())
    body = json.loads(event["Records"][0]["body"]) | {"subject": {"kind": kind, "id": object_id}}
    event["Records"][0]["body"] = json.dumps(body)
    assert importlib.import_module("integrations.fetch_stripe").handler(event, LambdaContext()) == {"batchItemFailures": []}
    [message] = cloud("STRIPE_STATE_QUEUE_URL")
    return message


CHARGE = {
    "id": "ch_1",
    "payment_intent": "pi_1",
    "created": 5,
    "amount_refunded": 500,
    "disputed": True,
    "payment_method_details": {"type": "card"},
}
INTENT = {
    "id": "pi_1", "status": "succeeded", "amount": 5000, "amount_received": 5000, "currency": "usd", "created": 5, "latest_charge": CHARGE,
    "metadata": {}, "customer": "cus_1",
}  # fmt: skip
WHOLE = {
    ("payment_intent", "pi_1"): INTENT,
    ("charge", "ch_1"): CHARGE,
    ("refund", "ch_1"): [{"id": "re_1", "amount": 500, "currency": "usd", "status": "succeeded", "created": 6}],
    ("refund", "re_1"): {"id": "re_1", "charge": "ch_1", "payment_intent": None},
    ("dispute", "ch_1"): [{"id": "dp_1", "amount": 5000, "currency": "usd", "status": "lost", "created": 7}],
    ("dispute", "dp_1"): {"id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1"},
}


@pytest.mark.parametrize(("kind", "object_id"), [("payment_intent", "pi_1"), ("refund", "re_1"), ("dispute", "dp_1")])
def test_whatever_an_event_is_about_leads_to_the_whole_payment(monkeypatch, cloud, kind, object_id):
    message = fetched(monkeypatch, cloud, WHOLE, kind, object_id)
    state = message["state"]
    assert (message["kind"], state["kind"], state["id"], state["status"], state["amount_cents"]) == (
        "event",
        "payment",
        "pi_1",
        "succeeded",
        5000,
    )
    assert [one["id"] for one in state["refunds"]] == ["re_1"]
    assert [(one["id"], one["status"]) for one in state["disputes"]] == [("dp_1", "lost")]


def test_a_refund_that_failed_is_heard_of_though_nothing_of_the_charge_is_refunded_any_more(monkeypatch, cloud):
    intent = {**INTENT, "latest_charge": {**CHARGE, "amount_refunded": 0, "refunded": False}}
    failed = {**WHOLE["refund", "ch_1"][0], "status": "failed", "failure_reason": "expired_or_canceled_card"}
    objects = {**WHOLE, ("payment_intent", "pi_1"): intent, ("refund", "ch_1"): [failed]}
    [refund] = fetched(monkeypatch, cloud, objects, "payment_intent", "pi_1")["state"]["refunds"]
    assert (refund["id"], refund["status"]) == ("re_1", "failed")


def test_a_charge_of_an_intent_is_read_as_that_intents_payment(monkeypatch, cloud):
    assert fetched(monkeypatch, cloud, WHOLE, "charge", "ch_1")["state"]["id"] == "pi_1"


def test_what_is_gone_is_said_to_be(monkeypatch, cloud):
    assert fetched(monkeypatch, cloud, {}, "payment_intent", "pi_1")["state"] is None


def test_a_stripe_that_is_away_is_asked_again(monkeypatch, cloud):
    class Away(Stripe):
        def one(self, *_what):
            raise OSError

    monkeypatch.setattr(fetching, "StripeReader", Away)
    event = json.loads((EVENTS / "integrations/fetch_stripe.json").read_text())
    answer = importlib.import_module("integrations.fetch_stripe").handler(event, LambdaContext())
    assert answer == {"batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]}
    assert cloud("STRIPE_STATE_QUEUE_URL") == []
