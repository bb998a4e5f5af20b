"""The connection lost around COMMIT while money moves: no loss, no double, whoever asks again."""

from uuid import uuid4

import pytest

from tests.billing.paying import client as _client
from tests.test_db import proxy as _proxy

client = _client
proxy = _proxy


def pay(client):
    body = {"amount_cents": 1500, "invoice_id": client.invoice(1100, 100)}
    return "organization_payments", {"organization_id": client.organization_id}, body, {"worth": 1000, "payments": 1, "payment_received": 1}


def refund(client):
    paid = client.pay(1100, invoice_id=client.invoice(1100, 100))
    after = {"worth": 500, "payments": 1, "refunds": 1, "payment_received": 1, "payment_refunded": 1}
    return "payment_refunds", {"payment_id": paid["id"]}, {"amount_cents": 550, "reopen": True}, after


def apply(client):
    paid = client.pay(2000)
    return (
        "payment_allocations",
        {"payment_id": paid["id"]},
        {"invoice_id": client.invoice(1100, 100)},
        {"worth": 1000, "payments": 1, "payment_received": 1},
    )


def dispute(client):
    paid = client.pay(1100, invoice_id=client.invoice(1100, 100))
    after = {"worth": 1000, "payments": 1, "disputes": 1, "payment_received": 1, "payment_disputed": 1}
    return "payment_disputes", {"payment_id": paid["id"]}, {"amount_cents": 550}, after


def books(client):
    """What there is of the client's money."""
    tables = {name: len(client.rows(f"select id from {name} where tenant_id = :t")) for name in ("payments", "refunds", "disputes")}
    told = {kind: len(client.told(kind)) for kind in ("payment_received", "payment_refunded", "payment_disputed")}
    return {name: count for name, count in {"worth": client.worth(), **tables, **told}.items() if count}


@pytest.mark.parametrize("arrange", [pay, refund, apply, dispute])
@pytest.mark.parametrize("where", ["before it arrives", "after it is answered"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "always"])
def test_money_moves_once_though_the_answer_to_commit_is_lost(client, invoke, proxy, arrange, where, once):
    function, path, body, after = arrange(client)
    headers, before = {"Idempotency-Key": uuid4().hex}, books(client)
    invoke("billing/payments")
    commits = proxy.cut_commits(where, once=once)
    answer = invoke(f"billing/{function}", method="POST", path=path, body=body, headers=headers)
    proxy.heal()

    assert commits
    if once:
        assert answer.status == 201, answer.body
        assert books(client) == after
    else:
        assert (answer.status, answer.json["code"]) == (503, "commit_unknown")
        assert books(client) == (before if where == "before it arrives" else after)
    again = invoke(f"billing/{function}", method="POST", path=path, body=body, headers=headers)
    done = once or where == "after it is answered"
    assert (again.status, again.headers.get("Idempotent-Replayed")) == (201, "true" if done else None), again.body
    assert books(client) == after
