"""Money that goes back: at once where staff hold it."""

from uuid import uuid4

import pytest

from clientway.billing.payments.schemas import PaymentDetail
from clientway.billing.refunds.schemas import Refund
from clientway.schemas import Page
from tests.billing.paying import client as _client
from tests.billing.paying import keyed

client = _client


def test_a_refund_leaves_the_invoice_paid_and_takes_what_the_client_is_worth(client):
    invoice_id = client.invoice(1100, 100)
    paid = client.pay(1100, invoice_id=invoice_id)

    answer = client.ask("refunds", paid["id"], {"amount_cents": 550, "reason": "half undone"})

    assert answer.status == 201, answer.body
    Refund.model_validate_json(answer.body)
    assert (answer.json["status"], answer.json["provider"], answer.json["reopen"]) == ("succeeded", "staff", False)
    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["balance_cents"], invoice["refunded_cents"], invoice["reopened_cents"]) == ("paid", 0, 550, 0)
    # Twice since it was made: whoever looks at what has changed finds it.
    assert invoice["version"] == 3
    after = client.invoke("billing/payment", path={"payment_id": paid["id"]})
    PaymentDetail.model_validate_json(after.body)
    assert (after.json["payment_state"], after.json["refunded_cents"], after.json["refunds"]) == ("partially_refunded", 550, [answer.json])
    assert client.worth() == 500
    [told] = client.told("payment_refunded")
    assert (told["title"], told["description"], told["client_visible"]) == ("Refunded: 5.50 USD", "half undone", True)
    assert client.published("payment.refunded")[0]["refund_id"] == answer.json["id"]


def test_a_refund_reopens_when_told_and_the_rest_can_be_paid_again(client):
    invoice_id = client.invoice(1100, 100)
    paid = client.pay(1100, invoice_id=invoice_id)

    client.ask("refunds", paid["id"], {"amount_cents": 1100, "reopen": True})

    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["balance_cents"], invoice["reopened_cents"]) == ("open", 1100, 1100)
    assert client.payment(paid["id"])["payment_state"] == "refunded"
    assert client.worth() == 0
    client.pay(1100, invoice_id=invoice_id)
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.worth() == 1000


def test_credit_goes_back_first(client):
    invoice_id = client.invoice(600)
    paid = client.pay(1000, invoice_id=invoice_id)

    client.ask("refunds", paid["id"], {"amount_cents": 500})

    after = client.payment(paid["id"])
    assert (after["unapplied_cents"], after["allocations"][0]["refunded_cents"]) == (0, 100)
    assert client.worth() == 500


def test_an_invoice_that_is_named_gives_it_back(client):
    first, second = client.invoice(600), client.invoice(300)
    paid = client.pay(1000, allocations=[{"invoice_id": first, "amount_cents": 600}, {"invoice_id": second, "amount_cents": 300}])

    client.ask("refunds", paid["id"], {"amount_cents": 250, "invoice_id": first, "reopen": True})
    refused = client.ask("refunds", paid["id"], {"amount_cents": 351, "invoice_id": first})

    assert (client.row("invoices", first)["balance_cents"], client.row("invoices", second)["balance_cents"]) == (250, 0)
    assert client.payment(paid["id"])["unapplied_cents"] == 100
    assert (refused.status, refused.json["code"], refused.json["left_cents"]) == (409, "refund_too_large", 350)


def test_an_invoice_that_the_payment_does_not_pay_has_nothing_to_give_back(client):
    paid, invoice_id = client.pay(1000), client.invoice(600)

    refused = client.ask("refunds", paid["id"], {"amount_cents": 1, "invoice_id": invoice_id})

    assert (refused.status, refused.json["code"], refused.json["left_cents"]) == (409, "refund_too_large", 0)


def test_no_more_goes_back_than_came_in(client):
    paid = client.pay(1000)
    client.ask("refunds", paid["id"], {"amount_cents": 600})

    refused = client.ask("refunds", paid["id"], {"amount_cents": 401})

    assert (refused.status, refused.json["code"], refused.json["left_cents"]) == (409, "refund_too_large", 400)
    assert client.ask("refunds", paid["id"], {"amount_cents": 400}).status == 201
    assert client.ask("refunds", paid["id"], {"amount_cents": 1}).json["left_cents"] == 0
    assert client.payment(paid["id"])["refunded_cents"] == 1000


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"amount_cents": 0}, "#/amount_cents", "greater_than_equal"),
        ({}, "#/amount_cents", "missing"),
        ({"amount_cents": 5, "invoice_id": uuid4()}, "#/invoice_id", "unknown_invoice"),
        ({"amount_cents": 5, "reopen": "yes"}, "#/reopen", "bool_type"),
        ({"amount_cents": 5, "reason": " "}, "#/reason", "string_too_short"),
    ],
)
def test_what_breaks_a_rule_is_refused(client, body, pointer, code):
    paid = client.pay(1000)

    answer = client.ask("refunds", paid["id"], body)

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, pointer, code)
    assert client.payment(paid["id"])["refunds"] == []


def test_a_refund_needs_the_right_and_a_key_and_counts_once(client, invoke):
    paid, path, body = client.pay(1000), None, {"amount_cents": 100}
    path = {"payment_id": paid["id"]}

    assert invoke("billing/payment_refunds", method="POST", path=path, body=body).status == 400
    for token in (client.tenant.editor, client.tenant.viewer):
        assert client.ask("refunds", paid["id"], body, token=token).status == 403
    headers = keyed()
    first, second = (invoke("billing/payment_refunds", method="POST", path=path, body=body, headers=headers) for _ in range(2))
    assert (second.body, second.headers["Idempotent-Replayed"]) == (first.body, "true")
    other = invoke("billing/payment_refunds", method="POST", path=path, body={"amount_cents": 200}, headers=headers)
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert client.payment(paid["id"])["refunded_cents"] == 100


def test_refunds_are_listed_page_by_page(client, invoke):
    paid = client.pay(1000)
    made = [client.ask("refunds", paid["id"], {"amount_cents": cents}).json["id"] for cents in (1, 2, 3)]
    path = {"payment_id": paid["id"]}

    first = invoke("billing/payment_refunds", path=path, query={"limit": 2})
    second = invoke("billing/payment_refunds", path=path, query={"limit": 2, "cursor": first.json["next_cursor"]})

    Page[Refund].model_validate_json(first.body)
    assert [one["id"] for one in first.json["data"] + second.json["data"]] == made[::-1]
    assert not second.json["has_more"]
