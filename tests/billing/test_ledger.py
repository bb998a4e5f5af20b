"""A client's lifetime value: the sum of a ledger that a clerk without the program's arithmetic would write too."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.billing.ledger.rules import worth
from clientway.billing.ledger.schemas import ClientLedger
from clientway.billing.payments import provider
from clientway.billing.payments.provider import ProviderPayment, ProviderRefund
from tests.billing.paying import client as _client

client = _client
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_ledger_is_listed_page_by_page_with_its_running_sum(client, invoke):
    for cents in (100, 200, 300):
        client.pay(cents, invoice_id=client.invoice(cents))
    path = {"contact_id": client.contact_id}

    first = invoke("billing/client_ledger", path=path, query={"limit": 2})
    second = invoke("billing/client_ledger", path=path, query={"limit": 2, "cursor": first.json["next_cursor"]})
    rising = invoke("billing/client_ledger", path=path, query={"sort": "occurred_at", "verify": "true"}, token=client.tenant.viewer)

    ClientLedger.model_validate_json(first.body)
    ClientLedger.model_validate_json(rising.body)
    assert [(one["amount_cents"], one["running_cents"]) for one in first.json["data"] + second.json["data"]] == [
        (300, 600),
        (200, 300),
        (100, 100),
    ]
    assert first.json["verification"] is None
    assert [one["running_cents"] for one in rising.json["data"]] == [100, 300, 600]
    assert rising.json["verification"] == {"ltv_cents": 600, "ledger_cents": 600, "recounted_cents": 600, "agrees": True}


def test_other_money_is_on_the_ledger_and_adds_up_by_itself(client):
    client.pay(100, invoice_id=client.invoice(100))
    client.pay(500, invoice_id=client.invoice(500, currency="EUR"))
    client.pay(700, invoice_id=client.invoice(700, currency="EUR"))

    assert client.worth() == 100
    assert [(one["currency"], one["running_cents"]) for one in client.ledger()["data"]] == [("EUR", 1200), ("EUR", 500), ("USD", 100)]


def test_a_client_who_paid_nothing_has_an_empty_ledger(client, invoke):
    answer = invoke("billing/client_ledger", path={"contact_id": client.contact_id})

    assert (answer.status, answer.json["data"], answer.json["verification"]) == (200, [], None)
    assert client.worth() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "update contacts set ltv_cents = ltv_cents + 1 where tenant_id = :t and id = :c",
        """insert into ledger_entries (tenant_id, id, organization_id, contact_id, kind, amount_cents, currency, source_key, occurred_at)
           select :t, gen_random_uuid(), organization_id, id, 'payment', 5, 'USD', 'by hand', now() from contacts where tenant_id = :t and id = :c""",
        "update invoices set tax_cents = 0, subtotal_cents = total_cents where tenant_id = :t and contact_id = :c",
    ],
)
def test_what_does_not_agree_is_found(client, wrong):
    client.pay(1100, invoice_id=client.invoice(1100, 100))

    with client.engine.connect() as connection:
        connection.execute(text(wrong), {"t": client.tenant.id, "c": client.contact_id})

    assert not client.ledger()["verification"]["agrees"]


def test_the_recount_is_as_exact_as_the_ledger(client):
    """A quotient of numeric has some sixteen digits: what is nearly half a cent was taken for half a one."""
    total, tax, paid = 638_727_765_985_513, 2_979_383_755_526, 628_980_544_164_002
    client.pay(paid, invoice_id=client.invoice(total, tax))

    assert client.worth() == worth(paid, total_cents=total, tax_cents=tax)


def test_an_entry_counts_once_whoever_writes_it_again(client):
    client.pay(1100, invoice_id=client.invoice(1100))

    with client.engine.connect() as connection, pytest.raises(Exception, match="ledger_entries_once"):
        connection.execute(
            text("""insert into ledger_entries (tenant_id, id, organization_id, kind, amount_cents, currency, source_key, occurred_at)
                    select tenant_id, gen_random_uuid(), organization_id, kind, amount_cents, currency, source_key, now()
                      from ledger_entries where tenant_id = :t"""),
            {"t": client.tenant.id},
        )


def test_an_invoice_of_nobody_in_particular_is_on_no_contacts_ledger(client):
    client.pay(1000, invoice_id=client.invoice(1000, contact=False))

    assert client.worth() == 0
    assert client.rows("select amount_cents from ledger_entries where tenant_id = :t and contact_id is null") == [1000]


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("payments", "allocated_cents = amount_cents + 1"),
        ("payments", "refunded_cents = amount_cents + 1"),
        ("payments", "refunded_cents = 1, allocated_cents = amount_cents"),
        ("payments", "status = 'pending'"),
        ("invoices", "allocated_cents = total_cents + 1"),
        ("allocations", "refunded_cents = amount_cents + 1"),
        ("allocations", "reopened_cents = 1"),
        ("invoices", "allocated_cents = total_cents - 1"),
    ],
)
def test_the_database_refuses_sums_that_cannot_be(client, table, change):
    client.pay(1000, invoice_id=client.invoice(1000))

    with client.engine.connect() as connection, pytest.raises(Exception, match=r"violates check constraint|owes something"):
        connection.execute(text(f"update {table} set {change} where tenant_id = :t"), {"t": client.tenant.id})


# A clerk keeps every cent in a place: a payment's credit, or what pays an invoice. Nothing is summed but by counting the places.


@dataclass
class Lot:
    """Money of a payment that pays an invoice; what was taken of it and given back or lost, and what of that is asked for again."""

    id: str
    invoice: str
    cents: int
    gone: int = 0
    again: int = 0


@dataclass
class Kept:
    """A payment in the clerk's book."""

    id: str
    cents: int
    name: str | None = None
    lots: list[Lot] = field(default_factory=list)
    gone: int = 0

    @property
    def credit(self) -> int:
        return self.cents - self.gone - sum(lot.cents - lot.gone for lot in self.lots)

    def take(self, cents, invoice, *, again):
        self.gone += cents
        own = [lot for lot in reversed(self.lots) if lot.invoice == invoice]
        others = [lot for lot in reversed(self.lots) if lot.invoice != invoice]
        free = self.credit + cents
        taken = []
        for lot in [*own, None, *others]:
            if lot is None:
                cents -= min(cents, free)
                continue
            part = min(cents, lot.cents - lot.gone)
            cents -= part
            lot.gone += part
            lot.again += part if again else 0
            taken.append((lot, part))
        assert cents == 0
        return taken


class Clerk:
    """Does at random what may be done, and writes it down."""

    def __init__(self, client, seed):
        self.client, self.random = client, random.Random(seed)
        self.invoices = {}
        self.payments = []
        for _ in range(3):
            total = self.random.randint(1, 900)
            tax = self.random.randint(0, total)
            self.invoices[str(client.invoice(total, tax))] = [total, tax, 0]

    def lots(self, invoice):
        return [lot for payment in self.payments for lot in payment.lots if lot.invoice == invoice]

    def balance(self, invoice):
        total, _, credited = self.invoices[invoice]
        return total - credited - sum(lot.cents - lot.again for lot in self.lots(invoice))

    def worth(self, invoice):
        total, tax, _ = self.invoices[invoice]
        held = sum(lot.cents - lot.gone for lot in self.lots(invoice))
        return int(Fraction(held * (total - tax), total) + Fraction(1, 2))

    def invoice(self):
        return self.random.choice(sorted(self.invoices))

    def payment(self):
        return self.random.choice(self.payments)

    def act(self):
        if not self.payments:
            return self.pay()
        return self.random.choice(
            [self.pay, self.pay, self.hear, self.apply, self.release, self.refund, self.refund, self.bounce, self.dispute, self.credit]
        )()

    def pay(self):
        cents, invoice = self.random.randint(1, 700), self.invoice()
        about = self.random.choice([{"invoice_id": invoice}, {"contact_id": str(self.client.contact_id)}])
        self.keep(self.client.pay(cents, **about), about.get("invoice_id"))
        return "pay"

    def hear(self):
        cents, invoice, name = self.random.randint(1, 700), self.invoice(), f"pi_{uuid4().hex}"
        with db.job_transaction(self.client.tenant.id) as tx:
            news = ProviderPayment("stripe", name, "succeeded", "card", cents, "USD", AT, invoice_id=UUID(invoice))
            assert provider.apply_payment(tx, news) == "applied"
        [found] = self.client.rows("select id from payments where tenant_id = :t and provider_id = :p", p=name)
        self.keep(self.client.payment(str(found)), invoice, name)
        return "hear"

    def keep(self, answer, invoice, name=None):
        paid = Kept(answer["id"], answer["amount_cents"], name)
        expected = min(paid.cents, self.balance(invoice)) if invoice else 0
        self.payments.append(paid)
        assert sum(one["amount_cents"] for one in answer["allocations"]) == expected
        paid.lots += [Lot(one["id"], one["invoice_id"], one["amount_cents"]) for one in answer["allocations"]]

    def apply(self):
        paid, invoice = self.payment(), self.invoice()
        most = min(paid.credit, self.balance(invoice))
        answer = self.client.ask("allocations", paid.id, {"invoice_id": invoice})
        assert answer.status == (201 if most else 409), answer.body
        if most:
            assert answer.json["amount_cents"] == most
            paid.lots.append(Lot(answer.json["id"], invoice, most))
        return "apply"

    def release(self):
        paid = self.payment()
        if paid.lots:
            lot = self.random.choice(paid.lots)
            assert self.client.release(paid.id, lot.id).status == 204
            paid.lots.remove(lot)
        return "release"

    def refund(self):
        paid, reopen = self.payment(), self.random.random() < 0.5
        cents = self.random.randint(1, 400)
        lot = self.random.choice([None, *paid.lots])
        if paid.name is not None:
            return self.give_back(paid, cents)
        body = {"amount_cents": cents, "reopen": reopen} | ({"invoice_id": lot.invoice} if lot else {})
        answer = self.client.ask("refunds", paid.id, body)
        left = paid.cents - paid.gone
        if lot:
            left = min(left, sum(one.cents - one.gone for one in paid.lots if one.invoice == lot.invoice))
        assert answer.status == (201 if cents <= left else 409), (answer.body, left)
        if cents <= left:
            paid.take(cents, lot and lot.invoice, again=reopen)
        else:
            assert answer.json["left_cents"] == left
        return "refund"

    def give_back(self, paid, cents, *, then=()):
        cents = min(cents, paid.cents - paid.gone)
        if cents == 0:
            return "nothing to give back"
        name = f"re_{uuid4().hex}"
        for status in ("pending", "succeeded", *then):
            with db.job_transaction(self.client.tenant.id) as tx:
                assert provider.apply_refund(tx, ProviderRefund("stripe", name, paid.name, None, cents, "USD", status, AT)) == "applied"
        taken = paid.take(cents, None, again=False)
        if then:
            paid.gone -= cents
            for lot, part in taken:
                lot.gone -= part
        return "give back" + "".join(then)

    def bounce(self):
        paid = self.payment()
        return "no provider" if paid.name is None else self.give_back(paid, self.random.randint(1, 400), then=("failed",))

    def dispute(self):
        paid = self.payment()
        left, cents, end = paid.cents - paid.gone, self.random.randint(1, 400), self.random.choice(["won", "lost"])
        if paid.name is not None or left < cents:
            return "no dispute"
        made = self.client.ask("disputes", paid.id, {"amount_cents": cents})
        assert self.client.close(made.json, end).status == 200
        if end == "lost":
            paid.take(cents, None, again=True)
        return f"dispute {end}"

    def credit(self):
        invoice = self.invoice()
        cents = self.random.randint(1, 100)
        if cents < self.balance(invoice):
            with self.client.engine.connect() as connection:
                connection.execute(
                    text("""insert into credit_notes (tenant_id, id, invoice_id, amount_cents, currency, reason)
                            values (:t, gen_random_uuid(), :i, :c, 'USD', 'x')"""),
                    {"t": self.client.tenant.id, "i": invoice, "c": cents},
                )
            self.invoices[invoice][2] += cents
        return "credit"

    def check(self):
        for paid in self.payments:
            row = self.client.row("payments", paid.id)
            found = (row["unapplied_cents"], row["refunded_cents"] + row["lost_cents"], row["allocated_cents"])
            assert found == (paid.credit, paid.gone, sum(lot.cents for lot in paid.lots))
        for invoice in self.invoices:
            row = self.client.row("invoices", invoice)
            assert (row["balance_cents"], row["status"]) == (self.balance(invoice), "open" if self.balance(invoice) else "paid")
            [entries] = self.client.rows(
                "select coalesce(sum(amount_cents), 0)::bigint from ledger_entries where tenant_id = :t and invoice_id = :i", i=invoice
            )
            assert entries == self.worth(invoice)
        assert self.client.worth() == sum(map(self.worth, self.invoices))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_the_books_are_the_clerks(client, seed):
    clerk = Clerk(client, seed)

    for number in range(25):
        print(number, clerk.act())
        clerk.check()
