"""Credit that pays invoices, and what is taken back."""

from uuid import uuid4

from clientway.billing.payments.schemas import Allocation
from tests import routes
from tests.billing.paying import client as _client
from tests.billing.paying import keyed, make_client

client = _client


def test_credit_pays_an_invoice(client):
    paid, invoice_id = client.pay(5000), client.invoice(3300, 300)

    answer = client.ask("allocations", paid["id"], {"invoice_id": invoice_id})

    assert answer.status == 201, answer.body
    Allocation.model_validate_json(answer.body)
    assert answer.json["amount_cents"] == 3300
    after = client.payment(paid["id"])
    assert (after["unapplied_cents"], after["payment_state"], after["allocations"]) == (1700, "partially_applied", [answer.json])
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.worth() == 3000


def test_as_much_as_was_asked_and_no_more_than_there_is(client):
    paid, invoice_id = client.pay(500), client.invoice(3000)

    some = client.ask("allocations", paid["id"], {"invoice_id": invoice_id, "amount_cents": 200})
    more = client.ask("allocations", paid["id"], {"invoice_id": invoice_id, "amount_cents": 301})
    rest = client.ask("allocations", paid["id"], {"invoice_id": invoice_id})
    none = client.ask("allocations", paid["id"], {"invoice_id": invoice_id})

    assert (some.json["amount_cents"], rest.json["amount_cents"]) == (200, 300)
    assert (more.status, more.json["code"], more.json["unapplied_cents"], more.json["balance_cents"]) == (
        409,
        "nothing_to_apply",
        300,
        2800,
    )
    assert (none.status, none.json["unapplied_cents"]) == (409, 0)
    assert client.row("invoices", invoice_id)["balance_cents"] == 2500


def test_an_invoice_of_somebody_else_or_in_other_money_is_refused(client, invoke, admin_engine):
    paid, stranger = client.pay(500), make_client(admin_engine, client.tenant, invoke)

    for invoice_id, code in (
        (uuid4(), "unknown_invoice"),
        (stranger.invoice(), "unknown_invoice"),
        (client.invoice(currency="EUR"), "other_currency"),
    ):
        answer = client.ask("allocations", paid["id"], {"invoice_id": invoice_id})
        assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, "#/invoice_id", code)
    void = client.ask("allocations", paid["id"], {"invoice_id": client.invoice(status="void")})
    assert (void.status, void.json["code"]) == (409, "invoice_not_payable")
    assert client.payment(paid["id"])["unapplied_cents"] == 500


def test_what_is_taken_back_is_credit_again_and_owed(client):
    invoice_id = client.invoice(3300, 300)
    paid = client.pay(3300, invoice_id=invoice_id)
    assert client.worth() == 3000

    answer = client.release(paid["id"], paid["allocations"][0]["id"])

    assert answer.status == 204, answer.body
    after, invoice = client.payment(paid["id"]), client.row("invoices", invoice_id)
    assert (after["unapplied_cents"], after["allocated_cents"]) == (3300, 0)
    assert after["allocations"][0]["released_at"] is not None
    assert (invoice["status"], invoice["balance_cents"], invoice["paid_at"]) == ("open", 3300, None)
    assert client.worth() == 0
    assert [(one["kind"], one["amount_cents"], one["running_cents"]) for one in client.ledger()["data"]] == [
        ("release", -3000, 0),
        ("payment", 3000, 3000),
    ]
    assert client.release(paid["id"], paid["allocations"][0]["id"]).status == 404


def test_taking_back_needs_the_right_and_the_payments_version(client, invoke):
    paid = client.pay(100, invoice_id=client.invoice(100))
    path = {"payment_id": paid["id"], "allocation_id": paid["allocations"][0]["id"]}

    def release(**how):
        return invoke("billing/payment_allocation", method="DELETE", path=path, **how).status

    target = f"/api/payments/{paid['id']}/allocations/{path['allocation_id']}"
    assert routes.send("DELETE", target, token=client.tenant.admin).status == 428
    assert release(headers={"If-Match": '"99"'}) == 412
    assert release(headers={"If-Match": f'"{paid["version"]}"'}, token=client.tenant.editor) == 403
    assert client.payment(paid["id"])["allocated_cents"] == 100


def test_applying_needs_the_right_and_a_key(client, invoke):
    paid, body = client.pay(100), {"invoice_id": client.invoice(100)}
    path = {"payment_id": paid["id"]}

    keyless = routes.send(
        "POST", f"/api/payments/{paid['id']}/allocations", {"invoice_id": str(body["invoice_id"])}, token=client.tenant.admin
    )
    assert (keyless.status, keyless.json["errors"][0]["pointer"]) == (400, "#/header/idempotency-key")
    assert client.ask("allocations", paid["id"], body, token=client.tenant.viewer).status == 403
    headers = keyed()
    first, second = (invoke("billing/payment_allocations", method="POST", path=path, body=body, headers=headers) for _ in range(2))
    assert (first.status, second.body, second.headers.get("Idempotent-Replayed")) == (201, first.body, "true")
    assert client.payment(paid["id"])["allocated_cents"] == 100


def test_what_was_given_back_of_it_is_not_credit_again(client):
    invoice_id = client.invoice(1000)
    paid = client.pay(1000, invoice_id=invoice_id)
    client.ask("refunds", paid["id"], {"amount_cents": 400, "reopen": True})

    client.release(paid["id"], paid["allocations"][0]["id"])

    after = client.payment(paid["id"])
    assert (after["unapplied_cents"], after["refunded_cents"]) == (600, 400)
    assert client.row("invoices", invoice_id)["balance_cents"] == 1000
    assert client.worth() == 0
