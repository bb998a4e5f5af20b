"""What a provider says of money: once, in any order, never backwards."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.billing.payments import provider
from clientway.billing.payments.provider import ProviderDispute, ProviderPayment, ProviderRefund
from tests.billing.paying import client as _client
from tests.billing.paying import make_client, private_contact

client = _client
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Provider:
    """A provider with one payment."""

    def __init__(self, client, **about):
        self.client, self.about, self.id = client, about, f"pi_{uuid4().hex}"

    def say(self, kind, news):
        with db.job_transaction(self.client.tenant.id) as tx:
            return getattr(provider, f"apply_{kind}")(tx, news)

    def payment(self, status="succeeded", cents=1100, failure=None, **about):
        about = {**self.about, **about}
        return self.say("payment", ProviderPayment("stripe", self.id, status, "card", cents, "USD", AT, failure=failure, **about))

    def refund(self, status="succeeded", cents=550, *, named="re_1", ours=None, failure=None):
        return self.say("refund", ProviderRefund("stripe", named, self.id, ours, cents, "USD", status, AT, failure))

    def dispute(self, status="open", cents=1100):
        closed = None if status == "open" else AT + timedelta(days=1)
        return self.say("dispute", ProviderDispute("stripe", "dp_1", self.id, cents, "USD", status, "fraudulent", AT, closed))

    @property
    def kept(self):
        [found] = self.client.rows("select id from payments where tenant_id = :t and provider_id = :p", p=self.id)
        return self.client.payment(str(found))


@pytest.fixture
def invoice_id(client):
    return client.invoice(1100, 100)


@pytest.fixture
def stripe(client, invoice_id):
    """A provider that knows of a payment of an invoice."""
    return Provider(client, invoice_id=invoice_id)


@pytest.fixture
def paid(stripe):
    """The same, once it succeeded."""
    assert stripe.payment() == "applied"
    return stripe


def connect(client):
    with client.engine.connect() as connection:
        connection.execute(
            text("""insert into stripe_accounts (tenant_id, endpoint_id, mode, status, account_id)
                    values (:t, :e, 'connect', 'connected', :a)"""),
            {"t": client.tenant.id, "e": (endpoint := uuid4()), "a": f"acct_{uuid4().hex}"},
        )
    return endpoint


def test_a_payment_pays_its_invoice(client, paid, invoice_id):
    kept = paid.kept

    assert (kept["status"], kept["provider"], kept["method"], kept["contact_id"]) == ("succeeded", "stripe", "card", str(client.contact_id))
    assert datetime.fromisoformat(kept["captured_at"]) == AT
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.row("organizations", client.organization_id)["lifecycle_stage"] == "client"
    assert client.row("contacts", client.contact_id)["status"] == "active"
    [told] = client.told("payment_received")
    assert (told["performed_by_type"], told["metadata"]["allocations"]) == ("job", [{"invoice_id": str(invoice_id), "amount_cents": 1100}])
    assert client.worth() == 1000


@pytest.mark.parametrize(
    ("news", "outcomes", "stands"),
    [
        (["pending", "succeeded"], ["applied", "applied"], "succeeded"),
        (["failed", "succeeded"], ["applied", "applied"], "succeeded"),
        (["pending", "failed", "pending", "failed"], ["applied", "applied", "unchanged", "unchanged"], "failed"),
        (["succeeded", "failed", "pending", "canceled", "succeeded"], ["applied", *["unchanged"] * 4], "succeeded"),
        (["canceled", "failed"], ["applied", "unchanged"], "canceled"),
    ],
)
def test_older_news_changes_nothing(client, stripe, invoice_id, news, outcomes, stands):
    assert [stripe.payment(status) for status in news] == outcomes

    assert stripe.kept["status"] == stands
    succeeded = stands == "succeeded"
    assert client.row("invoices", invoice_id)["status"] == ("paid" if succeeded else "open")
    assert len(client.told("payment_received")) == len(client.published("payment.received")) == int(succeeded)
    assert client.worth() == (1000 if succeeded else 0)


def test_a_failure_is_told_and_leaves_the_books_alone(client, stripe, invoice_id):
    stripe.payment("failed", failure="card_declined")

    assert stripe.kept["failure"] == "card_declined"
    [told] = client.told("payment_failed")
    assert (told["title"], told["description"], told["contact_id"]) == (
        "Payment failed: 11.00 USD",
        "card_declined",
        str(client.contact_id),
    )
    assert client.published("payment.failed")[0]["failure"] == "card_declined"
    assert client.row("invoices", invoice_id)["balance_cents"] == 1100
    assert client.row("organizations", client.organization_id)["lifecycle_stage"] != "client"


def test_money_for_what_owes_nothing_is_credit(client, stripe, invoice_id):
    client.pay(1100, invoice_id=invoice_id)

    assert stripe.payment() == "applied"

    assert (stripe.kept["unapplied_cents"], client.row("invoices", invoice_id)["balance_cents"]) == (1100, 0)
    void = Provider(client, invoice_id=client.invoice(1100, status="void"))
    assert (void.payment(), void.kept["unapplied_cents"]) == ("applied", 1100)
    euros = Provider(client, invoice_id=client.invoice(1100, currency="EUR"))
    assert (euros.payment(), euros.kept["unapplied_cents"]) == ("applied", 1100)


def test_money_for_what_stands_at_the_provider_is_worth_all_that_is_left_and_no_credit(client):
    """A subscription's period: it was paid for there, and pays no invoice here a second time."""
    there = Provider(client, contact_id=client.contact_id)
    assert there.payment() == "applied"
    assert (there.kept["payment_state"], there.kept["unapplied_cents"], client.worth()) == ("applied", 0, 1100)
    refused = client.ask("allocations", there.kept["id"], {"invoice_id": client.invoice(500)})
    assert (refused.status, refused.json["code"]) == (409, "nothing_to_apply")

    there.refund(cents=550)
    assert (there.kept["payment_state"], client.worth()) == ("partially_refunded", 550)
    there.refund("failed", cents=550)
    assert client.worth() == 1100
    there.refund(cents=100, named="re_2")
    there.dispute()
    there.dispute("lost")
    assert (client.worth(), there.kept["lost_cents"]) == (0, 1000)
    # What was given back, no dispute took.
    there.refund(cents=300, named="re_3")
    assert (client.worth(), there.kept["lost_cents"]) == (0, 700)


def test_a_payment_of_nobody_here_is_unknown(client, invoke, admin_engine, other_tenant):
    stranger = make_client(admin_engine, other_tenant, lambda *what, **how: invoke(*what, **{"token": other_tenant.admin, **how}))

    for about in ({}, {"invoice_id": uuid4()}, {"invoice_id": stranger.invoice()}, {"organization_id": stranger.organization_id}):
        assert Provider(client, **about).payment() == "unknown_object"
    assert Provider(client, contact_id=stranger.contact_id).payment() == "unknown_object"
    assert client.rows("select id from payments where tenant_id = :t") == []


def test_a_payment_finds_its_client_without_an_invoice(client):
    by_organization, by_contact = Provider(client, organization_id=client.organization_id), Provider(client, contact_id=client.contact_id)
    private_id = private_contact(client.engine, client.tenant)
    private = Provider(client, contact_id=private_id)

    assert [one.payment() for one in (by_organization, by_contact, private)] == ["applied"] * 3

    assert by_organization.kept["organization_id"] == by_contact.kept["organization_id"] == str(client.organization_id)
    assert private.kept["organization_id"] == client.row("contacts", private_id)["organization_id"]


def test_a_client_who_was_merged_since_is_the_one_they_turned_out_to_be(client):
    other = private_contact(client.engine, client.tenant)
    with client.engine.connect() as connection:
        connection.execute(
            text("update contacts set merged_into = :s, merged_at = now(), deleted_at = now() where id = :m"),
            {"s": client.contact_id, "m": other},
        )
    stripe = Provider(client, contact_id=other)

    assert stripe.payment() == "applied"
    assert stripe.kept["contact_id"] == str(client.contact_id)


def test_a_refund_before_its_payment_is_unknown(client, stripe):
    assert stripe.refund() == "unknown_object"
    stripe.payment("pending")
    assert stripe.refund() == "unknown_object"
    stripe.payment()
    assert stripe.refund() == "applied"
    assert stripe.kept["refunded_cents"] == 550


def test_a_refund_made_at_the_provider_leaves_the_invoice_paid(client, paid, invoice_id):
    assert [paid.refund("pending"), paid.refund(), paid.refund(), paid.refund("pending")] == [
        "applied",
        "applied",
        "unchanged",
        "unchanged",
    ]

    assert (paid.kept["payment_state"], paid.kept["refunding_cents"]) == ("partially_refunded", 0)
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.worth() == 500
    assert len(client.told("payment_refunded")) == 1


def test_a_refund_that_staff_ask_for_moves_nothing_before_it_went_through(client, paid, invoice_id):
    endpoint = connect(client)

    answer = client.ask("refunds", paid.kept["id"], {"amount_cents": 550, "reopen": True, "reason": "sorry"})

    assert (answer.status, answer.json["status"], answer.json["provider"]) == (201, "pending", "stripe"), answer.body
    assert (paid.kept["refunding_cents"], paid.kept["refunded_cents"]) == (550, 0)
    assert client.row("invoices", invoice_id)["balance_cents"] == 0
    assert client.worth() == 1000
    [asked] = client.published("stripe.refund.create")
    assert (asked["refund_id"], asked["payment_id"], asked["amount_cents"], asked["currency"]) == (answer.json["id"], paid.id, 550, "USD")
    assert asked["gateway"]["endpoint_id"] == str(endpoint)
    assert asked["metadata"]["clientway_refund"] == answer.json["id"]
    left = client.ask("refunds", paid.kept["id"], {"amount_cents": 551})
    assert (left.status, left.json["left_cents"]) == (409, 550)

    ours = UUID(answer.json["id"])
    assert paid.refund("pending", ours=ours) == "applied"
    assert paid.refund(ours=ours) == "applied"
    assert paid.refund(ours=ours) == "unchanged"

    [kept] = paid.kept["refunds"]
    assert (kept["status"], kept["provider_id"], kept["reopen"]) == ("succeeded", "re_1", True)
    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["balance_cents"]) == ("open", 550)
    assert client.worth() == 500


def test_a_refund_that_the_provider_refuses_leaves_the_books_as_they_were(client, paid, invoice_id):
    connect(client)
    answer = client.ask("refunds", paid.kept["id"], {"amount_cents": 1100})

    outcome = paid.refund("failed", 1100, named=None, ours=UUID(answer.json["id"]), failure="charge_disputed")

    after = paid.kept
    assert outcome == "applied"
    assert (after["refunding_cents"], after["refunded_cents"], after["payment_state"]) == (0, 0, "applied")
    assert (after["refunds"][0]["status"], after["refunds"][0]["failure"]) == ("failed", "charge_disputed")
    assert client.row("invoices", invoice_id)["status"] == "paid"
    assert client.worth() == 1000
    assert client.told("payment_failed")[0]["title"] == "Refund failed: 11.00 USD"
    assert client.published("payment.refund_failed")[0]["refund_id"] == answer.json["id"]


def test_a_refund_that_the_bank_sent_back_is_undone(client, paid, invoice_id):
    connect(client)
    ours = UUID(client.ask("refunds", paid.kept["id"], {"amount_cents": 550, "reopen": True}).json["id"])
    paid.refund(ours=ours)
    assert client.row("invoices", invoice_id)["balance_cents"] == 550

    assert paid.refund("failed", ours=ours) == "applied"
    assert paid.refund("succeeded", ours=ours) == "unchanged"

    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["balance_cents"], invoice["reopened_cents"]) == ("paid", 0, 0)
    assert paid.kept["refunded_cents"] == 0
    assert client.worth() == 1000


def test_nothing_can_be_asked_of_a_provider_that_is_not_connected(client, paid):
    answer = client.ask("refunds", paid.kept["id"], {"amount_cents": 550})

    assert (answer.status, answer.json["code"]) == (409, "provider_not_connected")
    assert paid.kept["refunds"] == []


def test_a_refund_at_the_provider_outruns_one_that_was_asked_for(client, paid):
    connect(client)
    ours = UUID(client.ask("refunds", paid.kept["id"], {"amount_cents": 700}).json["id"])

    assert paid.refund("pending", cents=800) == "applied"
    assert paid.kept["refunding_cents"] == 1500
    assert client.ask("refunds", paid.kept["id"], {"amount_cents": 1}).json["left_cents"] == 0
    assert paid.refund(cents=800) == "applied"
    assert paid.refund("failed", 700, named=None, ours=ours) == "applied"

    assert (paid.kept["refunded_cents"], paid.kept["refunding_cents"]) == (800, 0)


def test_a_failed_payment_gives_nothing_back(client, stripe):
    stripe.payment("failed")

    for what in ("refunds", "disputes"):
        answer = client.ask(what, stripe.kept["id"], {"amount_cents": 5})
        assert (answer.status, answer.json["code"]) == (409, "payment_not_captured" if what == "refunds" else "providers_own")
    apply = client.ask("allocations", stripe.kept["id"], {"invoice_id": client.invoice()})
    assert (apply.status, apply.json["code"]) == (409, "payment_not_captured")


@pytest.mark.parametrize(("end", "balance", "worth"), [("won", 0, 1000), ("lost", 1100, 0)])
def test_a_dispute_is_marked_and_ends_once(client, paid, invoice_id, end, balance, worth):
    assert [paid.dispute(), paid.dispute()] == ["applied", "unchanged"]
    assert client.row("invoices", invoice_id)["open_disputes"] == 1
    assert client.worth() == 1000

    assert [paid.dispute(end), paid.dispute(), paid.dispute("won"), paid.dispute("lost")] == ["applied", *["unchanged"] * 3]

    invoice = client.row("invoices", invoice_id)
    assert (invoice["open_disputes"], invoice["balance_cents"]) == (0, balance)
    assert client.worth() == worth
    assert (len(client.told("payment_disputed")), len(client.told("dispute_closed"))) == (1, 1)


def test_a_dispute_first_heard_of_when_lost_counts_all_the_same(client, paid, invoice_id):
    assert paid.dispute("lost") == "applied"

    assert client.row("invoices", invoice_id)["balance_cents"] == 1100
    assert (len(client.told("payment_disputed")), len(client.told("dispute_closed"))) == (1, 1)
    closed = client.close(paid.kept["disputes"][0], "won")
    assert (closed.status, closed.json["code"]) == (409, "providers_own")


def test_a_dispute_of_an_unknown_payment_is_unknown(client, stripe):
    assert stripe.dispute() == "unknown_object"
    stripe.payment("pending")
    assert stripe.dispute("lost") == "unknown_object"


@pytest.mark.parametrize("order", [("refund", "dispute"), ("dispute", "refund")])
def test_a_refund_and_a_lost_dispute_of_the_whole_take_no_more_than_there_was(client, paid, invoice_id, order):
    for what in order:
        assert (paid.refund(cents=400) if what == "refund" else paid.dispute("lost")) == "applied"

    after = paid.kept
    assert (after["refunded_cents"], after["lost_cents"], after["unapplied_cents"]) == (400, 700, 0)
    assert after["disputes"][0]["lost_cents"] == 700
    assert client.worth() == 0
