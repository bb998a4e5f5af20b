"""A tenant's Stripe key: it comes in past the database, and goes nowhere else; its tickets."""

import importlib
import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.integrations.stripe import keys, secrets, tickets
from clientway.integrations.stripe.client import client
from tests.integrations.connecting import ACCOUNT, connecting  # noqa: F401  (a fixture)
from tests.routes import state

KEY = b"test-ticket-key-test-ticket-key-00"


def test_a_key_is_handed_in_and_the_account_is_connected(connecting, admin_engine, tenant):  # noqa: F811
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


def test_the_key_is_nowhere_but_where_keys_are(connecting, admin_engine, tenant, capfd, caplog):  # noqa: F811
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


def test_another_key_of_the_same_account_takes_its_place_at_once(connecting):  # noqa: F811
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


def test_a_webhook_that_is_gone_is_made_anew_and_both_secrets_hold(connecting):  # noqa: F811
    _, key, before = connecting.connected()
    kept = connecting.outside.kept(before["endpoint_id"])
    client(key).v1.webhook_endpoints.delete(kept["webhook_id"])

    answer = connecting.hand_in(connecting.ask()["upload"]["ticket"], key)

    now = connecting.outside.kept(before["endpoint_id"])
    assert answer.json["webhook"] == "created"
    assert now["previous_webhook_secret"] == kept["webhook_secret"] != now["webhook_secret"]
    assert secrets.webhook_secrets(before["endpoint_id"]) == (now["webhook_secret"], kept["webhook_secret"])


def test_a_webhook_whose_secret_nobody_knows_is_replaced(connecting):  # noqa: F811
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    events: Any = ["refund.created"]
    client(key).v1.webhook_endpoints.create({"url": keys.webhook_url(asked["endpoint_id"]), "enabled_events": events})

    assert connecting.hand_in(asked["upload"]["ticket"], key).status == 202

    (hook,) = client(key).v1.webhook_endpoints.list().data
    assert connecting.outside.kept(asked["endpoint_id"])["webhook_secret"] == connecting.fake.store.hook(hook.id)[0]


def test_a_key_that_may_not_make_webhooks_comes_with_a_secret(connecting):  # noqa: F811
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    connecting.fake.trouble.forbid = "/v1/webhook_endpoints"
    ticket = connecting.ask()["upload"]["ticket"]

    refused = connecting.hand_in(ticket, key)
    taken = connecting.hand_in(ticket, key, webhook_secret="whsec_madeAtStripe")

    assert (refused.status, refused.json["errors"][0]["pointer"], refused.json["errors"][0]["code"]) == (422, "#/webhook_secret", "missing")
    assert "/api/webhooks/stripe/" in refused.json["errors"][0]["message"]
    assert (taken.status, taken.json["webhook"]) == (202, "given")


# ---- Refusals


def test_a_key_of_another_account_is_refused_while_one_is_connected(connecting):  # noqa: F811
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
def test_what_is_no_key_is_refused(connecting, key, code):  # noqa: F811
    answer = connecting.hand_in(connecting.ask()["upload"]["ticket"], key)

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, "#/restricted_key", code)
    assert connecting.outside.told() == []


def test_tickets_end_after_ten_minutes(connecting, monkeypatch):  # noqa: F811
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
def test_while_stripe_is_away_nothing_is_kept(connecting, trouble):  # noqa: F811
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    asked = connecting.ask()
    connecting.fake.trouble.fail = list(trouble)

    answer = connecting.hand_in(asked["upload"]["ticket"], key)

    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "stripe_unavailable", "5")
    assert connecting.outside.kept(asked["endpoint_id"]) is None
    connecting.fake.trouble.fail = []
    assert connecting.hand_in(asked["upload"]["ticket"], key).status == 202


def test_a_report_that_cannot_be_queued_is_handed_in_again(connecting, monkeypatch):  # noqa: F811
    _, key = connecting.fake.add_account("Ruiz Cleaning")
    ticket = connecting.ask()["upload"]["ticket"]
    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", f"{connecting.outside.queue}-nowhere")
    assert connecting.hand_in(ticket, key).status == 503
    monkeypatch.setenv("STRIPE_STATE_QUEUE_URL", connecting.outside.queue)

    again = connecting.hand_in(ticket, key)

    assert (again.status, again.json["webhook"]) == (202, "kept")
    assert len(connecting.apply()) == 1


def test_a_ticket_is_not_kept_for_replays(connecting, invoke):  # noqa: F811
    headers = {"Idempotency-Key": "connect-1"}
    connecting.ask(headers=headers)

    again = invoke(ACCOUNT, method="POST", body={"mode": "key"}, headers=headers)

    assert (again.status, again.json["code"]) == (409, "secret_shown_once")


def test_a_key_that_comes_after_the_disconnection_is_deleted(connecting, invoke):  # noqa: F811
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


def _audit(engine: Any, tenant: Any) -> list[str]:
    with engine.connect() as connection:
        rows = connection.scalars(text("select action from audit_log where tenant_id = :t order by at, id"), {"t": tenant.id})
        return [action for action in rows if action.startswith("stripe_account")]
