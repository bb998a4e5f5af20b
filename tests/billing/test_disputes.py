"""Money that a client's bank asks back."""

from uuid import uuid4

import pytest

from clientway.billing.disputes.schemas import Dispute, DisputeWithOrganization
from clientway.schemas import Page
from tests import routes
from tests.billing.paying import client as _client
from tests.billing.paying import keyed

client = _client


@pytest.fixture
def disputed(client):
    """A payment of an invoice that is disputed."""
    invoice_id = client.invoice(1100, 100)
    paid = client.pay(1100, invoice_id=invoice_id)
    answer = client.ask("disputes", paid["id"], {"reason": "bounced"})
    assert answer.status == 201, answer.body
    Dispute.model_validate_json(answer.body)
    return invoice_id, paid["id"], answer.json


def test_an_open_dispute_only_flags(client, disputed):
    invoice_id, payment_id, dispute = disputed

    assert (dispute["amount_cents"], dispute["status"], dispute["lost_cents"]) == (1100, "open", 0)
    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["balance_cents"], invoice["open_disputes"]) == ("paid", 0, 1)
    assert client.payment(payment_id)["payment_state"] == "disputed"
    assert client.worth() == 1000
    [told] = client.told("payment_disputed")
    assert (told["title"], told["contact_id"]) == ("Payment disputed: 11.00 USD", str(client.contact_id))
    assert client.published("payment.disputed")[0]["dispute_id"] == dispute["id"]


def test_a_lost_dispute_reopens(client, disputed):
    invoice_id, payment_id, dispute = disputed

    answer = client.close(dispute, "lost")

    assert answer.status == 200, answer.body
    assert (answer.json["status"], answer.json["lost_cents"]) == ("lost", 1100)
    assert answer.json["closed_at"] is not None
    invoice, payment = client.row("invoices", invoice_id), client.payment(payment_id)
    assert (invoice["status"], invoice["balance_cents"], invoice["open_disputes"], invoice["lost_cents"]) == ("open", 1100, 0, 1100)
    assert (payment["lost_cents"], payment["payment_state"], payment["disputes"]) == (1100, "refunded", [answer.json])
    assert client.worth() == 0
    assert client.told("dispute_closed")[0]["title"] == "Dispute lost: 11.00 USD"
    assert client.published("payment.dispute_closed")[0]["status"] == "lost"
    assert client.ask("refunds", payment_id, {"amount_cents": 1}).json["left_cents"] == 0


def test_a_dispute_that_was_won_changes_nothing(client, disputed):
    invoice_id, payment_id, dispute = disputed

    answer = client.close(dispute, "won")

    assert (answer.status, answer.json["lost_cents"]) == (200, 0)
    assert client.row("invoices", invoice_id)["open_disputes"] == 0
    assert client.payment(payment_id)["payment_state"] == "applied"
    assert client.worth() == 1000


def test_a_closed_dispute_stays_closed(client, invoke, disputed):
    *_, dispute = disputed
    closed = client.close(dispute, "lost").json

    again = client.close(closed, "won")

    assert (again.status, again.json["code"]) == (409, "dispute_closed")
    assert client.close(dispute, "won").status == 412
    assert client.worth() == 0


def test_a_release_takes_the_flag_along(client, disputed):
    invoice_id, payment_id, _ = disputed

    client.release(payment_id, client.payment(payment_id)["allocations"][0]["id"])

    assert client.row("invoices", invoice_id)["open_disputes"] == 0
    other = client.invoice(500)
    client.ask("allocations", payment_id, {"invoice_id": other})
    assert client.row("invoices", other)["open_disputes"] == 1


def test_no_more_is_disputed_than_there_is(client, disputed):
    _, payment_id, _ = disputed

    more = client.ask("disputes", payment_id, {})
    some = client.pay(1000)
    client.ask("refunds", some["id"], {"amount_cents": 400})
    large = client.ask("disputes", some["id"], {"amount_cents": 601})

    assert (more.status, more.json["code"], more.json["left_cents"]) == (409, "dispute_too_large", 0)
    assert (large.status, large.json["left_cents"]) == (409, 600)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"amount_cents": 0}, "#/amount_cents", "greater_than_equal"),
        ({"status": "lost"}, "#/status", "extra_forbidden"),
        ({"opened_at": "2999-01-01T00:00:00Z"}, "#/opened_at", "in_the_future"),
    ],
)
def test_what_breaks_a_rule_is_refused(client, body, pointer, code):
    paid = client.pay(1000)

    answer = client.ask("disputes", paid["id"], body)

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, pointer, code)


def test_disputes_need_the_right_a_key_and_the_version(client, invoke, disputed, other_tenant):
    _, payment_id, dispute = disputed
    one = {"dispute_id": dispute["id"]}
    match = {"If-Match": f'"{dispute["version"]}"'}

    assert routes.send("POST", f"/api/payments/{payment_id}/disputes", {}, token=client.tenant.admin).status == 400
    assert client.ask("disputes", payment_id, {}, token=client.tenant.editor).status == 403
    assert invoke("billing/dispute", method="PATCH", path=one, body={"status": "won"}).status == 428
    assert (
        invoke("billing/dispute", method="PATCH", path=one, body={"status": "won"}, headers=match, token=client.tenant.viewer).status == 403
    )
    assert invoke("billing/dispute", method="PATCH", path=one, body={"status": "open"}, headers=match).status == 422
    for how in ({}, {"method": "PATCH", "body": {"status": "won"}, "headers": match}):
        assert invoke("billing/dispute", path=one, token=other_tenant.admin, **how).status == 404
    assert invoke("billing/dispute", path=one).json == dispute
    unchanged = invoke("billing/dispute", method="PATCH", path=one, body={}, headers=match)
    assert (unchanged.status, unchanged.json) == (200, dispute)
    headers = keyed()
    some = {"payment_id": client.pay(100)["id"]}
    first, second = (invoke("billing/payment_disputes", method="POST", path=some, body={}, headers=headers) for _ in range(2))
    assert (first.status, second.body) == (201, first.body)


def test_disputes_are_listed_page_by_page(client, invoke, other_tenant):
    made = [client.ask("disputes", client.pay(100)["id"], {}).json for _ in range(3)]
    client.close(made[0], "won")

    first = invoke("billing/disputes", query={"limit": 2})
    second = invoke("billing/disputes", query={"limit": 2, "cursor": first.json["next_cursor"]})

    Page[DisputeWithOrganization].model_validate_json(first.body)
    assert [one["id"] for one in first.json["data"] + second.json["data"]] == [made[0]["id"], made[2]["id"], made[1]["id"]]
    assert [one["id"] for one in invoke("billing/disputes", query={"status": "won"}).json["data"]] == [made[0]["id"]]
    assert len(invoke("billing/disputes", query={"organization_id": client.organization_id}).json["data"]) == 3
    assert len(invoke("billing/disputes", query={"payment_id": made[1]["payment_id"]}).json["data"]) == 1
    assert invoke("billing/disputes", query={"payment_id": uuid4()}).json["data"] == []
    assert invoke("billing/disputes", token=other_tenant.admin).json["data"] == []
