"""What money makes of invoices: their status, the page they are paid at, credits; and what is derived of it."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from clientway.billing.credits.schemas import CreditNote
from clientway.billing.gateway import Gateway
from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoiceWithLines
from clientway.schemas import Page
from tests.billing.invoicing import LINE
from tests.billing.invoicing import billed as _billed
from tests.billing.paying import as_admin, keyed
from tests.billing.paying import client as _client

client, billed = _client, _billed


def test_an_invoice_is_paid_in_parts_and_then_as_a_whole(billed):
    billed.reachable()
    opened = billed.opened(due_on="2030-01-01")
    captured = datetime.now(UTC) - timedelta(days=3)

    billed.pay(4_000, invoice_id=opened["id"])
    part = billed.read(opened["id"])
    billed.pay(6_000, invoice_id=opened["id"], captured_at=captured.isoformat())
    paid = billed.read(opened["id"])

    assert (part["status"], part["payment_state"], part["balance_cents"], part["paid_at"]) == ("open", "partial", 6_000, None)
    assert (paid["status"], paid["payment_state"], paid["balance_cents"]) == ("paid", "paid", 0)
    # When the last of it came in.
    assert datetime.fromisoformat(paid["paid_at"]) > captured
    assert opened["version"] < part["version"] < paid["version"]
    assert {one["state_reason"] for one in billed.reminders(opened["id"])} == {"invoice paid"}
    [told] = billed.told("invoice_paid")
    assert told["title"] == "Invoice INV-1: paid, 100.00 USD"
    assert (told["contact_id"], told["client_visible"]) == (str(billed.contact_id), True)
    assert [one["invoice_id"] for one in billed.published("invoice.paid")] == [opened["id"]]


def test_money_of_before_makes_it_paid_then(billed):
    opened = billed.opened()
    captured = datetime(2026, 3, 1, 12, tzinfo=UTC)

    billed.pay(10_000, invoice_id=opened["id"], captured_at=captured.isoformat())

    assert datetime.fromisoformat(billed.read(opened["id"])["paid_at"]) == captured


def test_too_much_is_overpaid_and_the_rest_is_credit(billed):
    opened = billed.opened()

    payment = billed.pay(12_000, invoice_id=opened["id"])

    assert billed.read(opened["id"])["payment_state"] == "overpaid"
    second = billed.opened(1_000)
    billed.ask("allocations", payment["id"], {"invoice_id": second["id"]})
    assert [billed.read(one["id"])["payment_state"] for one in (opened, second)] == ["paid", "paid"]


@pytest.mark.parametrize(
    ("reopen", "status", "state", "balance"), [(False, "paid", "partially_refunded", 0), (True, "open", "partial", 3_000)]
)
def test_a_refund_opens_it_again_only_when_asked_to(billed, reopen, status, state, balance):
    billed.reachable()
    opened = billed.opened(due_on="2030-01-01")
    payment = billed.pay(10_000, invoice_id=opened["id"])
    before = billed.read(opened["id"])

    refund = billed.ask("refunds", payment["id"], {"amount_cents": 3_000, "invoice_id": opened["id"], "reopen": reopen, "reason": "late"})

    assert refund.status == 201, refund.body
    found = billed.read(opened["id"])
    assert [found[name] for name in ("status", "payment_state", "balance_cents", "refunded_cents")] == [status, state, balance, 3_000]
    assert (found["paid_at"] is None) == reopen
    # Whoever follows what changed hears of it either way.
    assert (found["version"] > before["version"], found["updated_at"] > before["updated_at"]) == (True, True)
    assert [one["state"] for one in billed.reminders(opened["id"])] == ["scheduled" if reopen else "canceled"] * 2
    assert len(billed.published("invoice.reopened")) == reopen
    rest = billed.ask("refunds", payment["id"], {"amount_cents": 7_000, "invoice_id": opened["id"], "reason": "all"})
    assert rest.status == 201
    assert billed.read(opened["id"])["payment_state"] == "refunded"


def test_a_dispute_flags_it_and_once_lost_it_is_owed_again(billed):
    opened = billed.opened()
    payment = billed.pay(10_000, invoice_id=opened["id"])

    dispute = billed.ask("disputes", payment["id"], {"reason": "fraudulent"}).json
    assert [billed.read(opened["id"])[name] for name in ("status", "payment_state")] == ["paid", "disputed"]
    billed.close(dispute, "lost")

    found = billed.read(opened["id"])
    assert [found[name] for name in ("status", "payment_state", "balance_cents", "lost_cents")] == ["open", "unpaid", 10_000, 10_000]


def test_a_deposit_pays_the_first_invoice_that_opens(billed):
    deal = billed.invoke(
        "lifecycle/organization_deals", method="POST", path={"organization_id": billed.organization_id}, body={"name": "x"}
    )
    quote = billed.invoke(
        "lifecycle/deal_quotes", method="POST", path={"deal_id": deal.json["id"]}, body={"title": "x", "amount_cents": 9_000}
    )
    deposit = billed.pay(3_000, quote_id=quote.json["id"])
    billed.connected().reachable()

    first, second = billed.draft(), billed.draft()
    opened = billed.post("open", first["id"])

    assert opened.status == 200, opened.body
    InvoiceWithLines.model_validate_json(opened.body)
    assert [opened.json[name] for name in ("status", "payment_state", "balance_cents")] == ["open", "partial", 7_000]
    assert billed.payment(deposit["id"])["unapplied_cents"] == 0
    assert [one["amount_cents"] for one in billed.published("stripe.page.create")] == [7_000]
    assert billed.post("open", second["id"]).json["balance_cents"] == 10_000
    small = billed.pay(500, quote_id=quote.json["id"])
    whole = billed.opened(500)
    assert (whole["status"], billed.payment(small["id"])["payment_state"]) == ("paid", "applied")
    assert billed.reminders(whole["id"]) == []


def test_a_credit_note_takes_off_what_is_owed(billed):
    opened = billed.opened()

    made = billed.post("credit_notes", opened["id"], {"amount_cents": 2_500, "reason": "Broken vase"})

    assert made.status == 201, made.body
    CreditNote.model_validate_json(made.body)
    found = billed.read(opened["id"])
    assert [found[name] for name in ("credited_cents", "balance_cents", "status", "payment_state")] == [2_500, 7_500, "open", "unpaid"]
    [told] = billed.told("credit_issued")
    assert (told["title"], told["description"]) == ("Invoice INV-1: credit of 25.00 USD", "Broken vase")
    assert len(billed.published("invoice.credited")) == 1
    too_much = billed.post("credit_notes", opened["id"], {"amount_cents": 7_501, "reason": "x"})
    assert (too_much.status, too_much.json["code"], too_much.json["balance_cents"]) == (409, "credit_too_large", 7_500)
    rest = billed.post("credit_notes", opened["id"], {"amount_cents": 7_500, "reason": "x"}).json
    paid = billed.read(opened["id"])
    assert [paid[name] for name in ("status", "payment_state", "balance_cents")] == ["paid", "paid", 0]
    assert paid["paid_at"] == rest["created_at"]
    over = billed.post("credit_notes", opened["id"], {"amount_cents": 1, "reason": "x"})
    assert (over.status, over.json["code"]) == (409, "invoice_not_open")
    answer = billed.invoke("billing/invoice_credit_notes", path={"invoice_id": opened["id"]}, query={"limit": 1})
    Page[CreditNote].model_validate_json(answer.body)
    assert [one["id"] for one in answer.json["data"]] == [rest["id"]]
    following = {"limit": 1, "cursor": answer.json["next_cursor"]}
    assert [
        one["id"] for one in billed.invoke("billing/invoice_credit_notes", path={"invoice_id": opened["id"]}, query=following).json["data"]
    ] == [made.json["id"]]
    assert billed.worth() == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"amount_cents": 0, "reason": "x"}, "#/amount_cents"),
        ({"amount_cents": 1}, "#/reason"),
        ({"amount_cents": 1, "reason": " "}, "#/reason"),
    ],
)
def test_a_credit_note_says_how_much_and_why(billed, body, pointer):
    opened = billed.opened()

    refused = billed.post("credit_notes", opened["id"], body)

    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)


def test_a_credit_counts_once_under_its_key_and_not_at_all_without(billed):
    opened = billed.opened()
    body, path = {"amount_cents": 1_000, "reason": "x"}, {"invoice_id": opened["id"]}
    key = keyed()

    assert billed.invoke("billing/invoice_credit_notes", method="POST", path=path, body=body).status == 400
    twice = [billed.invoke("billing/invoice_credit_notes", method="POST", path=path, body=body, headers=key) for _ in range(2)]

    assert twice[0].body == twice[1].body
    assert billed.read(opened["id"])["credited_cents"] == 1_000


def _endpoint(billed):
    [endpoint_id] = billed.rows("select endpoint_id from stripe_accounts where tenant_id = :t")
    return endpoint_id


def _made(billed, invoice_id, ref, cents, *, endpoint_id=None):
    with as_admin(billed.tenant) as tx:
        made = {"url": f"https://pay.example/{ref}", "ref": ref, "cents": cents}
        service.page_made(tx, invoice_id, gateway=Gateway(endpoint_id or _endpoint(billed), "key", None), **made)


def _page(billed, invoice_id):
    found = billed.row("invoices", invoice_id)
    return tuple(found[f"payment_{name}"] for name in ("page_status", "page_cents", "page_ref", "url"))


def test_a_page_is_asked_for_just_what_is_owed_and_replaced_when_that_changes(billed):
    billed.connected().reachable()
    draft = billed.draft(due_on="2030-01-01")
    assert billed.published("stripe.page.create") == []

    opened = billed.post("open", draft["id"]).json
    [asked] = billed.published("stripe.page.create")

    assert opened["payment_page_status"] == "pending"
    assert asked["gateway"].keys() == {"endpoint_id", "mode", "account_id"}
    assert (asked["amount_cents"], asked["currency"], asked["number"], asked["replaces"]) == (10_000, "USD", "INV-1", None)
    assert asked["metadata"] == {"clientway_tenant": str(billed.tenant.id), "clientway_invoice": draft["id"]}
    assert asked["customer_email"] == f"ana-{billed.contact_id.hex}@home.example"

    _made(billed, draft["id"], "plink_1", 10_000)
    ready = billed.read(draft["id"])
    assert (ready["payment_page_status"], ready["payment_url"]) == ("ready", "https://pay.example/plink_1")
    _made(billed, draft["id"], "plink_1", 10_000)  # told twice
    assert billed.read(draft["id"]) == ready

    billed.pay(4_000, invoice_id=draft["id"])
    assert _page(billed, draft["id"]) == ("pending", 6_000, None, None)
    assert [(one["amount_cents"], one["replaces"]) for one in billed.published("stripe.page.create")] == [
        (10_000, None),
        (6_000, "plink_1"),
    ]
    _made(billed, draft["id"], "plink_2", 6_000)
    billed.post("credit_notes", draft["id"], {"amount_cents": 6_000, "reason": "x"})
    assert _page(billed, draft["id"]) == ("closed", None, None, None)
    assert [one["ref"] for one in billed.published("stripe.page.close")] == ["plink_2"]


def test_a_page_that_nobody_waits_for_any_more_is_closed_once_made(billed):
    billed.connected()
    opened = billed.opened()
    billed.pay(4_000, invoice_id=opened["id"])

    _made(billed, opened["id"], "plink_late", 10_000)
    _made(billed, opened["id"], "plink_right", 6_000)

    assert [one["ref"] for one in billed.published("stripe.page.close")] == ["plink_late"]
    assert _page(billed, opened["id"]) == ("ready", 6_000, "plink_right", "https://pay.example/plink_right")
    other = billed.opened()
    billed.post("void", other["id"])
    _made(billed, other["id"], "plink_void", 10_000)
    assert [one["ref"] for one in billed.published("stripe.page.close")] == ["plink_late", "plink_void"]
    _made(billed, uuid4(), "plink_nobody", 1)


def test_a_page_of_an_account_that_was_given_up_is_none(billed):
    billed.connected()
    opened = [billed.opened(), billed.opened()]
    _made(billed, opened[0]["id"], "plink_1", 10_000)

    with as_admin(billed.tenant) as tx:
        assert service.forget_pages(tx) == 2

    assert [_page(billed, one["id"]) for one in opened] == [("none", None, None, None)] * 2
    with as_admin(billed.tenant) as tx:
        assert service.ask_for_pages(tx) == 2
    _made(billed, opened[1]["id"], "plink_old", 10_000, endpoint_id=(given_up := uuid4()))
    assert _page(billed, opened[1]["id"]) == ("pending", 10_000, None, None)
    gateway = {"endpoint_id": str(given_up), "mode": "key", "account_id": None}
    assert billed.published("stripe.page.close") == [{"gateway": gateway, "ref": "plink_old"}]


def test_voiding_closes_the_page(billed):
    billed.connected()
    opened = billed.opened()
    _made(billed, opened["id"], "plink_1", 10_000)

    void = billed.post("void", opened["id"]).json

    assert (void["payment_page_status"], void["payment_url"]) == ("closed", None)
    assert [one["ref"] for one in billed.published("stripe.page.close")] == ["plink_1"]


def test_a_page_that_could_not_be_made_is_asked_for_again_with_the_next_change(billed):
    billed.connected()
    opened = billed.opened()
    with as_admin(billed.tenant) as tx:
        service.page_failed(tx, opened["id"], endpoint_id=uuid4(), error="An account of before.")
    assert billed.read(opened["id"])["payment_page_status"] == "pending"
    with as_admin(billed.tenant) as tx:
        service.page_failed(tx, opened["id"], endpoint_id=_endpoint(billed), error="Your account cannot currently make live charges.")
    failed = billed.read(opened["id"])
    assert (failed["payment_page_status"], failed["payment_page_error"]) == ("failed", "Your account cannot currently make live charges.")

    again = billed.patch(opened, {"notes": "please pay"})

    assert (again.json["payment_page_status"], again.json["payment_page_error"]) == ("pending", None)
    assert again.json == billed.read(opened["id"])
    assert [one["amount_cents"] for one in billed.published("stripe.page.create")] == [10_000] * 2


def test_what_is_open_when_stripe_is_connected_gets_its_page_with_the_next_change(billed):
    billed.connected("restricted")
    opened = billed.opened()
    assert billed.published("stripe.page.create") == []

    billed.connected()

    assert billed.patch(opened, {"notes": "x"}).json["payment_page_status"] == "pending"


def test_an_open_dispute_outranks_and_a_void_invoice_is_unpaid(billed):
    states = [
        billed.draft(LINE)["payment_state"],
        billed.opened()["payment_state"],
        billed.post("void", billed.opened()["id"]).json["payment_state"],
    ]

    assert states == ["unpaid"] * 3
