"""Money that came in, and what it pays."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from clientway.billing.payments.schemas import Payment, PaymentDetail, PaymentWithOrganization
from clientway.schemas import Page
from tests.billing.paying import client as _client
from tests.billing.paying import if_match, keyed, make_client, private_contact
from tests.fixtures import make_tenant

client = _client


def test_a_payment_pays_its_invoice_makes_a_client_and_is_on_the_timeline(client):
    invoice_id = client.invoice(10_700, 700)

    paid = client.pay(10_700, invoice_id=invoice_id, method="check", note="no. 17")

    assert (paid["status"], paid["payment_state"], paid["unapplied_cents"]) == ("succeeded", "applied", 0)
    assert paid["contact_id"] == str(client.contact_id)
    assert [(one["invoice_id"], one["amount_cents"]) for one in paid["allocations"]] == [(str(invoice_id), 10_700)]
    assert client.payment(paid["id"]) == paid
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.row("organizations", client.organization_id)["lifecycle_stage"] == "client"
    contact = client.row("contacts", client.contact_id)
    assert (contact["status"], contact["ltv_cents"]) == ("active", 10_000)
    [told] = client.told("payment_received")
    assert told["title"] == "Payment received: 107.00 USD"
    assert (told["contact_id"], told["organization_id"]) == (str(client.contact_id), str(client.organization_id))
    assert told["client_visible"]
    assert told["metadata"]["amount_cents"] == 10_700
    [published] = client.published("payment.received")
    assert published["payment_id"] == paid["id"]
    assert client.worth() == 10_000


def test_what_is_more_than_owed_is_credit(client):
    invoice_id = client.invoice(5000)

    paid = client.pay(7000, invoice_id=invoice_id)

    assert (paid["allocated_cents"], paid["unapplied_cents"], paid["payment_state"]) == (5000, 2000, "partially_applied")
    assert client.worth() == 5000


def test_a_part_leaves_the_rest_owed(client):
    invoice_id = client.invoice(5000)

    client.pay(2000, invoice_id=invoice_id)

    found = client.row("invoices", invoice_id)
    assert (found["status"], found["balance_cents"]) == ("open", 3000)


def test_a_payment_pays_several_invoices_each_up_to_what_is_owed(client):
    first, second = client.invoice(3000), client.invoice(4000, 400)

    paid = client.pay(8000, allocations=[{"invoice_id": first, "amount_cents": 3500}, {"invoice_id": second, "amount_cents": 4000}])

    assert {one["invoice_id"]: one["amount_cents"] for one in paid["allocations"]} == {str(first): 3000, str(second): 4000}
    assert paid["unapplied_cents"] == 1000
    assert client.worth() == 6600


def test_a_payment_for_an_invoice_that_was_paid_meanwhile_is_credit(client):
    invoice_id = client.invoice(3000)
    client.pay(3000, invoice_id=invoice_id)

    paid = client.pay(3000, invoice_id=invoice_id)

    assert (paid["payment_state"], paid["unapplied_cents"], paid["allocations"]) == ("unapplied", 3000, [])


def test_money_without_an_invoice_is_credit_and_no_lifetime_value(client):
    paid = client.pay(3000)

    # The client's primary contact is who it is from, unless somebody says otherwise.
    assert (paid["payment_state"], paid["contact_id"], paid["currency"]) == ("unapplied", str(client.contact_id), "USD")
    assert client.worth() == 0
    assert client.row("organizations", client.organization_id)["lifecycle_stage"] == "client"


def test_a_payment_finds_its_client_by_contact_invoice_or_quote(client, invoke):
    invoice_id = client.invoice(100)
    deal = invoke("lifecycle/organization_deals", method="POST", path={"organization_id": client.organization_id}, body={"name": "x"})
    quote = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal.json["id"]}, body={"title": "x", "amount_cents": 5})

    for body in ({"contact_id": client.contact_id}, {"invoice_id": invoice_id}, {"quote_id": quote.json["id"]}):
        answer = invoke("billing/payments", method="POST", body={"amount_cents": 100, **body}, headers=keyed())
        assert (answer.status, answer.json["organization_id"]) == (201, str(client.organization_id)), answer.body
        PaymentDetail.model_validate_json(answer.body)


def test_a_private_client_gets_an_account_with_the_first_money(invoke, client):
    contact_id = private_contact(client.engine, client.tenant)

    answer = invoke("billing/payments", method="POST", body={"amount_cents": 100, "contact_id": contact_id}, headers=keyed())

    assert answer.status == 201, answer.body
    account = client.row("organizations", answer.json["organization_id"])
    assert (account["entity_type"], account["lifecycle_stage"]) == ("individual", "client")
    assert client.row("contacts", contact_id)["organization_id"] == account["id"]


def test_a_repeated_request_counts_once(client, invoke):
    headers, path = keyed(), {"organization_id": client.organization_id}

    first, second = (
        invoke("billing/organization_payments", method="POST", path=path, body={"amount_cents": 100}, headers=headers) for _ in range(2)
    )

    assert second.body == first.body
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(client.rows("select id from payments where tenant_id = :t")) == 1


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"amount_cents": 0}, "#/amount_cents", "greater_than_equal"),
        ({"amount_cents": "5"}, "#/amount_cents", "int_type"),
        ({"amount_cents": 5, "method": "barter"}, "#/method", "enum"),
        ({"amount_cents": 5, "status": "pending"}, "#/status", "extra_forbidden"),
        ({"amount_cents": 5, "contact_id": uuid4()}, "#/contact_id", "unknown_contact"),
        ({"amount_cents": 5, "quote_id": uuid4()}, "#/quote_id", "unknown_quote"),
        ({"amount_cents": 5, "invoice_id": uuid4()}, "#/invoice_id", "unknown_invoice"),
        ({"amount_cents": 5, "allocations": [{"invoice_id": uuid4(), "amount_cents": 5}]}, "#/allocations/0/invoice_id", "unknown_invoice"),
        ({"amount_cents": 5, "allocations": [{"invoice_id": uuid4(), "amount_cents": 6}]}, "#/allocations", "over_allocated"),
        ({"amount_cents": 5, "invoice_id": uuid4(), "quote_id": uuid4()}, "#/quote_id", "exclusive"),
        ({"amount_cents": 5, "captured_at": datetime.now(UTC) + timedelta(hours=1)}, "#/captured_at", "in_the_future"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_leaves_nothing(client, invoke, body, pointer, code):
    if "captured_at" in body:
        body = {**body, "captured_at": body["captured_at"].isoformat()}

    path = {"organization_id": client.organization_id}
    answer = invoke("billing/organization_payments", method="POST", path=path, body=body, headers=keyed())

    assert answer.status == 422
    assert (answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"].replace("literal_error", "enum")) == (pointer, code)
    assert client.rows("select id from payments where tenant_id = :t") == []


def test_a_payment_of_nobody_is_refused(invoke):
    answer = invoke("billing/payments", method="POST", body={"amount_cents": 5}, headers=keyed())

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["errors"][0]["code"]) == (422, "#/contact_id", "missing")


def test_another_currency_is_no_payment_of_an_invoice(client):
    invoice_id = client.invoice(100, currency="EUR")

    refused = client.pay(100, invoice_id=invoice_id, currency="USD", status=422)
    paid = client.pay(100, invoice_id=invoice_id)

    assert refused["errors"][0]["code"] == "other_currency"
    assert paid["currency"] == "EUR"


@pytest.mark.parametrize("status", ["draft", "void"])
def test_a_draft_and_a_void_invoice_take_no_money(client, status):
    refused = client.pay(100, invoice_id=client.invoice(100, status=status), status=409)

    assert (refused["code"], refused["invoice_status"]) == ("invoice_not_payable", status)


def test_money_moves_only_with_a_key_and_the_right(client, invoke):
    path, body = {"organization_id": client.organization_id}, {"amount_cents": 100}

    keyless = invoke("billing/organization_payments", method="POST", path=path, body=body)
    assert (keyless.status, keyless.json["errors"][0]["pointer"]) == (400, "#/header/idempotency-key")
    assert invoke("billing/payments", method="POST", body={**body, "contact_id": client.contact_id}).status == 400
    for token in (client.tenant.editor, client.tenant.viewer):
        assert invoke("billing/organization_payments", method="POST", path=path, body=body, headers=keyed(), token=token).status == 403
        body_of_any = {**body, "contact_id": client.contact_id}
        assert invoke("billing/payments", method="POST", body=body_of_any, headers=keyed(), token=token).status == 403
    assert client.rows("select id from payments where tenant_id = :t") == []


def test_another_tenants_money_is_not_there(client, invoke, admin_engine):
    stranger = make_tenant(admin_engine)
    mine, invoice_id = client.pay(100), client.invoice(100)
    before = client.row("payments", mine["id"])

    def ask(function, **how):
        return invoke(f"billing/{function}", token=stranger.admin, **how).status

    payment = {"payment_id": mine["id"]}
    body = {"amount_cents": 5}
    assert ask("payment", path=payment) == 404
    assert ask("payment", method="PATCH", path=payment, body={"note": "x"}, headers={"If-Match": '"1"'}) == 404
    assert ask("organization_payments", path={"organization_id": client.organization_id}) == 404
    org = {"organization_id": client.organization_id}
    assert ask("organization_payments", method="POST", path=org, body=body, headers=keyed()) == 404
    for sub, sent in (("refunds", body), ("disputes", body), ("allocations", {"invoice_id": invoice_id})):
        assert ask(f"payment_{sub}", method="POST", path=payment, body=sent, headers=keyed()) == 404
    assert ask("payment_refunds", method="GET", path=payment) == 404
    release = {**payment, "allocation_id": uuid4()}
    assert ask("payment_allocation", method="DELETE", path=release, headers={"If-Match": '"1"'}) == 404
    assert ask("client_ledger", path={"contact_id": client.contact_id}) == 404
    assert ask("client_ledger", path={"contact_id": client.contact_id}, query={"verify": "true"}) == 404
    assert ask("payments", method="POST", body={**body, "invoice_id": invoice_id}, headers=keyed()) == 422
    assert invoke("billing/payments", token=stranger.admin).json["data"] == []
    assert client.row("payments", mine["id"]) == before


def test_a_note_is_changed_by_whoever_saw_it_last(client, invoke):
    paid = client.pay(100)
    path = {"payment_id": paid["id"]}

    changed = invoke("billing/payment", method="PATCH", path=path, body={"note": "late"}, headers={"If-Match": '"1"'})

    assert (changed.status, changed.json["note"], changed.json["version"]) == (200, "late", 2)
    assert invoke("billing/payment", method="PATCH", path=path, body={"note": "x"}, headers={"If-Match": '"1"'}).status == 412
    assert invoke("billing/payment", method="PATCH", path=path, body={"note": "x"}).status == 428
    money = invoke("billing/payment", method="PATCH", path=path, body={"amount_cents": 5}, headers=if_match(changed))
    assert (money.status, money.json["errors"][0]["pointer"]) == (422, "#/amount_cents")
    viewer = client.tenant.viewer
    assert invoke("billing/payment", method="PATCH", path=path, body={"note": "x"}, headers=if_match(changed), token=viewer).status == 403


def test_lists_show_what_was_asked_for_page_by_page(client, invoke, admin_engine):
    other = make_client(admin_engine, client.tenant, invoke)
    made = [client.pay(cents)["id"] for cents in (1, 2, 3)] + [client.pay(4, contact_id=client.contact_id)["id"]]
    other.pay(5)

    def pages(function, **how):
        found, cursor = [], None
        while True:
            query = {**how.get("query", {}), "limit": 2} | ({"cursor": cursor} if cursor else {})
            answer = invoke(f"billing/{function}", path=how.get("path"), query=query)
            assert answer.status == 200, answer.body
            found += answer.json["data"]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                return found

    org = {"organization_id": client.organization_id}
    assert [one["id"] for one in pages("organization_payments", path=org)] == made[::-1]
    assert [one["id"] for one in pages("payments", query=org)] == made[::-1]
    assert [one["id"] for one in pages("payments", query={"contact_id": client.contact_id})] == made[::-1]
    assert len(pages("payments", query={"status": "succeeded", "provider": "staff"})) == 5
    assert pages("payments", query={"status": "failed"}) == []
    assert pages("payments", query={"provider": "stripe"}) == []
    assert pages("payments", query={"updated_since": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}) == []
    everything = invoke("billing/payments")
    Page[PaymentWithOrganization].model_validate_json(everything.body)
    Page[Payment].model_validate_json(invoke("billing/organization_payments", path=org).body)
    assert everything.json["data"][0]["organization"]["id"] == str(other.organization_id)
    assert invoke("billing/payments", query={"status": "gone"}).status == 400


def test_deposits_wait_for_the_invoices_that_open_the_oldest_first(client, invoke):
    deal = invoke("lifecycle/organization_deals", method="POST", path={"organization_id": client.organization_id}, body={"name": "x"})
    quote = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal.json["id"]}, body={"title": "x", "amount_cents": 5})
    later = client.pay(2000, quote_id=quote.json["id"])
    early = client.pay(1500, quote_id=quote.json["id"], captured_at=(datetime.now(UTC) - timedelta(days=2)).isoformat())
    client.pay(9000)

    def opened(cents):
        lines = [{"description": "x", "unit_price_cents": cents, "tax_rate_bps": 2000}]
        body = {"contact_id": client.contact_id, "lines": lines, "open": True}
        return invoke("billing/invoices", method="POST", body=body, headers=keyed()).json

    def left():
        return [client.payment(one["id"])["unapplied_cents"] for one in (early, later)]

    first = opened(2500)
    assert (first["status"], first["balance_cents"], first["payment_state"], left()) == ("paid", 0, "paid", [0, 500])
    assert first == invoke("billing/invoice", path={"invoice_id": first["id"]}).json
    assert client.worth() == 2500
    second = opened(1000)
    assert (second["status"], second["balance_cents"], second["payment_state"], left()) == ("open", 700, "partial", [0, 0])
    assert second == invoke("billing/invoice", path={"invoice_id": second["id"]}).json
    assert opened(100)["balance_cents"] == 120


def test_a_deposit_pays_for_its_own_deal(client, invoke, admin_engine):
    def post(module, body, **path):
        made = invoke(module, method="POST", path=path, body=body, headers=keyed())
        return made.json if made.status < 300 else made.json["errors"][0]["code"]

    def quoted(name, whose=client):
        deal = post("lifecycle/organization_deals", {"name": name}, organization_id=whose.organization_id)
        return deal, *(post("lifecycle/deal_quotes", {"title": name, "amount_cents": 5}, deal_id=deal["id"])["id"] for _ in range(2))

    def draft(**body):
        return post(
            "billing/invoices", {"contact_id": client.contact_id, "lines": [{"description": "x", "unit_price_cents": 1000}], **body}
        )

    def owed(**body):
        return draft(open=True, **body)["balance_cents"]

    _, bath, bath_again = quoted("bath")
    roof, roof_quote, _ = quoted("roof")
    client.pay(300, quote_id=bath)
    client.pay(200, quote_id=roof_quote)

    # There are two deals, and it names neither; then the one that it names, by another quote of it.
    assert owed() == 1000
    named = invoke(
        "billing/invoice", method="PATCH", path={"invoice_id": draft()["id"]}, body={"quote_id": bath_again}, headers={"If-Match": '"1"'}
    )
    assert named.json["quote_id"] == bath_again
    assert [post("billing/invoice_open", None, invoice_id=named.json["id"])["balance_cents"], owed(quote_id=bath_again)] == [700, 1000]
    # What was paid for what is lost is to be given back, not kept for something else.
    lost = {"status": "lost", "lost_reason": "x"}
    tag = {"If-Match": f'"{roof["version"]}"'}
    assert invoke("lifecycle/deal", method="PATCH", path={"deal_id": roof["id"]}, body=lost, headers=tag).status == 200
    assert (owed(), owed(quote_id=roof_quote)) == (1000, 1000)
    _, theirs, _ = quoted("x", make_client(admin_engine, client.tenant, invoke))
    assert (draft(quote_id=theirs), draft(quote_id=uuid4())) == ("unknown_quote", "unknown_quote")
    stolen = invoke(
        "billing/invoice", method="PATCH", path={"invoice_id": draft()["id"]}, body={"quote_id": theirs}, headers={"If-Match": '"1"'}
    )
    assert (stolen.status, stolen.json["errors"][0]["pointer"]) == (422, "#/quote_id")


def test_a_deposit_pays_the_invoice_that_is_opened_next(client, invoke):
    path = {"organization_id": client.organization_id}
    deal = invoke("lifecycle/organization_deals", method="POST", path=path, body={"name": "x"}).json["id"]
    quote = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal}, body={"title": "x", "amount_cents": 5}).json["id"]
    deposit = client.pay(3000, quote_id=quote)
    lines = [{"description": "Deep clean", "unit_price_cents": 10_000, "tax_rate_bps": 1000}]

    opened = invoke(
        "billing/invoices", method="POST", body={"contact_id": client.contact_id, "lines": lines, "open": True}, headers=keyed()
    )

    assert opened.status == 201, opened.body
    found = invoke("billing/invoice", path={"invoice_id": opened.json["id"]}).json
    assert (found["status"], found["balance_cents"], found["payment_state"]) == ("open", 8000, "partial")
    assert client.payment(deposit["id"])["payment_state"] == "applied"
    client.pay(8000, invoice_id=found["id"])
    assert invoke("billing/invoice", path={"invoice_id": found["id"]}).json["payment_state"] == "paid"
    assert client.worth() == 10_000
    client.ask("refunds", deposit["id"], {"amount_cents": 3000})
    assert invoke("billing/invoice", path={"invoice_id": found["id"]}).json["payment_state"] == "partially_refunded"
    assert len(client.told("invoice_paid")) == 1
