"""What is done at Stripe for an outbox row: once, whatever is delivered twice or lost, and reported whatever came of it."""

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any
from uuid import uuid4

import pytest
import stripe
from botocore.exceptions import EndpointConnectionError

from clientway.integrations.stripe import client as clients
from clientway.integrations.stripe import fetching, secrets, sending
from clientway.integrations.stripe.reader import StripeReader
from clientway.integrations.stripe.schemas import Report, Subject, Told
from tests.integrations.sender import ENDPOINT
from tests.integrations.sender import sender as _sender

sender = _sender


# ---- Pages


def test_an_invoice_gets_a_page_for_one_payment(sender):
    message = sender.page()

    (report,) = sender.send(message)

    (link,) = sender.api.v1.payment_links.list().data
    assert sender.failed == []
    assert Report.model_validate_json(json.dumps(report)).error is None
    assert report["result"] == {"url": f"{link.url}?prefilled_email=ana%2Bx%40bistro.example", "ref": link.id}
    assert (report["id"], report["tenant_id"], report["topic"]) == (message["id"], message["tenant_id"], "stripe.page.create")
    assert report["payload"] == message["payload"]
    assert link.restrictions.completed_sessions.limit == 1
    assert link.payment_intent_data.metadata.to_dict() == {"clientway_tenant": "t", "clientway_invoice": "i"}
    assert link.currency == "usd"
    (line,) = sender.api.v1.payment_links.line_items.list(link.id).data
    assert (line.amount_total, sender.api.v1.products.retrieve(line.price.product).name) == (12_500, "INV-0007 – Deep clean")


def test_a_page_for_an_invoice_without_an_address_is_the_plain_link(sender):
    (report,) = sender.send(sender.page(customer_email=None))

    assert report["result"]["url"] == sender.api.v1.payment_links.list().data[0].url


def test_a_message_that_comes_twice_makes_one_page(sender):
    message = sender.page()

    first, second = sender.send(message) + sender.send(message)

    assert first == second
    assert len(sender.api.v1.payment_links.list().data) == 1


def test_an_answer_that_is_lost_makes_no_second_page(sender):
    sender.fake.trouble.lose = 2  # the library's own second try as well
    message = sender.page()
    assert sender.send(message) == []
    assert sender.failed == ["m"]

    (report,) = sender.send(message, receives=2)

    assert [one.id for one in sender.api.v1.payment_links.list().data] == [report["result"]["ref"]]


def test_a_new_page_closes_the_one_before_and_who_has_it_open(sender):
    (first,) = sender.send(sender.page())
    with urllib.request.urlopen(first["result"]["url"]) as answer:
        session = re.search(r'name="session" value="([^"]+)"', answer.read().decode())[1]  # type: ignore[index]

    (second,) = sender.send(sender.page(amount_cents=9_900, replaces=first["result"]["ref"]))

    assert sender.api.v1.payment_links.retrieve(first["result"]["ref"]).active is False
    assert sender.api.v1.checkout.sessions.retrieve(session).status == "expired"
    form = urllib.parse.urlencode({"session": session, "card": "4242424242424242", "email": "a@b.example", "name": "A"}).encode()
    with urllib.request.urlopen(first["result"]["url"].partition("?")[0], form) as answer:
        assert "has changed" in answer.read().decode()
    assert sender.api.v1.charges.list().data == []
    assert sender.api.v1.payment_links.retrieve(second["result"]["ref"]).active is True


def test_closing_a_page_twice_or_one_that_is_gone_is_no_failure(sender):
    (made,) = sender.send(sender.page())
    ref = made["result"]["ref"]

    reports = [sender.send(sender.ask("stripe.page.close", ref=one))[0] for one in (ref, ref, "plink_nobody")]

    assert [(one["result"], one["error"]) for one in reports] == [
        ({"ref": ref}, None),
        ({"ref": ref}, None),
        ({"ref": "plink_nobody"}, None),
    ]
    assert sender.api.v1.payment_links.retrieve(ref).active is False


# ---- Refunds


def test_a_refund_carries_our_id_and_is_made_once(sender):
    intent, refund_id = sender.paid(), str(uuid4())
    message = sender.ask(
        "stripe.refund.create", refund_id=refund_id, payment_id=intent.id, amount_cents=2000, currency="USD", metadata={"note": "x"}
    )

    first, second = sender.send(message) + sender.send(message)

    (made,) = sender.api.v1.refunds.list().data
    assert first["result"] == second["result"] == {"id": made.id, "status": "succeeded", "failure": None}
    assert made.amount == 2000
    assert made.metadata.to_dict() == {"note": "x", "clientway_tenant": message["tenant_id"], "clientway_refund": refund_id}


def test_a_charge_is_refunded_too(sender):
    intent = sender.paid()

    sender.send(sender.ask("stripe.refund.create", refund_id=str(uuid4()), payment_id=intent.latest_charge, amount_cents=1, currency="USD"))

    assert [one.charge for one in sender.api.v1.refunds.list().data] == [intent.latest_charge]


@pytest.mark.parametrize(("cents", "said"), [(5001, "greater than unrefunded amount"), (0, "at least 1 cent")])
def test_what_stripe_refuses_for_good_is_reported_at_once(sender, cents, said):
    intent = sender.paid()

    (report,) = sender.send(
        sender.ask("stripe.refund.create", refund_id=str(uuid4()), payment_id=intent.id, amount_cents=cents, currency="USD")
    )

    assert sender.failed == []
    assert report["result"] is None
    assert report["error"]["retryable"] is False
    assert said in report["error"]["message"]
    assert sender.api.v1.refunds.list().data == []


def test_a_refund_whose_answer_was_lost_is_not_made_again(sender):
    intent = sender.paid()
    message = sender.ask("stripe.refund.create", refund_id=str(uuid4()), payment_id=intent.id, amount_cents=2000, currency="USD")
    sender.fake.trouble.lose = 2
    assert sender.send(message) == []

    (report,) = sender.send(message, receives=2)

    assert [one.id for one in sender.api.v1.refunds.list().data] == [report["result"]["id"]]


# ---- Trouble


@pytest.mark.parametrize("status", [500, 503, 429, 409])
def test_while_stripe_is_away_the_message_stays_and_the_last_time_is_reported(sender, status):
    message = sender.page()
    for receives in (1, 4):
        sender.fake.trouble.fail = [status, status]
        assert sender.send(message, receives) == []
        assert sender.failed == ["m"]

    sender.fake.trouble.fail = [status, status]
    (report,) = sender.send(message, receives=5)

    assert sender.failed == []
    assert report["error"]["retryable"] is True
    assert report["result"] is None


def test_nobody_at_the_address_is_tried_again(sender, monkeypatch):
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")

    assert sender.send(sender.page()) == []
    (report,) = sender.send(sender.page(), receives=5)
    assert report["error"] == {"code": "APIConnectionError", "message": report["error"]["message"], "retryable": True}


def test_while_keys_cannot_be_read_the_message_stays_and_the_last_time_is_reported(sender, monkeypatch):
    secrets._known.clear()
    monkeypatch.setattr(secrets._ssm(), "get_parameter", _away)

    assert sender.send(sender.page()) == []
    assert sender.failed == ["m"]
    (report,) = sender.send(sender.page(), receives=5)
    assert (report["error"]["code"], report["error"]["retryable"]) == ("secrets_unavailable", True)


def _away(**_: Any) -> None:
    raise EndpointConnectionError(endpoint_url="https://ssm.example")


def test_an_account_without_a_key_is_reported(sender):
    sender.gateway = {**sender.gateway, "endpoint_id": str(uuid4())}

    (report,) = sender.send(sender.page())

    assert report["error"]["code"] == "not_connected"


def test_a_key_that_was_withdrawn_is_reported_without_being_shown(sender):
    secrets.write(sender.gateway["endpoint_id"], secrets.Secrets("rk_test_withdrawnWithdrawn"))

    (report,) = sender.send(sender.page())

    assert "Invalid API Key" in report["error"]["message"]
    assert "withdrawnWithdrawn" not in json.dumps(report)


@pytest.mark.parametrize(
    "body", ["no json", "{}", json.dumps({"id": ENDPOINT, "tenant_id": ENDPOINT, "topic": "stripe.nothing", "payload": {}})]
)
def test_what_nobody_understands_ends_among_the_dead_letters(sender, body):
    assert sender.send(body, receives=5) == []
    assert sender.failed == ["m"]


def test_an_unknown_topic_is_left_for_somebody_to_look_at(sender):
    assert sender.send(sender.ask("stripe.page.paint")) == []
    assert sender.failed == ["m"]


def test_a_report_that_cannot_be_queued_leaves_the_message(sender, monkeypatch):
    message = sender.page()
    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", f"{sender.outside.queue}-nowhere")
    sender.send(message)
    assert sender.failed == ["m"]

    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", sender.outside.queue)
    assert len(sender.send(message, receives=2)) == 1
    assert len(sender.api.v1.payment_links.list().data) == 1


# ---- Accounts


def test_the_platforms_key_acts_for_the_tenants_account(sender):
    platform_id, platform_key = sender.fake.add_account("Platform")
    secrets.write(secrets.CONNECT, secrets.Secrets(platform_key, "whsec_platformPlatform"))
    endpoint = str(uuid4())
    sender.gateway = {"endpoint_id": endpoint, "mode": "connect", "account_id": None}
    given = {"return_url": "http://127.0.0.1:3000/docs", "refresh_url": "http://127.0.0.1:3000/docs"}

    first, second = (sender.send(sender.ask("stripe.account.create", **given))[0] for _ in range(2))

    assert first["result"]["account_id"] == second["result"]["account_id"], "one account for an endpoint"
    assert first["result"]["charges_enabled"] is False
    assert first["result"]["onboarding_url"].startswith(f"{sender.fake.base}/onboard/acct_")
    assert first["payload"]["gateway"]["endpoint_id"] == endpoint
    sender.gateway["account_id"] = account_id = first["result"]["account_id"]
    with sender.fake.store.transaction():
        sender.fake.pages.enable(account_id)
    (ready,) = sender.send(sender.ask("stripe.account.create", **given))
    assert ready["result"] == {"account_id": account_id, "livemode": False, "charges_enabled": True, "onboarding_url": None}

    (page,) = sender.send(sender.page())
    assert sender.fake.store.get(account_id, page["result"]["ref"]) is not None
    assert sender.fake.store.get(platform_id, page["result"]["ref"]) is None


def test_what_is_subscribed_to_is_told_as_its_events_would(sender):
    customer = sender.api.v1.customers.create({"email": "ana@bistro.example"})
    product = sender.api.v1.products.create({"name": "Care"})
    given: Any = {"product": product.id, "currency": "usd", "unit_amount": 500, "recurring": {"interval": "month"}, "lookup_key": "core"}
    price = sender.api.v1.prices.create(given)
    made = sender.api.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    message = sender.ask("stripe.subscriptions.read")

    event, report = sender.send(message)

    told = Told.model_validate_json(json.dumps(event))
    assert (told.endpoint, told.event.id) == (sender.gateway["endpoint_id"], f"{message['id']}:{made.id}")
    assert told.state == fetching.read(StripeReader(told.endpoint, None), told.subject)
    assert report["result"] == {"subscriptions": 1}


def test_the_tax_in_what_a_subscription_pays_is_read_with_it(sender):
    customer = sender.api.v1.customers.create({"email": "ana@bistro.example"})
    product = sender.api.v1.products.create({"name": "Care"})
    price = sender.api.v1.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1200, "recurring": {"interval": "month"}})
    sender.api.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    (intent,) = sender.api.v1.payment_intents.list().data
    (bill,) = sender.fake.store.all(sender.account_id, "invoice")
    with sender.fake.store.transaction():
        taxes = [{"amount": 150, "tax_behavior": "exclusive"}, {"amount": 50, "tax_behavior": "inclusive"}]
        sender.fake.store.put(sender.account_id, {**bill, "total_taxes": taxes})
    reader = StripeReader(sender.gateway["endpoint_id"], None)
    about = Subject(kind="payment_intent", id=intent.id)

    found = fetching.read(reader, about)
    sender.fake.trouble.forbid = "/invoice_payments"
    without = fetching.read(reader, about)

    assert (found["amount_cents"], found["tax_cents"]) == (1200, 200)
    assert without == {**found, "tax_cents": 0}


# ---- Clients


def test_a_client_gives_up_before_its_function_does():
    made = clients.client("rk_test_x")
    assert made._requestor._options.max_network_retries == 1
    assert clients._http()._timeout == (3.0, 8.0)
    clients._http.cache_clear()


def test_failures_are_told_apart():
    told = {error: sending.failure(error)["retryable"] for error in (
        stripe.APIConnectionError("x"), stripe.RateLimitError("x", http_status=429), stripe.APIError("x", http_status=500),
        stripe.InvalidRequestError("x", "p", http_status=400), stripe.AuthenticationError("x", http_status=401),
        stripe.CardError("x", "p", "c", http_status=402), stripe.PermissionError("x", http_status=403), stripe.IdempotencyError("x", http_status=400),
    )}  # fmt: skip

    assert [type(error).__name__ for error, retryable in told.items() if retryable] == ["APIConnectionError", "RateLimitError", "APIError"]


def test_importing_the_sender_loads_neither_the_database_nor_stripe():
    program = "import sys, integrations.send_stripe; sys.exit(any(m in sys.modules for m in ('sqlalchemy', 'pg8000', 'boto3', 'stripe')))"
    assert subprocess.run([sys.executable, "-c", program], check=False, capture_output=True).returncode == 0
