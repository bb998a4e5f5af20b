"""How often a warm request that moves money turns to the database."""

from uuid import uuid4

import pytest

from tests.billing.paying import client as _client
from tests.billing.paying import keyed
from tests.test_db import proxy as _proxy

client = _client
counting_proxy = _proxy


@pytest.fixture
def flights(counting_proxy, invoke):
    """Call a handler and count."""

    def call(function, **how):
        counting_proxy.reset(connects=False)
        answer = invoke(f"billing/{function}", **how)
        assert answer.status < 400, answer.body
        return counting_proxy.flights, answer

    return call


def test_every_request_keeps_to_its_budget(flights, client):
    of, counted = {"organization_id": client.organization_id}, {}

    def post(name, function, path, body):
        counted[name], answer = flights(function, method="POST", path=path, body=body, headers=keyed())
        return answer.json

    client.pay(1)
    first, second = client.invoice(1000), client.invoice(1000)
    paid = post("record payment", "organization_payments", of, {"amount_cents": 1500, "invoice_id": first})
    post("record payment of an invoice", "payments", None, {"amount_cents": 100, "invoice_id": second})
    post("record credit", "organization_payments", of, {"amount_cents": 500})
    path = {"payment_id": paid["id"]}
    allocation = post("apply credit", "payment_allocations", path, {"invoice_id": second})
    post("refund", "payment_refunds", path, {"amount_cents": 100})
    post("refund that reopens", "payment_refunds", path, {"amount_cents": 100, "reopen": True})
    dispute = post("dispute", "payment_disputes", path, {"amount_cents": 100})
    match = {"If-Match": f'"{dispute["version"]}"'}
    counted["lose dispute"], _ = flights(
        "dispute", method="PATCH", path={"dispute_id": dispute["id"]}, body={"status": "lost"}, headers=match
    )
    counted["read payment"], now = flights("payment", path=path)
    match = {"If-Match": now.etag}
    counted["release"], _ = flights("payment_allocation", method="DELETE", path={**path, "allocation_id": allocation["id"]}, headers=match)
    counted["list payments"], _ = flights("payments")
    counted["list payments of one"], _ = flights("organization_payments", path=of)
    counted["list refunds"], _ = flights("payment_refunds", path=path)
    counted["list disputes"], _ = flights("disputes")
    counted["list ledger"], _ = flights("client_ledger", path={"contact_id": client.contact_id})

    budget = dict.fromkeys(counted, 2) | {
        "record payment": 5, "record payment of an invoice": 5, "record credit": 4, "apply credit": 5, "refund": 5,
        "refund that reopens": 5, "dispute": 5, "lose dispute": 5, "release": 4,
    }  # fmt: skip
    print(counted)
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted


def test_the_payment_that_makes_a_client_moves_their_stage(flights, client):
    invoice_id = client.invoice(1000)
    path, body = {"organization_id": client.organization_id}, {"amount_cents": 1000, "invoice_id": invoice_id}

    count, _ = flights("organization_payments", method="POST", path=path, body=body, headers=keyed())

    assert count <= 5


def test_a_payment_of_many_invoices_takes_no_more_flights_than_one(flights, client):
    client.pay(1)
    owed, counted = [str(client.invoice(1000)) for _ in range(5)], {}

    def post(name, function, path, body):
        counted[name], answer = flights(function, method="POST", path=path, body=body, headers=keyed())
        return answer.json

    allocations = [{"invoice_id": one, "amount_cents": 1000} for one in owed]
    body = {"contact_id": str(client.contact_id), "amount_cents": 5000, "allocations": allocations}
    paid = post("record", "payments", None, body)
    path = {"payment_id": paid["id"]}
    post("refund", "payment_refunds", path, {"amount_cents": 1500})
    post("refund that reopens two", "payment_refunds", path, {"amount_cents": 1500, "reopen": True})
    dispute = post("dispute", "payment_disputes", path, {"amount_cents": 2000})
    match = {"If-Match": f'"{dispute["version"]}"'}
    counted["lose dispute"], _ = flights(
        "dispute", method="PATCH", path={"dispute_id": dispute["id"]}, body={"status": "lost"}, headers=match
    )

    seen = [client.invoke("billing/invoice", path={"invoice_id": one}).json for one in owed]
    stands = [("open", 500), *[("open", 1000)] * 3, ("paid", 0)]
    assert sorted((one["status"], one["balance_cents"]) for one in seen) == stands
    assert {name: count for name, count in counted.items() if count > 5} == {}, counted


def test_the_first_money_of_a_private_client_keeps_to_the_budget(flights, client):
    counted = {}

    def fresh():
        made = client.invoke(
            "lifecycle/clients", method="POST", body={"first_name": "Ada", "email": f"{uuid4().hex}@private.example"}, headers=keyed()
        )
        assert made.status == 201, made.body
        return made.json["id"]

    lines = [{"description": "Visit", "quantity": 1, "unit_price_cents": 1000}]
    for _ in range(2):  # the first of each warms up
        counted["pay"], _ = flights("payments", method="POST", body={"contact_id": fresh(), "amount_cents": 500}, headers=keyed())
        body = {"contact_id": fresh(), "lines": lines, "open": True}
        counted["invoice"], _ = flights("invoices", method="POST", body=body, headers=keyed())

    assert {name: count for name, count in counted.items() if count > 6} == {}, counted
