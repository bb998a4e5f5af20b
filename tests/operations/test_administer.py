"""What an operator asks for by `aws lambda invoke`, through the handler."""

import importlib
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.migrations import run
from tests.fixtures import LambdaContext


@pytest.fixture
def ask(admin_url, database_url, monkeypatch):
    """Call the function as the administrator of this worker's database."""
    monkeypatch.setenv("ADMIN_DATABASE_URL", admin_url)
    return lambda **event: importlib.import_module("operations.administer").handler(event, LambdaContext())


@pytest.fixture
def slug(ask):
    """A tenant made by the function."""
    name = f"op-{uuid4().hex[:8]}"
    made = ask(command="tenant create", name="Op", slug=name, admin_email=f"{name}@staff.example", currency="EUR")
    assert set(made) == {"tenant_id", "user_id", "sign_in_url"}
    return name


def test_a_new_tenants_administrator_can_sign_in(slug, invoke, admin_engine):
    assert invoke("identity/sign_in_email", body={"email": f"{slug}@staff.example"}, token=None).status == 202

    with admin_engine.connect() as connection:
        mailed = connection.scalar(
            text("select o.payload ->> 'to' from outbox o join tenants t using (tenant_id) where t.slug = :s"), {"s": slug}
        )
    assert mailed == f"{slug}@staff.example"


def test_a_key_opens_the_api_until_it_is_revoked(ask, slug, invoke):
    key = ask(command="api-key create", tenant=slug, name="by hand", role="editor", days=7)

    assert invoke("identity/me", token=key["token"]).json["role"] == "editor"
    assert ask(command="api-key revoke", key=key["token"]) == {"revoked": key["id"]}
    assert invoke("identity/me", token=key["token"]).status == 401


def test_somebody_is_invited(ask, slug, admin_engine):
    answer = ask(command="user invite", tenant=slug, email=f"second-{slug}@staff.example", role="admin")

    assert answer["sign_in_url"].endswith("/sign-in")
    with admin_engine.connect() as connection:
        role = connection.scalar(text("select role from memberships where user_id = :u"), {"u": answer["user_id"]})
    assert role == "admin"


@pytest.mark.parametrize(
    "sender", ["+13055550100", "pool-0a1b2c", "phone-0a1b2c", "CleanCo", "arn:aws:sms-voice:us-east-1:123456789012:pool/pool-0a1b"]
)
def test_a_tenant_texts_from_a_number_a_pool_or_a_name(ask, slug, invoke, sender):
    assert ask(command="tenant sms-sender", tenant=slug, sender=sender)["sms_sender"] == sender
    key = ask(command="api-key create", tenant=slug, name="by hand")

    assert invoke("messaging/messaging_settings", token=key["token"]).json["sms_sender"] == sender
    assert ask(command="tenant sms-sender", tenant=slug, sender=None)["sms_sender"] is None
    shown = invoke("messaging/messaging_settings", token=key["token"]).json
    assert (shown["sms_sender"], shown["version"]) == (None, 2)
    assert ask(command="tenant sms-sender", tenant="nobody", sender=sender)["status"] == 404


def test_what_is_no_sender_is_refused(ask, slug):
    assert ask(command="tenant sms-sender", tenant=slug, sender="305 555 0100")["status"] == 422


def test_the_state_of_the_schema(ask):
    assert ask(command="status") == {"revision": run.newest(), "newest": run.newest()}


@pytest.mark.parametrize(
    ("event", "status", "pointer"),
    [
        ({}, 422, "#/command"),
        ({"command": "tenant drop"}, 422, "#/command"),
        ({"command": "tenant create", "name": "N", "slug": "Has Space", "admin_email": "a@b.example"}, 422, "#/slug"),
        ({"command": "api-key create", "tenant": "t", "name": "n", "role": "owner"}, 422, "#/role"),
        ({"command": "api-key create", "tenant": "t", "name": "n", "days": 0}, 422, "#/days"),
        ({"command": "user invite", "tenant": "t", "email": "a@b.example", "extra": 1}, 422, "#/extra"),
        ({"command": "user invite", "tenant": "nobody-here", "email": "a@b.example"}, 404, None),
        ({"command": "api-key revoke", "key": "unknown"}, 404, None),
    ],
)
def test_what_is_refused_comes_back_as_a_problem(ask, event, status, pointer):
    problem = ask(**event)

    assert problem["status"] == status
    assert pointer is None or pointer in [error["pointer"] for error in problem["errors"]]


def test_the_log_says_which_command_and_nothing_of_it(ask, slug, monkeypatch):
    told = []
    monkeypatch.setattr(importlib.import_module("operations.administer").logger, "info", lambda *said, **more: told.append((said, more)))
    ask(command="api-key create", tenant=slug, name="quiet")
    ask(command="user invite", tenant=slug, email=f"quiet-{slug}@staff.example")

    assert told == [
        (("command",), {"extra": {"command": "api-key create"}}),
        (("command",), {"extra": {"command": "user invite"}}),
        # What the relay listens for.
        (("effects wait",), {}),
    ]
