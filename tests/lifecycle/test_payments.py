"""Payments, and the client that the first one makes."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway.errors import Problem
from clientway.lifecycle.payments import rules
from clientway.lifecycle.payments.schemas import Payment, PaymentWithOrganization
from clientway.schemas import Page

ROW = {"status": "paid", "due_on": None, "paid_at": "x", "disputed_at": None, "dispute_closed_at": None}


@pytest.mark.parametrize(
    ("row", "pointer"),
    [
        ({"status": "due", "paid_at": None}, "#/due_on"),
        ({"status": "due", "due_on": "2026-01-01"}, "#/paid_at"),
        ({"status": "void"}, "#/paid_at"),
        ({"status": "due", "due_on": "2026-01-01", "paid_at": None, "disputed_at": 1}, "#/disputed_at"),
        ({"dispute_closed_at": 2}, "#/dispute_closed_at"),
        ({"disputed_at": 3, "dispute_closed_at": 2}, "#/dispute_closed_at"),
    ],
)
def test_what_does_not_fit_together_is_refused(row, pointer):
    with pytest.raises(Problem) as refusal:
        rules.check(ROW | row)
    assert [error.pointer for error in refusal.value.errors] == [pointer]


@pytest.mark.parametrize("current", rules.NEXT)
@pytest.mark.parametrize("target", rules.NEXT)
def test_money_goes_one_way(current, target):
    if target == current or target in rules.NEXT[current]:
        rules.check_move(current, target)
    else:
        with pytest.raises(rules.PaymentMoveRefused):
            rules.check_move(current, target)


@pytest.fixture
def organization(invoke):
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro"}).json


@pytest.fixture
def pay(invoke, organization):
    """Record a payment; a key of its own each time unless one is given."""
    keys = iter(range(1000))

    def call(body, key=None, token=None):
        more = {} if token is None else {"token": token}
        headers = {"Idempotency-Key": key or f"k{next(keys)}"}
        return invoke(
            "lifecycle/organization_payments",
            method="POST",
            path={"organization_id": organization["id"]},
            body=body,
            headers=headers,
            **more,
        )

    return call


def change(invoke, payment_id, body, version):
    return invoke("lifecycle/payment", method="PATCH", path={"payment_id": payment_id}, body=body, headers={"If-Match": f'"{version}"'})


def account(invoke, organization):
    [found] = [one for one in invoke("lifecycle/client_accounts").json["data"] if one["organization"]["id"] == organization["id"]]
    return found


def test_the_first_payment_makes_a_client(invoke, organization, pay, tenant, admin_engine):
    due = pay({"amount_cents": 4900, "status": "due", "due_on": "2026-11-30"})
    assert (due.status, Payment.model_validate_json(due.body).paid_at) == (201, None)
    path = {"organization_id": organization["id"]}
    assert invoke("lifecycle/organization", path=path).json["lifecycle_stage"] == "lead"

    paid = change(invoke, due.json["id"], {"status": "paid"}, 1)
    assert (paid.status, paid.json["paid_at"] is not None, paid.etag) == (200, True, '"2"')
    assert invoke("lifecycle/organization", path=path).json["lifecycle_stage"] == "client"
    assert account(invoke, organization)["total_revenue_cents"] == 4900
    pay({"amount_cents": 100, "status": "paid"})
    pay({"amount_cents": 7, "status": "paid", "currency": "EUR"})
    assert account(invoke, organization)["total_revenue_cents"] == 5000
    assert change(invoke, due.json["id"], {"status": "void"}, 2).json["paid_at"] is None
    assert account(invoke, organization)["total_revenue_cents"] == 100
    [move] = invoke("lifecycle/organization_transitions", path=path).json["data"]
    assert (move["trigger"], move["to_stage"]) == ("first_payment", "client")
    with admin_engine.connect() as connection:
        topics = connection.execute(text("select topic from outbox where tenant_id = :t order by id"), {"t": tenant.id}).scalars().all()
    assert topics.count("payment.received") == 3


def test_money_counts_once(invoke, organization, pay):
    path, body = {"organization_id": organization["id"]}, {"amount_cents": 4900, "status": "paid"}
    without = invoke("lifecycle/organization_payments", method="POST", path=path, body=body)
    assert (without.status, without.json["errors"][0]["pointer"]) == (400, "#/header/idempotency-key")
    first, second = pay(body, key="a"), pay(body, key="a")
    assert (second.body, second.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert pay(body | {"amount_cents": 1}, key="a").status == 422
    assert len(invoke("lifecycle/organization_payments", path=path).json["data"]) == 1


def test_a_dispute_is_opened_and_closed(invoke, organization, pay):
    payment = pay({"amount_cents": 4900, "status": "paid"}).json
    at = datetime.now(UTC) - timedelta(hours=1)
    opened = change(invoke, payment["id"], {"disputed_at": at.isoformat()}, 1)
    assert opened.json["disputed_at"] is not None
    health = invoke("lifecycle/client_account_health", path={"client_account_id": account(invoke, organization)["id"]}).json
    assert next(part for part in health["components"] if part["name"] == "payment")["inputs"]["open_disputes"] == 1
    early = change(invoke, payment["id"], {"dispute_closed_at": (at - timedelta(hours=1)).isoformat()}, 2)
    assert (early.status, early.json["errors"][0]["pointer"]) == (422, "#/dispute_closed_at")
    assert change(invoke, payment["id"], {"dispute_closed_at": (at + timedelta(minutes=1)).isoformat()}, 2).status == 200


def test_what_cannot_be_is_refused(invoke, pay, tenant, other_tenant):
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert pay({"amount_cents": 1, "status": "paid", "paid_at": ahead}).json["errors"][0]["code"] == "in_the_future"
    assert pay({"amount_cents": 1, "status": "due"}).json["errors"][0]["pointer"] == "#/due_on"
    for amount in (0, -1, 1.5, "1", True, 10**16):
        assert pay({"amount_cents": amount, "status": "paid"}).status == 422, amount
    assert pay({"amount_cents": 1, "status": "void"}).status == 422
    assert pay({"amount_cents": 1, "status": "paid"}, token=tenant.editor).status == 403
    assert pay({"amount_cents": 1, "status": "paid"}, token=other_tenant.admin).status == 404
    payment = pay({"amount_cents": 1, "status": "paid"}).json
    assert change(invoke, payment["id"], {"amount_cents": 2}, 1).status == 422
    assert change(invoke, payment["id"], {"status": "due", "due_on": "2026-12-01"}, 1).json["legal"] == ["void"]
    assert invoke("lifecycle/payment", path={"payment_id": payment["id"]}, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/payment", path={"payment_id": payment["id"]}, token=tenant.viewer).status == 200


def test_payments_are_listed(invoke, organization, pay):
    for amount in (1, 2, 3):
        pay({"amount_cents": amount, "status": "due", "due_on": "2026-12-01"})
    pay({"amount_cents": 4, "status": "paid"})
    path = {"organization_id": organization["id"]}
    first = invoke("lifecycle/organization_payments", path=path, query={"limit": 3, "status": "due"})
    assert [one.amount_cents for one in Page[Payment].model_validate_json(first.body).data] == [3, 2, 1]
    everything = Page[PaymentWithOrganization].model_validate_json(invoke("lifecycle/payments", query={"status": "paid"}).body)
    assert [(one.amount_cents, one.organization.name) for one in everything.data] == [(4, "Blue Bistro")]
