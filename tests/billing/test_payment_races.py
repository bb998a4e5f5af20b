"""Money that moves at once from several sides."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from clientway import db
from clientway.billing.disputes import service as disputes
from clientway.billing.disputes.rules import DisputeTooLarge
from clientway.billing.disputes.schemas import DisputeCreate, DisputePatch
from clientway.billing.invoices import service as invoices
from clientway.billing.invoices.schemas import InvoiceCreate, InvoiceLineInput
from clientway.billing.payments import allocations, provider, service
from clientway.billing.payments.provider import ProviderPayment, ProviderRefund
from clientway.billing.payments.rules import NothingToApply
from clientway.billing.payments.schemas import AllocationCreate, OrganizationPaymentCreate
from clientway.billing.refunds import service as refunds
from clientway.billing.refunds.rules import RefundTooLarge
from clientway.billing.refunds.schemas import RefundCreate
from tests.billing.paying import as_admin
from tests.billing.paying import client as _client

client = _client
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at_once(count, do):
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: do(), range(count)))


@pytest.mark.parametrize("round_", range(3))
def test_of_several_payments_of_one_invoice_all_count_and_it_is_paid_once(client, round_):
    invoice_id = client.invoice(1100, 100)

    def pay():
        with as_admin(client.tenant) as tx:
            service.record(tx, OrganizationPaymentCreate(amount_cents=1100, invoice_id=invoice_id), organization_id=client.organization_id)

    at_once(4, pay)

    assert client.rows("select allocated_cents from payments where tenant_id = :t order by 1") == [0, 0, 0, 1100]
    invoice = client.row("invoices", invoice_id)
    assert (invoice["status"], invoice["allocated_cents"], invoice["balance_cents"]) == ("paid", 1100, 0)
    assert client.worth() == 1000
    assert len(client.told("payment_received")) == 4
    assert client.rows("select to_stage from lifecycle_transitions where tenant_id = :t") == ["client"]


@pytest.mark.parametrize("round_", range(3))
def test_of_several_refunds_that_race_one_goes_through(client, round_):
    payment_id = UUID(client.pay(1000, invoice_id=client.invoice(1000))["id"])

    def refund():
        try:
            with as_admin(client.tenant) as tx:
                refunds.ask(tx, payment_id, RefundCreate(amount_cents=700))
        except RefundTooLarge as refused:
            return refused.extensions["left_cents"]
        return None

    assert sorted(at_once(4, refund), key=str) == [300, 300, 300, None]
    assert client.payment(str(payment_id))["refunded_cents"] == 700
    assert client.worth() == 300


def test_credit_that_several_invoices_ask_for_is_given_once(client):
    payment_id = UUID(client.pay(1000)["id"])
    invoices = iter([client.invoice(600) for _ in range(4)])

    def apply():
        try:
            with as_admin(client.tenant) as tx:
                allocations.apply(tx, payment_id, AllocationCreate(invoice_id=next(invoices), amount_cents=600))
        except NothingToApply:
            return "refused"
        return "applied"

    assert sorted(at_once(4, apply)) == ["applied", "refused", "refused", "refused"]
    assert client.payment(str(payment_id))["unapplied_cents"] == 400
    assert client.worth() == 600


def test_a_providers_payment_that_comes_ten_times_to_eight_counts_once(client):
    invoice_id = client.invoice(1100, 100)
    news = ProviderPayment("stripe", f"pi_{uuid4().hex}", "succeeded", "card", 1100, "USD", AT, invoice_id=invoice_id)

    def hear():
        with db.job_transaction(client.tenant.id) as tx:
            return provider.apply_payment(tx, news)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: hear(), range(10)))

    assert sorted(outcomes) == ["applied"] + ["unchanged"] * 9
    assert client.rows("select status from payments where tenant_id = :t") == ["succeeded"]
    assert len(client.told("payment_received")) == 1
    assert len(client.published("payment.received")) == 1
    assert client.worth() == 1000


def test_a_providers_refund_that_comes_many_times_counts_once(client):
    invoice_id, payment_id, refund_id = client.invoice(1100, 100), f"pi_{uuid4().hex}", f"re_{uuid4().hex}"
    paid = ProviderPayment("stripe", payment_id, "succeeded", "card", 1100, "USD", AT, invoice_id=invoice_id)
    news = ProviderRefund("stripe", refund_id, payment_id, None, 550, "USD", "succeeded", AT)
    with db.job_transaction(client.tenant.id) as tx:
        provider.apply_payment(tx, paid)

    def hear():
        with db.job_transaction(client.tenant.id) as tx:
            return provider.apply_refund(tx, news)

    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: hear(), range(10)))

    assert sorted(outcomes) == ["applied"] + ["unchanged"] * 9
    assert client.rows("select refunded_cents from payments where tenant_id = :t") == [550]
    assert client.worth() == 500


def lose(tx, payment_id, cents):
    dispute_id = UUID(json.loads(disputes.record(tx, payment_id, DisputeCreate(amount_cents=cents)))["id"])
    disputes.change(tx, dispute_id, DisputePatch(status="lost"), version=1)


def some_move(draw, client, invoice_id, payment_id, quote_id):
    """Something that may be done with a client's money: its name, and what to call with a transaction."""
    cents, of, name = draw.randint(1, 500), {"organization_id": payment_id[1]}, f"pi_{draw.getrandbits(64):x}"
    line = InvoiceLineInput(description="x", unit_price_cents=2 * cents)
    moves = {
        "pay": lambda tx: service.record(tx, OrganizationPaymentCreate(amount_cents=cents, invoice_id=invoice_id), **of),
        "deposit": lambda tx: service.record(tx, OrganizationPaymentCreate(amount_cents=cents, quote_id=quote_id), **of),
        "hear": lambda tx: provider.apply_payment(
            tx, ProviderPayment("stripe", name, "succeeded", "card", cents, "USD", AT, invoice_id=invoice_id)
        ),
        "open": lambda tx: invoices.create(tx, InvoiceCreate(contact_id=client.contact_id, lines=[line], open=True)),
        "refund": lambda tx: refunds.ask(tx, payment_id[0], RefundCreate(amount_cents=cents, reopen=cents % 2 == 0)),
        "apply": lambda tx: allocations.apply(tx, payment_id[0], AllocationCreate(invoice_id=invoice_id)),
        "dispute": lambda tx: lose(tx, payment_id[0], cents),
    }
    return draw.choice(list(moves.items()))


def do(tenant, move, turned_away):
    """Do it, again if somebody else's lock turned it away; what the money does not allow is left."""
    for _ in range(20):
        try:
            with as_admin(tenant) as tx:
                return move[1](tx)
        except (db.LockTimeout, db.SerializationConflict):
            turned_away.append(move[0])
        except (RefundTooLarge, NothingToApply, DisputeTooLarge):
            return None
    pytest.fail(f"{move[0]} never came through")


def test_whatever_happens_at_once_the_books_agree(client, invoke):
    """Four sides pay, refund, apply, dispute, and open invoices with deposits."""
    path = {"organization_id": client.organization_id}
    deal = invoke("lifecycle/organization_deals", method="POST", path=path, body={"name": "x"}).json["id"]
    quote_id = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal}, body={"title": "x", "amount_cents": 5}).json["id"]
    owed = [client.invoice(1000 + number, number * 7) for number in range(4)]
    paid = [(UUID(client.pay(900)["id"]), client.organization_id) for _ in range(3)]
    client.rows("insert into billing_settings (tenant_id, last_number) values (:t, 10) returning 1")
    turned_away = []

    def act(seed):
        draw = random.Random(seed)
        for _ in range(12):
            do(client.tenant, some_move(draw, client, draw.choice(owed), draw.choice(paid), quote_id), turned_away)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, range(4)))

    print("turned away:", turned_away)
    client.worth()
    for found in client.rows("select to_jsonb(i) from invoices i where i.tenant_id = :t"):
        assert (found["balance_cents"] == 0) == (found["status"] == "paid")
    [wrong] = client.rows("""
      select count(*) from payments p cross join lateral (
        select coalesce(sum(a.amount_cents - a.refunded_cents - a.lost_cents), 0) as held from allocations a
         where a.tenant_id = p.tenant_id and a.payment_id = p.id and a.released_at is null) h
       where p.tenant_id = :t and p.amount_cents <> h.held + p.unapplied_cents + p.refunded_cents + p.lost_cents""")
    assert wrong == 0
