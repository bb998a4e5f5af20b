"""Deliveries of Stripe's stand-in: signed as Stripe signs, at least once, and as bad as asked for."""

import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stripe

from clientway.integrations.stripe import keys
from clientway.integrations.stripe.client import client
from clientway.integrations.stripe.subjects import subject
from clientway.local.stripe.server import FakeStripe


class Listener:
    """Takes deliveries and answers each with the next of `answers`, or 200."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.heard.append((body, self.headers["Stripe-Signature"]))
                self.send_response(listener.answers.pop(0) if listener.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def events(self, secret: str) -> list[Any]:
        """What came, after Stripe's own library has verified it."""
        return [stripe.Webhook.construct_event(body, signature, secret) for body, signature in self.heard]


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def api(fake_stripe: FakeStripe) -> stripe.StripeClient:
    return client(fake_stripe.add_account("Demo")[1])


def pay(api: stripe.StripeClient) -> str:
    given: Any = {"amount": 500, "currency": "usd", "confirm": True, "payment_method": "pm_card_visa"}
    return api.v1.payment_intents.create(given).id


def hook(api: stripe.StripeClient, url: str, *events: str, **more: Any) -> Any:
    return api.v1.webhook_endpoints.create({"url": url, "enabled_events": list(events or ["payment_intent.succeeded"]), **more})


def test_a_delivery_is_verified_by_stripes_own_library(fake_stripe, api, listener):
    made = hook(api, listener.url)
    intent_id = pay(api)

    assert fake_stripe.deliverer.deliver() == 1

    (event,) = listener.events(made.secret)
    assert (event.type, event.data.object.id) == ("payment_intent.succeeded", intent_id)
    assert api.v1.events.retrieve(event.id).type == event.type
    with pytest.raises(stripe.SignatureVerificationError):
        listener.events("whsec_another")


def test_what_is_refused_or_lost_comes_again(fake_stripe, api, listener):
    secret = hook(api, listener.url).secret
    pay(api)
    now = fake_stripe.store.clock()
    listener.answers = [500]
    assert fake_stripe.deliverer.deliver() == 0
    assert fake_stripe.deliverer.deliver() == 0, "not at once"

    fake_stripe.store.clock = lambda: now + 60
    fake_stripe.trouble.drop = 1
    assert fake_stripe.deliverer.deliver() == 0
    assert len(listener.heard) == 1
    fake_stripe.store.clock = lambda: now + 600
    assert fake_stripe.deliverer.deliver() == 1

    first, second = listener.events(secret)
    assert first.id == second.id
    assert fake_stripe.store.waiting() == 0


def test_nobody_there_is_tried_again(fake_stripe, api, listener):
    hook(api, "http://127.0.0.1:9/nobody")
    pay(api)

    assert fake_stripe.deliverer.deliver() == 0
    assert fake_stripe.store.waiting() == 1


def test_deliveries_are_doubled_delayed_and_shuffled_on_request(fake_stripe, api, listener):
    secret = hook(api, listener.url).secret
    paid = [pay(api) for _ in range(12)]
    trouble = fake_stripe.trouble
    trouble.duplicate, trouble.delay_seconds, trouble.shuffled = 3, 30, random.Random(7)
    now = fake_stripe.store.clock()
    assert fake_stripe.deliverer.deliver() == 0

    fake_stripe.store.clock = lambda: now + 60
    assert [fake_stripe.deliverer.deliver() for _ in range(2)] == [12, 0]

    came = [event.data.object.id for event in listener.events(secret)]
    assert len(came) == 15
    assert set(came) == set(paid)
    assert list(dict.fromkeys(came)) != paid


def test_an_endpoint_hears_what_it_asked_for_while_it_is_enabled(fake_stripe, api, listener):
    made = hook(api, listener.url, "charge.refunded", "refund.created")
    intent_id = pay(api)
    api.v1.refunds.create({"payment_intent": intent_id})
    fake_stripe.deliverer.deliver()
    assert sorted(event.type for event in listener.events(made.secret)) == ["charge.refunded", "refund.created"]

    api.v1.webhook_endpoints.update(made.id, {"disabled": True})
    api.v1.refunds.create({"payment_intent": pay(api)})
    assert fake_stripe.deliverer.deliver() == 0
    api.v1.webhook_endpoints.delete(made.id)
    assert api.v1.webhook_endpoints.list().data == []


def test_a_platform_hears_of_its_accounts_and_of_which(fake_stripe, listener):
    _, platform_key = fake_stripe.add_account("Platform")
    platform = client(platform_key)
    secret = hook(platform, listener.url, connect=True).secret
    connected = platform.v1.accounts.create({"type": "standard"}).id
    pay(platform)
    pay(client(platform_key, connected))

    assert fake_stripe.deliverer.deliver() == 1
    (event,) = listener.events(secret)
    assert event.account == connected


def test_a_thread_delivers_until_it_is_stopped(listener, tmp_path, monkeypatch):
    from clientway.integrations.stripe import client as clients

    running = FakeStripe(tmp_path / "stripe.sqlite3").start()
    monkeypatch.setenv("STRIPE_API_BASE", running.base)
    api = client(running.add_account("Demo")[1])
    secret = hook(api, listener.url).secret
    pay(api)
    for _ in range(200):
        if listener.heard:
            break
        threading.Event().wait(0.02)
    assert len(listener.events(secret)) == 1

    clients._http().close()
    clients._http.cache_clear()
    running.stop()
    assert not running.deliverer.is_alive()


def test_what_connecting_asks_for_is_what_the_ingress_understands():
    thing = {"id": "x_1", "payment_intent": "pi_1", "subscription": "sub_1"}

    assert [kind for kind in keys.EVENTS if subject({"type": kind, "data": {"object": thing}}) is None] == []
