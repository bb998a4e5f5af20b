"""A tenant's Stripe account: under its own key or the platform's, from its connection to its end."""

from typing import Any

import pytest
import stripe
from sqlalchemy import text

from clientway import db
from clientway.billing.invoices import service as invoices
from clientway.integrations.stripe import accounts, secrets, sending
from clientway.integrations.stripe.client import client
from tests.integrations.connecting import ACCOUNT, connecting  # noqa: F401  (a fixture)
from tests.lifecycle.test_organization_flights import counting_proxy  # noqa: F401  (a fixture)
from tests.routes import state


def test_before_anything_was_connected_there_is_nothing(connecting):  # noqa: F811
    assert connecting.read() == {
        "status": "none", "mode": None, "endpoint_id": None, "account_id": None, "livemode": None, "key_hint": None, "onboarding_url": None,
        "error": None, "open_pages": 0, "version": None, "updated_at": None,
    }  # fmt: skip


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_it_is_for_administrators_alone(invoke, tenant, role):
    for method, body, headers in (("GET", None, {}), ("POST", {"mode": "key"}, {}), ("DELETE", None, {"If-Match": '"1"'})):
        assert invoke(ACCOUNT, method=method, body=body, headers=headers, token=tenant.keys[role]).status == 403


@pytest.mark.parametrize(
    ("body", "pointer"), [({"mode": "cash"}, "#/mode"), ({}, "#/mode"), ({"mode": "key", "key": "sk_test_x"}, "#/key")]
)
def test_a_wrong_body_is_refused_with_its_place(invoke, body, pointer):
    answer = invoke(ACCOUNT, method="POST", body=body)

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_the_other_mode_needs_a_disconnection_first(connecting, invoke):  # noqa: F811
    connecting.connected()

    answer = invoke(ACCOUNT, method="POST", body={"mode": "connect"})

    assert (answer.status, answer.json["code"]) == (409, "stripe_connected")


def test_an_account_is_one_tenants(connecting, other_tenant, invoke):  # noqa: F811
    account_id, key, before = connecting.connected()
    theirs = invoke(ACCOUNT, method="POST", body={"mode": "key"}, token=other_tenant.admin).json
    assert theirs["account_id"] is None
    assert connecting.hand_in(theirs["upload"]["ticket"], key).status == 202

    connecting.apply()

    found = invoke(ACCOUNT, token=other_tenant.admin).json
    assert (found["status"], found["account_id"]) == ("failed", None)
    assert account_id in found["error"]
    assert connecting.read() == before
    with connecting.engine.connect() as connection:
        topics = connection.scalars(text("select topic from outbox where tenant_id = :t"), {"t": other_tenant.id}).all()
    assert topics == ["stripe.account.disconnect"]


# ---- Giving it up


def test_disconnecting_forgets_the_key_and_keeps_the_books(connecting, invoke):  # noqa: F811
    account_id, key, before = connecting.connected()
    stale = invoke(ACCOUNT, method="DELETE", headers={"If-Match": '"99"'})
    without = invoke(ACCOUNT, method="DELETE")
    assert (stale.status, without.status) == (412, 428)

    done = invoke(ACCOUNT, method="DELETE", headers={"If-Match": invoke(ACCOUNT).etag})
    connecting.send("stripe.account.disconnect")
    connecting.apply()

    found = connecting.read()
    assert (done.status, found["status"], found["key_hint"], found["account_id"]) == (204, "disconnected", None, account_id)
    assert connecting.outside.kept(before["endpoint_id"]) is None
    assert client(key).v1.webhook_endpoints.list().data == []
    assert invoke(ACCOUNT, method="DELETE", headers={"If-Match": '"1"'}).status == 404
    anew = connecting.ask()
    assert anew["endpoint_id"] != before["endpoint_id"]
    assert (anew["status"], anew["account_id"]) == ("pending", None)


def test_disconnecting_goes_on_until_the_last_page_is_closed(connecting, invoke, monkeypatch):  # noqa: F811
    _, key, before = connecting.connected()
    api = client(key)
    price = api.v1.prices.create({"product": api.v1.products.create({"name": "x"}).id, "currency": "usd", "unit_amount": 500})
    given: Any = {"line_items": [{"price": price.id, "quantity": 1}], "metadata": {"clientway_endpoint": before["endpoint_id"]}}
    pages = [api.v1.payment_links.create(given).id for _ in range(4)]
    monkeypatch.setattr(sending, "_CLOSING_SECONDS", 0)
    monkeypatch.setattr(invoices, "forget_pages", lambda _tx: 3)
    invoke(ACCOUNT, method="DELETE", headers={"If-Match": invoke(ACCOUNT).etag})

    seen = [connecting.read()["open_pages"]]
    for _ in pages:
        asked = connecting.outbox("stripe.account.disconnect")
        connecting.fake.trouble.fail = [500, 500]
        with pytest.raises(stripe.StripeError):
            connecting.send("stripe.account.disconnect")
        connecting.send("stripe.account.disconnect")
        connecting.apply()
        seen.append(connecting.read()["open_pages"])
        assert len(connecting.outbox("stripe.account.disconnect")) == len(asked) + (seen[-1] > 0)

    # One more was there than was known of.
    assert seen == [3, 2, 1, 1, 0]
    assert [api.v1.payment_links.retrieve(one).active for one in pages] == [False] * 4
    assert connecting.outside.kept(before["endpoint_id"]) is None


def test_pages_that_nobody_can_close_stay_in_sight(connecting, invoke, monkeypatch):  # noqa: F811
    _, _, before = connecting.connected()
    monkeypatch.setattr(invoices, "forget_pages", lambda _tx: 2)
    invoke(ACCOUNT, method="DELETE", headers={"If-Match": invoke(ACCOUNT).etag})
    connecting.fake.trouble.fail = [500, 500]
    connecting.send("stripe.account.disconnect", last=True)
    connecting.apply()
    assert len(connecting.outbox("stripe.account.disconnect")) == 2
    secrets.write(before["endpoint_id"], secrets.Secrets("rk_test_withdrawnWithdrawn"))

    connecting.send("stripe.account.disconnect")
    connecting.apply()

    found = connecting.read()
    assert (found["open_pages"], found["status"]) == (2, "disconnected")
    assert found["error"].startswith("Payment pages may still be open at Stripe, close them there: ")
    assert len(connecting.outbox("stripe.account.disconnect")) == 2


def test_nothing_to_disconnect_is_not_found(invoke):
    assert invoke(ACCOUNT, method="DELETE", headers={"If-Match": '"1"'}).status == 404


def test_nobody_disconnects_anothers_account(connecting, invoke, other_tenant, admin_engine):  # noqa: F811
    connecting.connected()
    before = state(admin_engine, connecting.tenant)

    assert invoke(ACCOUNT, method="DELETE", headers={"If-Match": '"2"'}, token=other_tenant.admin).status == 404
    assert state(admin_engine, connecting.tenant) == before


# ---- Under the platform's account


@pytest.fixture
def platform(fake_stripe, outside):
    _, key = fake_stripe.add_account("Platform")
    secrets.write(secrets.CONNECT, secrets.Secrets(key, "whsec_platformPlatform"))
    return client(key)


def test_an_account_under_the_platforms_is_set_up_at_stripe(connecting, platform):  # noqa: F811
    asked = connecting.ask("connect")
    assert (asked["status"], asked["upload"]) == ("pending", None)
    connecting.send("stripe.account.create")
    connecting.apply()
    waiting = connecting.read()
    assert waiting["status"] == "pending"
    assert waiting["onboarding_url"].startswith(f"{connecting.fake.base}/onboard/{waiting['account_id']}")

    with db.job_transaction(connecting.tenant.id) as tx:
        assert accounts.follow(tx, waiting["account_id"], charges_enabled=False) == "unchanged"
        assert accounts.follow(tx, "acct_somebodyElses", charges_enabled=True) == "unknown_object"
        assert accounts.follow(tx, waiting["account_id"], charges_enabled=True) == "applied"
        assert accounts.follow(tx, waiting["account_id"], charges_enabled=True) == "unchanged"

    found = connecting.read()
    assert (found["status"], found["onboarding_url"]) == ("connected", None)
    with db.job_transaction(connecting.tenant.id) as tx:
        assert accounts.follow(tx, waiting["account_id"], charges_enabled=False) == "applied"
    assert connecting.read()["status"] == "restricted"


def test_asking_again_gives_another_link_for_the_same_account(connecting, platform):  # noqa: F811
    for _ in range(2):
        connecting.ask("connect")
        connecting.send("stripe.account.create")
        connecting.apply()

    first, second = connecting.outbox("stripe.account.create")
    assert first["payload"]["gateway"]["account_id"] is None
    assert second["payload"]["gateway"]["account_id"] == connecting.read()["account_id"]
    assert len(connecting.fake.store.every("relation")) == 1


def test_without_a_platform_the_failure_is_shown(connecting):  # noqa: F811
    connecting.ask("connect")
    connecting.send("stripe.account.create")
    connecting.apply()

    found = connecting.read()
    assert found["status"] == "failed"
    assert "no key" in found["error"]
    assert connecting.ask("connect")["status"] == "pending"


def test_access_that_is_withdrawn_at_stripe_ends_here_too(connecting):  # noqa: F811
    connecting.connected()

    with db.job_transaction(connecting.tenant.id) as tx:
        assert accounts.deauthorized(tx) == "applied"
        assert accounts.deauthorized(tx) == "unchanged"

    found = connecting.read()
    assert (found["status"], found["error"]) == ("disconnected", "Access was withdrawn at Stripe.")
    assert len(connecting.outbox("stripe.account.disconnect")) == 1


def test_every_request_keeps_to_its_budget(counting_proxy, invoke):  # noqa: F811
    def counted(**request: Any) -> int:
        counting_proxy.reset(connects=False)
        assert invoke(ACCOUNT, **request).status < 300
        return int(counting_proxy.flights)

    # The first request pays for its connection.
    invoke(ACCOUNT)

    assert counted() == 2
    assert counted(method="POST", body={"mode": "key"}, headers={"Idempotency-Key": "k"}) == 4
    assert counted(method="DELETE", headers={"If-Match": invoke(ACCOUNT).etag}) == 4
