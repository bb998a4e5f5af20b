"""An account that is given up: its pages are closed, then its endpoint at Stripe and its key are deleted."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from clientway.integrations.stripe import secrets, sending
from tests.integrations.sender import sender as _sender

sender = _sender


def test_disconnecting_closes_the_pages_and_deletes_the_endpoint_at_stripe_and_the_key(sender, monkeypatch):
    endpoint = sender.gateway["endpoint_id"]
    ours = sender.api.v1.webhook_endpoints.create(
        {"url": f"http://127.0.0.1:3000/api/webhooks/stripe/{endpoint}", "enabled_events": ["refund.created"]}
    )
    theirs = sender.api.v1.webhook_endpoints.create({"url": "https://elsewhere.example/hooks", "enabled_events": ["refund.created"]})
    pages = [sender.send(sender.page())[0]["result"]["ref"] for _ in range(3)]
    again = {**sender.gateway, "endpoint_id": sender.outside.connect(sender.key)}
    (kept,) = sender.send(sender.ask("stripe.page.create", **{**sender.page()["payload"], "gateway": again}))
    pages.append(kept["result"]["ref"])
    monkeypatch.setattr(sending, "_CLOSING_SECONDS", 0)

    # What is not done in time is the next message's, which needs the key, and what is paid meanwhile has to be heard of.
    for more in (True, True, False):
        assert ours.id in {one.id for one in sender.api.v1.webhook_endpoints.list().data}
        assert sender.outside.kept(endpoint)
        (report,) = sender.send(sender.leave())
        assert (report["result"], report["error"]) == ({"closed": 1, "more": more}, None)

    assert [one.id for one in sender.api.v1.webhook_endpoints.list().data] == [theirs.id]
    assert ours.id != theirs.id
    assert [sender.api.v1.payment_links.retrieve(ref).active for ref in pages] == [False] * 3 + [True]
    assert sender.outside.kept(endpoint) is None
    assert sender.send(sender.leave())[0]["result"] == {"closed": 0, "more": False}


def test_more_pages_are_closed_than_stripe_lists_at_once(sender, monkeypatch):
    (made,) = sender.send(sender.page())
    link, store = sender.fake.store.get(sender.account_id, made["result"]["ref"]), sender.fake.store
    with store.transaction():
        for number in range(4):
            store.put(sender.account_id, {**link, "id": f"plink_{number}"})
    monkeypatch.setattr(sending, "_MOST_LISTED", 2)
    monkeypatch.setattr(sending, "_MOST_CLOSED", 3)

    results = [sender.send(sender.leave())[0]["result"] for _ in range(2)]

    assert results == [{"closed": 3, "more": True}, {"closed": 2, "more": False}]
    assert sender.api.v1.payment_links.list({"active": True}).data == []


def test_the_key_goes_when_stripe_does_not_know_it_or_has_stayed_away_for_days(sender):
    long_ago = datetime.now(UTC) - timedelta(days=4)
    cases = (
        ("rk_test_withdrawnWithdrawn", [], datetime.now(UTC), False),
        (sender.key, [500, 500], datetime.now(UTC), True),
        (sender.key, [500, 500], long_ago, False),
    )
    for key, fail, since, again in cases:
        endpoint = sender.gateway["endpoint_id"] = sender.outside.connect(key)
        sender.fake.trouble.fail = list(fail)

        (report,) = sender.send(sender.leave(since), receives=5)

        assert report["error"]["retryable"] is again
        assert (sender.outside.kept(endpoint) is not None) is again


def test_a_page_is_made_with_a_key_that_is_still_there(sender):
    sender.send(sender.page())
    secrets._ask("delete_parameter", Name=f"/clientway/stripe/{sender.gateway['endpoint_id']}")

    (report,) = sender.send(sender.page())

    assert report["error"]["code"] == "not_connected"


def test_the_platforms_own_secrets_are_not_deleted_with_a_tenant(sender):
    secrets.write(secrets.CONNECT, secrets.Secrets("rk_test_platformPlatform"))
    sender.gateway = {"endpoint_id": str(uuid4()), "mode": "connect", "account_id": "acct_1"}

    assert sender.send(sender.leave())[0]["error"]["retryable"] is False
    assert sender.outside.kept("connect") is not None
