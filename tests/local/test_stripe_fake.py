"""Stripe's stand-in, driven by Stripe's own library: what the product relies on has to be as it is there."""

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import stripe

from clientway.integrations.stripe.client import client
from clientway.local.stripe.server import FakeStripe
from tests.local.stripe_account import INVOICE, account, api, charged, get, link, opened, pay  # noqa: F401  (fixtures)

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "stripe" / "fixtures3_subset.json"


# ---- Paying


def test_a_link_is_paid_once_and_says_for_what(api):  # noqa: F811
    made = link(api)
    page = get(f"{made.url}?prefilled_email=ana%40bistro.example")
    assert "Ruiz &amp; Söhne &lt;Cleaning&gt;" in page
    assert "125.00 USD" in page
    assert 'value="ana@bistro.example"' in page

    where, receipt = pay(made.url)

    assert "/receipt/ch_" in where
    assert "Thank you" in receipt
    (session,) = api.v1.checkout.sessions.list({"payment_link": made.id, "status": "complete"}).data
    intent = api.v1.payment_intents.retrieve(session.payment_intent, {"expand": ["latest_charge"]})
    assert (intent.status, intent.amount_received, intent.metadata.to_dict()) == ("succeeded", 12_500, INVOICE)
    assert (intent.latest_charge.paid, intent.latest_charge.billing_details.email) == (True, "ana@bistro.example")
    assert api.v1.payment_links.retrieve(made.id).restrictions.completed_sessions.count == 1
    assert "no longer active" in get(made.url)


def test_who_has_the_page_open_cannot_pay_a_second_time(api):  # noqa: F811
    made = link(api)
    first, second = opened(made.url), opened(made.url)
    pay(made.url, session=first)

    _, answer = pay(made.url, session=second)

    assert "no longer active" in answer
    assert len(api.v1.charges.list().data) == 1


def test_a_declined_card_may_be_followed_by_another(api):  # noqa: F811
    made = link(api)
    session = opened(made.url)
    _, again = pay(made.url, "4000000000000002", session)
    assert "Your card was declined." in again
    intent_id = api.v1.checkout.sessions.retrieve(session).payment_intent
    before = api.v1.payment_intents.retrieve(intent_id)
    assert (before.status, before.last_payment_error.code) == ("requires_payment_method", "card_declined")

    pay(made.url, session=session)

    assert api.v1.payment_intents.retrieve(intent_id).status == "succeeded"
    assert [one.status for one in api.v1.charges.list({"payment_intent": intent_id}).data] == ["succeeded", "failed"]


def test_a_link_that_was_switched_off_and_a_session_that_was_ended_take_nothing(api):  # noqa: F811
    off, open_elsewhere = link(api), link(api)
    session = opened(open_elsewhere.url)
    api.v1.payment_links.update(off.id, {"active": False})
    api.v1.checkout.sessions.expire(session)

    assert "no longer active" in get(off.url)
    assert "no longer active" in pay(open_elsewhere.url, session=session)[1]
    assert api.v1.charges.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        api.v1.checkout.sessions.expire(session)


def test_a_declined_card_of_the_api_is_a_card_error_and_leaves_its_attempt(api):  # noqa: F811
    with pytest.raises(stripe.CardError) as refused:
        charged(api, "pm_card_chargeDeclinedInsufficientFunds")

    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    (attempt,) = api.v1.charges.list().data
    assert (attempt.paid, attempt.failure_code) == (False, "card_declined")


# ---- Refunds and disputes


def test_refunds_are_at_most_what_was_paid(api):  # noqa: F811
    intent = charged(api)
    api.v1.refunds.create({"payment_intent": intent.id, "amount": 2000})

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as refused:
        api.v1.refunds.create({"charge": intent.latest_charge.id, "amount": 3001})
    assert (refused.value.http_status, refused.value.param) == (400, "amount")
    api.v1.refunds.create({"payment_intent": intent.id})
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.v1.refunds.create({"payment_intent": intent.id})
    assert again.value.code == "charge_already_refunded"
    assert [one.amount for one in api.v1.refunds.list({"payment_intent": intent.id}).data] == [3000, 2000]
    charge = api.v1.charges.retrieve(intent.latest_charge.id)
    assert (charge.amount_refunded, charge.refunded) == (5000, True)


def test_a_refund_may_fail_later_and_the_money_is_there_again(api):  # noqa: F811
    intent = charged(api, "pm_card_refundFail")

    assert api.v1.refunds.create({"payment_intent": intent.id}).status == "succeeded"

    (found,) = api.v1.refunds.list({"charge": intent.latest_charge.id}).data
    assert (found.status, found.failure_reason) == ("failed", "expired_or_canceled_card")
    assert api.v1.charges.retrieve(intent.latest_charge.id).amount_refunded == 0
    assert "refund.failed" in [one.type for one in api.v1.events.list().data]


@pytest.mark.parametrize(("said", "outcome"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_a_dispute_is_decided_once(api, said, outcome):  # noqa: F811
    intent = charged(api, "pm_card_createDispute")
    (dispute,) = api.v1.disputes.list({"payment_intent": intent.id}).data
    assert dispute.status == "needs_response"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"

    decided = api.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": said}, "submit": True})

    assert decided.status == outcome
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        api.v1.disputes.close(dispute.id)


# ---- Fields


def test_no_field_is_invented(fake_stripe, account):  # noqa: F811
    if not PUBLISHED.exists():
        pytest.skip("Stripe's published fixtures are not beside this checkout")
    published = json.loads(PUBLISHED.read_text())["resources"]
    account_id, api = account  # noqa: F811
    pay(link(api).url)
    intent = charged(api, "pm_card_createDispute")
    api.v1.refunds.create({"payment_intent": charged(api).id})
    subscribed(api)
    assert intent.status == "succeeded"
    kinds = (
        "charge",
        "checkout.session",
        "payment_intent",
        "payment_link",
        "refund",
        "dispute",
        "subscription",
        "price",
        "product",
        "customer",
        "invoice",
        "event",
    )

    for kind in kinds:
        objects = fake_stripe.store.all(account_id, kind)
        assert objects, kind
        for one in objects:
            # An event's account stands there for connected accounts alone, a refund's failure where there is one.
            assert set(one) <= {*published[kind], "failure_reason"}, kind
            wrong = {name for name, value in one.items() if value is not None and not _alike(value, published[kind].get(name))}
            assert wrong == set(), kind


def _alike(ours: Any, theirs: Any) -> bool:
    return theirs is None or type(ours) is type(theirs) or isinstance(ours, (int, float)) == isinstance(theirs, (int, float))


# ---- Subscriptions


def subscribed(api: stripe.StripeClient, **more: Any) -> Any:  # noqa: F811
    customer = api.v1.customers.create({"email": "ana@bistro.example"})
    recurring: Any = {"interval": "month"}
    prices = api.v1.prices.list({"lookup_keys": ["core"]}).data or [
        api.v1.prices.create(
            {"currency": "usd", "unit_amount": 9900, "recurring": recurring, "product_data": {"name": "Core"}, "lookup_key": "core"}
        )
    ]
    return api.v1.subscriptions.create({"customer": customer.id, "items": [{"price": prices[0].id, "quantity": 2}], **more})


def test_a_subscription_is_paid_renewed_and_ends_with_its_period(fake_stripe, account):  # noqa: F811
    account_id, api = account  # noqa: F811
    made = subscribed(api)
    assert made.status == "active"
    assert made["items"].data[0].price.lookup_key == "core"
    assert [one.amount for one in api.v1.charges.list({"customer": made.customer}).data] == [19_800]
    ends = made["items"].data[0].current_period_end

    from clientway.local.stripe import renewals

    with fake_stripe.store.transaction():
        renewed = renewals.renew(fake_stripe.books, account_id, made.id)
    assert renewed["items"]["data"][0]["current_period_start"] == ends
    assert len(api.v1.charges.list({"customer": made.customer}).data) == 2

    api.v1.subscriptions.update(made.id, {"cancel_at_period_end": True})
    with fake_stripe.store.transaction():
        renewals.renew(fake_stripe.books, account_id, made.id)
    assert api.v1.subscriptions.retrieve(made.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.subscriptions.cancel(made.id)
    assert [one.type for one in api.v1.events.list({"type": "customer.subscription.deleted"}).data] == ["customer.subscription.deleted"]


def test_a_trial_costs_nothing_and_a_coupon_stands_in_the_discounts(api):  # noqa: F811
    coupon = api.v1.coupons.create({"percent_off": 25, "duration": "forever"})

    made = subscribed(api, trial_period_days=14, discounts=[{"coupon": coupon.id}])

    assert made.status == "trialing"
    assert made.trial_end - made.trial_start == 14 * 86_400
    assert made.discounts[0].source.coupon.percent_off == 25
    assert api.v1.charges.list().data == []


def test_items_change_price_and_quantity(api):  # noqa: F811
    made = subscribed(api)
    recurring: Any = {"interval": "year"}
    yearly = api.v1.prices.create({"currency": "usd", "unit_amount": 100_000, "recurring": recurring, "product_data": {"name": "Premium"}})

    changed = api.v1.subscriptions.update(made.id, {"items": [{"id": made["items"].data[0].id, "price": yearly.id, "quantity": 3}]})

    (item,) = changed["items"].data
    assert (item.price.id, item.quantity) == (yearly.id, 3)
    with pytest.raises(stripe.InvalidRequestError):
        api.v1.prices.create(
            {"currency": "usd", "unit_amount": 1, "recurring": recurring, "product_data": {"name": "x"}, "lookup_key": "core"}
        )


# ---- State


def test_what_was_sent_stays_payable_after_a_restart(tmp_path, monkeypatch):
    file = tmp_path / "stripe.sqlite3"
    first = FakeStripe(file).start(deliver=False)
    monkeypatch.setenv("STRIPE_API_BASE", first.base)
    _, key = first.add_account("Demo")
    made = link(client(key))
    first.stop()

    second = FakeStripe(file, port=first.port).start(deliver=False)
    try:
        assert "/receipt/" in pay(made.url)[0]
        assert len(client(key).v1.charges.list().data) == 1
    finally:
        from clientway.integrations.stripe import client as clients

        clients._http().close()
        clients._http.cache_clear()
        second.stop()


def test_the_dashboard_refunds_disputes_and_decides(fake_stripe, api):  # noqa: F811
    intent = charged(api)

    def press(what: str, **given: str) -> str:
        with urllib.request.urlopen(f"{fake_stripe.base}/dashboard/{what}", urllib.parse.urlencode(given).encode()) as answer:
            return answer.read().decode()

    account_id = fake_stripe.store.every("account")[0][0]
    assert "10.00 USD refunded" in press("refund", account=account_id, id=intent.latest_charge.id, amount="1000")
    assert "greater than unrefunded" in press("refund", account=account_id, id=intent.latest_charge.id, amount="999999")
    assert "disputed" in press("dispute", account=account_id, id=intent.latest_charge.id)
    (dispute,) = api.v1.disputes.list().data
    assert "lost" in press("lost", account=account_id, id=dispute.id)
    assert api.v1.disputes.retrieve(dispute.id).status == "lost"
    assert "Another one" in press("account", name="Another one")
    with pytest.raises(urllib.error.HTTPError) as nothing:
        press("nonsense")
    nothing.value.close()
    assert nothing.value.code == 404
