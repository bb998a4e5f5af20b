"""Connecting a tenant's Stripe account: the key comes in past the database, and goes nowhere else."""

import importlib
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway import db
from clientway.integrations.stripe import accounts, keys, secrets, tickets
from clientway.integrations.stripe.account_schemas import StripeAccount, StripeConnecting
from clientway.integrations.stripe.client import client
from tests.lifecycle.test_organization_flights import counting_proxy  # noqa: F401  (a fixture)
from tests.routes import state

KEY = b"test-ticket-key-test-ticket-key-00"
ACCOUNT = "integrations/stripe_account"


@pytest.fixture
def connecting(invoke, tenant, fake_stripe, outside, admin_engine):
    """What an administrator does, step by step, and what happens behind it."""
    return Connecting(invoke, tenant, fake_stripe, outside, admin_engine)


class Connecting:
    def __init__(self, invoke: Any, tenant: Any, fake: Any, outside: Any, engine: Any) -> None:
        self.invoke, self.tenant, self.fake, self.outside, self.engine = invoke, tenant, fake, outside, engine

    def read(self) -> Any:
        answer = self.invoke(ACCOUNT)
        assert answer.status == 200
        StripeAccount.model_validate_json(answer.body)
        return answer.json

    def ask(self, mode: str = "key", **more: Any) -> Any:
        answer = self.invoke(ACCOUNT, method="POST", body={"mode": mode}, **more)
        assert answer.status == 201, answer.body
        StripeConnecting.model_validate_json(answer.body)
        return answer.json

    def hand_in(self, ticket: str, key: str, **more: Any) -> Any:
        return self.invoke("integrations/stripe_key", body={"ticket": ticket, "restricted_key": key, **more}, token=None)

    def apply(self) -> list[dict[str, Any]]:
        """What the consumer does with what senders report."""
        told = self.outside.told()
        for one in told:
            with db.job_transaction(UUID(one["tenant_id"])) as tx:
                error = one["error"]["message"] if one["error"] else None
                accounts.reported(tx, one["topic"], one["payload"], one["result"] or {}, error)
        return told

    def connected(self) -> tuple[str, str, Any]:
        """Everything at once: the account at Stripe, its key, and the account here."""
        account_id, key = self.fake.add_account("Ruiz Cleaning")
        assert self.hand_in(self.ask()["upload"]["ticket"], key).status == 202
        self.apply()
        return account_id, key, self.read()

    def outbox(self, topic: str) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                text("select id, payload from outbox where tenant_id = :t and topic = :topic order by id"),
                {"t": self.tenant.id, "topic": topic},
            )
            return [{"id": str(row.id), "tenant_id": str(self.tenant.id), "topic": topic, "payload": row.payload} for row in rows]

    def send(self, topic: str) -> None:
        """What the relay and the sender do with the newest request."""
        from clientway.integrations.stripe import sending

        sending.send(json.dumps(self.outbox(topic)[-1]), last=False)


# ---- By a key


def test_before_anything_was_connected_there_is_nothing(connecting):
    assert connecting.read() == {
        "status": "none", "mode": None, "endpoint_id": None, "account_id": None, "livemode": None, "key_hint": None, "onboarding_url": None,
        "error": None, "version": None, "updated_at": None,
    }  # fmt: skip


def test_a_key_is_handed_in_and_the_account_is_connected(connecting, admin_engine, tenant):
    account_id, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    endpoint = asked["endpoint_id"]
    assert (asked["status"], asked["upload"]["url"]) == ("pending", "http://127.0.0.1:3000/api/integrations/stripe/key")

    answer = connecting.hand_in(asked["upload"]["ticket"], f"  {key} ")

    hint = f"rk_test_…{key[-4:]}"
    assert (answer.status, answer.json) == (202, {"account_id": account_id, "livemode": False, "key_hint": hint, "webhook": "created"})
    assert connecting.read()["status"] == "pending"
    connecting.apply()
    found = connecting.read()
    assert (found["status"], found["account_id"], found["livemode"], found["key_hint"]) == ("connected", account_id, False, hint)
    (hook,) = client(key).v1.webhook_endpoints.list().data
    assert hook.url == f"http://127.0.0.1:3000/api/webhooks/stripe/{endpoint}"
    assert list(hook.enabled_events) == list(keys.EVENTS)
    kept = connecting.outside.kept(endpoint)
    assert kept == {"key": key, "webhook_secret": connecting.fake.store.hook(hook.id)[0], "webhook_id": hook.id}
    parameter = connecting.outside.ssm.describe_parameters()["Parameters"][0]
    assert parameter["Type"] == "SecureString"
    actions = _audit(admin_engine, tenant)
    assert actions == ["stripe_account.connecting", "stripe_account.connected"]


def test_the_key_is_nowhere_but_where_keys_are(connecting, admin_engine, tenant, capfd, caplog):
    # Below that botocore and stripe write whole bodies; no function runs so.
    caplog.set_level("INFO")
    account_id, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()

    answer = connecting.hand_in(asked["upload"]["ticket"], key)
    refused = connecting.hand_in(asked["upload"]["ticket"], key + "x")
    malformed = connecting.hand_in(asked["upload"]["ticket"], key + " !")
    told = connecting.apply()

    secret = connecting.outside.kept(asked["endpoint_id"])["webhook_secret"]
    rows = json.dumps(state(admin_engine, tenant))
    out, err = capfd.readouterr()
    assert account_id in rows
    assert (answer.status, refused.status, malformed.status) == (202, 422, 422)
    seen = [
        rows,
        json.dumps(told),
        answer.body,
        str(answer.headers),
        refused.body,
        malformed.body,
        out,
        err,
        caplog.text,
        str(secrets._known),
    ]
    assert [place for place, one in enumerate(seen) if key in one or secret in one] == []


def test_another_key_of_the_same_account_takes_its_place_at_once(connecting):
    account_id, key, before = connecting.connected()
    other = "rk_test_anotherKeyOfTheSameAccount"
    connecting.fake.store.add_key(other, account_id)
    kept = connecting.outside.kept(before["endpoint_id"])

    asked = connecting.ask()
    answer = connecting.hand_in(asked["upload"]["ticket"], other)
    connecting.apply()

    assert (answer.status, answer.json["webhook"]) == (202, "kept")
    assert connecting.outside.kept(before["endpoint_id"]) == {**kept, "key": other}
    found = connecting.read()
    assert (asked["status"], found["status"], found["endpoint_id"]) == ("connected", "connected", before["endpoint_id"])
    assert found["key_hint"] == "rk_test_…ount"
    assert len(client(key).v1.webhook_endpoints.list().data) == 1


def test_a_webhook_that_is_gone_is_made_anew_and_both_secrets_hold(connecting):
    _, key, before = connecting.connected()
    kept = connecting.outside.kept(before["endpoint_id"])
    client(key).v1.webhook_endpoints.delete(kept["webhook_id"])

    answer = connecting.hand_in(connecting.ask()["upload"]["ticket"], key)

    now = connecting.outside.kept(before["endpoint_id"])
    assert answer.json["webhook"] == "created"
    assert now["previous_webhook_secret"] == kept["webhook_secret"] != now["webhook_secret"]
    assert secrets.webhook_secrets(before["endpoint_id"]) == (now["webhook_secret"], kept["webhook_secret"])


def test_a_webhook_whose_secret_nobody_knows_is_replaced(connecting):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    events: Any = ["refund.created"]
    client(key).v1.webhook_endpoints.create({"url": keys.webhook_url(asked["endpoint_id"]), "enabled_events": events})

    assert connecting.hand_in(asked["upload"]["ticket"], key).status == 202

    (hook,) = client(key).v1.webhook_endpoints.list().data
    assert connecting.outside.kept(asked["endpoint_id"])["webhook_secret"] == connecting.fake.store.hook(hook.id)[0]


def test_a_key_that_may_not_make_webhooks_comes_with_a_secret(connecting):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    connecting.fake.trouble.forbid = "/v1/webhook_endpoints"
    ticket = connecting.ask()["upload"]["ticket"]

    refused = connecting.hand_in(ticket, key)
    taken = connecting.hand_in(ticket, key, webhook_secret="whsec_madeAtStripe")

    assert (refused.status, refused.json["errors"][0]["pointer"], refused.json["errors"][0]["code"]) == (422, "#/webhook_secret", "missing")
    assert "/api/webhooks/stripe/" in refused.json["errors"][0]["message"]
    assert (taken.status, taken.json["webhook"]) == (202, "given")


# ---- Refusals


def test_a_key_of_another_account_is_refused_while_one_is_connected(connecting):
    account_id, key, before = connecting.connected()
    _, other = connecting.fake.add_account("Somebody else")

    answer = connecting.hand_in(connecting.ask()["upload"]["ticket"], other)

    assert (answer.status, answer.json["errors"][0]["code"]) == (422, "another_account")
    assert account_id in answer.json["errors"][0]["message"]
    assert connecting.outside.kept(before["endpoint_id"])["key"] == key
    assert client(other).v1.webhook_endpoints.list().data == []


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("rk_test_nobodyKnowsThisOne", "refused_by_stripe"),
        ("pk_test_publishable123456", "string_pattern_mismatch"),
        ("rk_test_short", "string_pattern_mismatch"),
        ("", "string_pattern_mismatch"),
        ("rk_test_with\u0000nulnulnul", "string_pattern_mismatch"),
    ],
)
def test_what_is_no_key_is_refused(connecting, key, code):
    answer = connecting.hand_in(connecting.ask()["upload"]["ticket"], key)

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, "#/restricted_key", code)
    assert connecting.outside.told() == []


def test_tickets_end_after_ten_minutes(connecting, monkeypatch):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    ticket = connecting.ask()["upload"]["ticket"]
    late = time.time() + 601
    monkeypatch.setattr(importlib.import_module("integrations.stripe_key").time, "time", lambda: late)

    answer = connecting.hand_in(ticket, key)

    assert (answer.status, answer.json["code"]) == (401, "ticket_refused")
    assert connecting.outside.told() == []


TICKET = tickets.Ticket(str(uuid4()), str(uuid4()), "acct_1", 2_000_000_000)
SIGNED = tickets.issue(TICKET, KEY)


@given(place=st.integers(0, len(SIGNED) - 1), other=st.characters(max_codepoint=0x2FF))
def test_a_ticket_with_another_letter_is_refused(place, other):
    if other == SIGNED[place]:
        return
    with pytest.raises(tickets.BadTicket):
        tickets.verify(SIGNED[:place] + other + SIGNED[place + 1 :], KEY, now=0)


@pytest.mark.parametrize("given", ["", ".", "a.b", SIGNED + "A", SIGNED.partition(".")[0], "A" * 2000])
def test_what_is_no_ticket_is_refused(given):
    with pytest.raises(tickets.BadTicket):
        tickets.verify(given, KEY, now=0)


def test_a_ticket_says_what_it_was_issued_for():
    assert tickets.verify(SIGNED, KEY, now=1_999_999_999) == TICKET
    with pytest.raises(tickets.BadTicket):
        tickets.verify(SIGNED, KEY, now=2_000_000_000)
    with pytest.raises(tickets.BadTicket):
        tickets.verify(SIGNED, b"another-key-another-key-another-", now=0)
    with pytest.raises(ValueError, match="32 bytes"):
        tickets.issue(TICKET, b"short")
    assert tickets.issue(replace(TICKET, account_id=None), KEY) != SIGNED


@pytest.mark.parametrize("trouble", [[500, 500], [429, 429]])
def test_while_stripe_is_away_nothing_is_kept(connecting, trouble):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    connecting.fake.trouble.fail = list(trouble)

    answer = connecting.hand_in(asked["upload"]["ticket"], key)

    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "stripe_unavailable", "5")
    assert connecting.outside.kept(asked["endpoint_id"]) is None
    connecting.fake.trouble.fail = []
    assert connecting.hand_in(asked["upload"]["ticket"], key).status == 202


def test_a_report_that_cannot_be_queued_is_handed_in_again(connecting, monkeypatch):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    ticket = connecting.ask()["upload"]["ticket"]
    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", f"{connecting.outside.queue}-nowhere")
    assert connecting.hand_in(ticket, key).status == 503
    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", connecting.outside.queue)

    again = connecting.hand_in(ticket, key)

    assert (again.status, again.json["webhook"]) == (202, "kept")
    assert len(connecting.apply()) == 1


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


def test_a_ticket_is_not_kept_for_replays(connecting, invoke):
    headers = {"Idempotency-Key": "connect-1"}
    connecting.ask(headers=headers)

    again = invoke(ACCOUNT, method="POST", body={"mode": "key"}, headers=headers)

    assert (again.status, again.json["code"]) == (409, "secret_shown_once")


def test_the_other_mode_needs_a_disconnection_first(connecting, invoke):
    connecting.connected()

    answer = invoke(ACCOUNT, method="POST", body={"mode": "connect"})

    assert (answer.status, answer.json["code"]) == (409, "stripe_connected")


def test_an_account_is_one_tenants(connecting, other_tenant, invoke):
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


def test_disconnecting_forgets_the_key_and_keeps_the_books(connecting, invoke):
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


def test_a_key_that_comes_after_the_disconnection_is_deleted(connecting, invoke):
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    connecting.hand_in(asked["upload"]["ticket"], key)
    invoke(ACCOUNT, method="DELETE", headers={"If-Match": f'"{asked["version"]}"'})
    connecting.send("stripe.account.disconnect")

    connecting.hand_in(asked["upload"]["ticket"], key)
    connecting.apply()
    connecting.send("stripe.account.disconnect")

    assert connecting.read()["status"] == "disconnected"
    assert len(connecting.outbox("stripe.account.disconnect")) >= 2
    assert connecting.outside.kept(asked["endpoint_id"]) is None


def test_nothing_to_disconnect_is_not_found(invoke):
    assert invoke(ACCOUNT, method="DELETE", headers={"If-Match": '"1"'}).status == 404


def test_nobody_disconnects_anothers_account(connecting, invoke, other_tenant, admin_engine):
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


def test_an_account_under_the_platforms_is_set_up_at_stripe(connecting, platform):
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


def test_asking_again_gives_another_link_for_the_same_account(connecting, platform):
    for _ in range(2):
        connecting.ask("connect")
        connecting.send("stripe.account.create")
        connecting.apply()

    first, second = connecting.outbox("stripe.account.create")
    assert first["payload"]["gateway"]["account_id"] is None
    assert second["payload"]["gateway"]["account_id"] == connecting.read()["account_id"]
    assert len(connecting.fake.store.every("relation")) == 1


def test_without_a_platform_the_failure_is_shown(connecting):
    connecting.ask("connect")
    connecting.send("stripe.account.create")
    connecting.apply()

    found = connecting.read()
    assert found["status"] == "failed"
    assert "no key" in found["error"]
    assert connecting.ask("connect")["status"] == "pending"


def test_access_that_is_withdrawn_at_stripe_ends_here_too(connecting):
    connecting.connected()

    with db.job_transaction(connecting.tenant.id) as tx:
        assert accounts.deauthorized(tx) == "applied"
        assert accounts.deauthorized(tx) == "unchanged"

    found = connecting.read()
    assert (found["status"], found["error"]) == ("disconnected", "Access was withdrawn at Stripe.")
    assert len(connecting.outbox("stripe.account.disconnect")) == 1


def _audit(engine: Any, tenant: Any) -> list[str]:
    with engine.connect() as connection:
        rows = connection.scalars(text("select action from audit_log where tenant_id = :t order by at, id"), {"t": tenant.id})
        return [action for action in rows if action.startswith("stripe_account")]


def test_every_request_keeps_to_its_budget(counting_proxy, invoke):  # noqa: F811
    def counted(**request: Any) -> int:
        counting_proxy.reset(connects=False)
        assert invoke(ACCOUNT, **request).status < 300
        return int(counting_proxy.flights)

    # The first request pays for its connection.
    invoke(ACCOUNT)

    assert counted() == 2
    assert counted(method="POST", body={"mode": "key"}, headers={"Idempotency-Key": "k"}) == 4
    assert counted(method="DELETE", headers={"If-Match": invoke(ACCOUNT).etag}) == 3
