"""The books as arithmetic: whatever happens in whatever order, no cent appears or is lost."""

from datetime import UTC, datetime
from fractions import Fraction
from itertools import count
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.billing.ledger import rules
from clientway.billing.ledger.rules import Books, Invoice, Payment, worth
from clientway.ids import uuid7

AT = datetime(2026, 11, 21, tzinfo=UTC)


def invoice(total=100, tax=0):
    return Invoice(uuid7(), uuid7(), None, "open", "USD", total, tax, total, 0)


def books(*invoices, payments=(100,)):
    return Books({one.id: one for one in invoices}, {(key := uuid7()): Payment(key, cents, cents) for cents in payments})


def test_what_is_paid_in_parts_is_worth_what_it_would_be_at_once():
    one = invoice(total=1003, tax=93)
    some = books(one, payments=(334, 334, 335))

    for payment_id in some.payments:
        some.apply(payment_id, one.id, 335, AT)

    assert [entry.amount_cents for entry in some.entries] == [303, 303, 304]
    assert sum(entry.amount_cents for entry in some.entries) == 1003 - 93
    assert one.balance_cents == 0


@given(total=st.integers(1, 10**9), data=st.data())
def test_worth_rounds_half_a_cent_up_and_a_paid_invoice_is_worth_its_total_without_tax(total, data):
    tax, held = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))

    exact = Fraction(held * (total - tax), total)
    assert worth(held, total_cents=total, tax_cents=tax) == (exact + Fraction(1, 2)).__floor__()
    assert worth(total, total_cents=total, tax_cents=tax) == total - tax
    assert worth(0, total_cents=total, tax_cents=tax) == 0


def test_nothing_is_worth_nothing():
    assert worth(0, total_cents=0, tax_cents=0) == 0


def test_more_than_is_owed_stays_credit():
    one = invoice(total=60)
    some = books(one)
    [payment] = some.payments.values()

    made = some.apply(payment.id, one.id, 100, AT)

    assert (made.amount_cents, payment.unapplied_cents, one.balance_cents) == (60, 40, 0)
    assert some.apply(payment.id, one.id, 100, AT) is None


def test_a_refund_takes_credit_first_and_leaves_the_invoice_paid():
    one = invoice(total=60)
    some = books(one)
    [payment] = some.payments.values()
    made = some.apply(payment.id, one.id, 100, AT)

    parts, short = some.refund(payment.id, uuid7(), 70, AT, invoice_id=None, reopen=False)

    assert (parts, short) == ({made.id: 30}, 0)
    assert (payment.unapplied_cents, one.balance_cents, one.held_cents) == (0, 0, 30)
    assert [entry.amount_cents for entry in some.entries] == [60, -30]


def test_a_refund_that_names_an_invoice_leaves_credit_alone_and_reopens_it_when_told():
    one = invoice(total=60)
    some = books(one)
    [payment] = some.payments.values()
    some.apply(payment.id, one.id, 100, AT)

    some.refund(payment.id, uuid7(), 25, AT, invoice_id=one.id, reopen=True)

    assert (payment.unapplied_cents, one.balance_cents, one.held_cents) == (40, 25, 35)


def test_a_refund_that_came_back_closes_what_it_reopened():
    one = invoice(total=100)
    some = books(one)
    [payment] = some.payments.values()
    some.apply(payment.id, one.id, 100, AT)
    refund_id = uuid7()
    parts, _ = some.refund(payment.id, refund_id, 40, AT, invoice_id=None, reopen=True)
    assert one.balance_cents == 40

    some.unrefund(payment.id, refund_id, 40, parts, AT, reopened=True)

    assert (one.balance_cents, one.held_cents, payment.refunded_cents, payment.unapplied_cents) == (0, 100, 0, 0)


@pytest.mark.parametrize(("refunded", "released"), [(40, False), (100, True)])
def test_a_refund_that_came_back_after_its_invoice_was_paid_otherwise_is_credit(refunded, released):
    one = invoice(total=100)
    some = books(one, payments=(100, 100))
    first, second = some.payments.values()
    made = some.apply(first.id, one.id, 100, AT)
    refund_id = uuid7()
    parts, _ = some.refund(first.id, refund_id, refunded, AT, invoice_id=None, reopen=True)
    some.apply(second.id, one.id, refunded, AT)

    some.unrefund(first.id, refund_id, refunded, parts, AT, reopened=True)

    assert (first.unapplied_cents, one.balance_cents, one.held_cents, made.released) == (refunded, 0, 100, released)
    assert released or made.amount_cents == 100 - refunded
    assert sum(entry.amount_cents for entry in some.entries) == 100


def test_a_provider_that_gave_back_what_a_dispute_took_leaves_the_dispute_less():
    one = invoice(total=100)
    some = books(one)
    [payment] = some.payments.values()
    some.apply(payment.id, one.id, 100, AT)
    assert some.lose(payment.id, uuid7(), 130, AT) == 100

    parts, short = some.refund(payment.id, uuid7(), 30, AT, invoice_id=None, reopen=False)

    assert (sum(parts.values()), short, payment.lost_cents, payment.refunded_cents) == (30, 30, 70, 30)
    assert (one.balance_cents, one.held_cents) == (100, 0)


@pytest.fixture(scope="module", autouse=True)
def _ids_in_order():
    """Of two ids of one millisecond either may be the greater; a sequence that is tried again has to go as it went before."""
    counted = count(1)
    with patch.object(rules, "uuid7", lambda: UUID(int=next(counted))):
        yield


def paid(*totals, credit=0):
    """A payment of several invoices and of this much beyond them; the books, the payment, and what pays each invoice."""
    invoices = [invoice(total) for total in totals]
    some = books(*invoices, payments=(sum(totals) + credit,))
    [payment] = some.payments.values()
    return some, payment, [some.apply(payment.id, one.id, one.total_cents, AT) for one in invoices]


def test_refunds_on_their_way_are_no_credit():
    payment = Payment(uuid7(), 100, 50, refunding_cents=30)
    assert payment.credit_cents == 20
    payment.refunding_cents = 60
    assert payment.credit_cents == 0
    assert Payment(uuid7(), 100, 50, settles_elsewhere=True).credit_cents == 0


def test_what_is_left_to_give_back_was_neither_given_back_nor_lost_nor_is_on_its_way():
    assert Payment(uuid7(), 100, 0, refunded_cents=20, refunding_cents=30, lost_cents=10).left_cents == 40
    assert Payment(uuid7(), 100, 0, refunded_cents=80, refunding_cents=30).left_cents == 0


def test_one_cent_pays_and_what_changed_is_told_once_and_in_order():
    some, payment, made = paid(*[1] * 9)
    some.release(made[0], AT)

    assert all(one.new for one in made)
    assert some.changed == made
    assert some.touched == sorted(some.invoices)
    some.allocations.reverse()
    assert some.live(payment.id) == made[1:]
    assert not rules.Allocation(uuid7(), payment.id, made[0].invoice_id, 1).new


def test_what_stands_elsewhere_is_worth_what_came_in_and_was_not_given_back():
    some = books(payments=(100,))
    [payment] = some.payments.values()
    payment.settles_elsewhere = True
    refund_id, dispute_id = uuid7(), uuid7()

    some.settle_elsewhere(payment.id, AT)
    some.refund(payment.id, refund_id, 30, AT, invoice_id=None, reopen=False)
    some.unrefund(payment.id, refund_id, 30, {}, AT, reopened=False)
    assert some.lose(payment.id, dispute_id, 60, AT) == 60
    # Nothing to tell: the provider gave back what the dispute had taken.
    some.refund(payment.id, uuid7(), 100, AT, invoice_id=None, reopen=False)
    some.refund(payment.id, uuid7(), 0, AT, invoice_id=None, reopen=False)

    told = [(entry.kind, entry.amount_cents, entry.source_key) for entry in some.entries]
    assert told == [
        ("payment", 100, f"payment:{payment.id}"), ("refund", -30, f"refund:{refund_id}"), ("refund", 30, f"refund_returned:{refund_id}"),
        ("dispute_lost", -60, f"dispute_lost:{dispute_id}"), ("refund", -40, some.entries[-1].source_key),
    ]  # fmt: skip
    assert {(entry.payment_id, entry.invoice_id) for entry in some.entries} == {(payment.id, None)}


def test_what_stands_elsewhere_is_worth_nothing_of_the_tax_in_it():
    some = books(payments=(120,))
    [payment] = some.payments.values()
    payment.settles_elsewhere, payment.tax_cents = True, 20
    refund_id = uuid7()

    some.settle_elsewhere(payment.id, AT)
    some.refund(payment.id, refund_id, 1, AT, invoice_id=None, reopen=False)
    some.unrefund(payment.id, refund_id, 1, {}, AT, reopened=False)
    some.refund(payment.id, uuid7(), 60, AT, invoice_id=None, reopen=False)
    some.lose(payment.id, uuid7(), 60, AT)

    assert [entry.amount_cents for entry in some.entries] == [100, -1, 1, -50, -50]


def test_a_refund_that_came_back_stands_again_where_it_was_taken_and_nowhere_else():
    some, payment, (older, newer) = paid(50, 50)
    refund_id = uuid7()
    parts, _ = some.refund(payment.id, refund_id, 1, AT, invoice_id=older.invoice_id, reopen=False)
    some.refund(payment.id, uuid7(), 30, AT, invoice_id=older.invoice_id, reopen=False)
    some.refund(payment.id, uuid7(), 20, AT, invoice_id=newer.invoice_id, reopen=False)
    before = len(some.entries)

    some.unrefund(payment.id, refund_id, 1, parts, AT, reopened=False)

    assert (older.refunded_cents, newer.refunded_cents, payment.refunded_cents, payment.unapplied_cents) == (30, 20, 50, 0)
    assert (older.reopened_cents, some.invoices[older.invoice_id].balance_cents) == (0, 0)
    told = [(entry.kind, entry.amount_cents, entry.source_key) for entry in some.entries[before:]]
    assert told == [("refund", 1, f"refund_returned:{refund_id}:{older.id}")]


def test_what_a_refund_asked_for_again_is_asked_no_longer_when_it_comes_back():
    some, payment, [made] = paid(100)
    first, second = uuid7(), uuid7()
    reopening, _ = some.refund(payment.id, first, 40, AT, invoice_id=None, reopen=True)
    quiet, _ = some.refund(payment.id, second, 30, AT, invoice_id=None, reopen=False)

    some.unrefund(payment.id, second, 30, quiet, AT, reopened=False)
    assert (made.refunded_cents, made.reopened_cents, some.invoices[made.invoice_id].balance_cents) == (40, 40, 40)
    some.unrefund(payment.id, first, 40, reopening, AT, reopened=True)
    assert (made.refunded_cents, made.reopened_cents, some.invoices[made.invoice_id].balance_cents) == (0, 0, 0)


def test_what_a_dispute_asked_for_again_and_a_refund_took_is_asked_no_longer_when_that_comes_back():
    some, payment, [made] = paid(100)
    refund_id = uuid7()
    some.lose(payment.id, uuid7(), 100, AT)
    parts, _ = some.refund(payment.id, refund_id, 40, AT, invoice_id=None, reopen=False)
    assert (made.lost_cents, made.refunded_cents, made.reopened_cents) == (60, 40, 100)

    some.unrefund(payment.id, refund_id, 40, parts, AT, reopened=False)

    assert (made.lost_cents, made.refunded_cents, made.reopened_cents, made.held_cents) == (60, 0, 60, 40)
    assert some.invoices[made.invoice_id].balance_cents == 60


def test_what_a_lost_dispute_asks_for_again_is_asked_when_a_refund_comes_back():
    some, payment, [made] = paid(100)
    refund_id = uuid7()
    some.lose(payment.id, uuid7(), 40, AT)
    parts, _ = some.refund(payment.id, refund_id, 30, AT, invoice_id=None, reopen=False)

    some.unrefund(payment.id, refund_id, 30, parts, AT, reopened=False)

    assert (made.lost_cents, made.reopened_cents, some.invoices[made.invoice_id].balance_cents) == (40, 40, 40)


def test_a_refund_beyond_the_invoice_it_names_takes_credit_and_then_the_other_invoices():
    some, payment, (older, newer) = paid(30, 30, credit=40)

    parts, _ = some.refund(payment.id, uuid7(), 80, AT, invoice_id=newer.invoice_id, reopen=False)

    assert (parts, payment.unapplied_cents) == ({newer.id: 30, older.id: 10}, 0)


def test_what_a_provider_gave_back_is_taken_off_the_oldest_loss():
    some, payment, (older, newer) = paid(50, 50)
    some.lose(payment.id, uuid7(), 100, AT)
    some.changed.clear()

    parts, short = some.refund(payment.id, uuid7(), 60, AT, invoice_id=None, reopen=False)

    assert (parts, short) == ({older.id: 50, newer.id: 10}, 60)
    assert [(one.refunded_cents, one.lost_cents) for one in (older, newer)] == [(50, 0), (10, 40)]
    assert some.changed == [older, newer]


@given(st.data())
def test_no_sequence_loses_a_cent(data):
    invoices = [
        invoice(total, data.draw(st.integers(0, total))) for total in data.draw(st.lists(st.integers(1, 500), min_size=1, max_size=3))
    ]
    some = books(*invoices, payments=data.draw(st.lists(st.integers(1, 500), min_size=1, max_size=3)))
    gone = dict.fromkeys(some.payments, 0)
    refunds = []

    for _ in range(data.draw(st.integers(1, 15))):
        payment = data.draw(st.sampled_from(list(some.payments.values())))
        one = data.draw(st.sampled_from(invoices))
        cents = data.draw(st.integers(1, 600))
        left = payment.amount_cents - gone[payment.id]
        match data.draw(st.sampled_from(["apply", "release", "refund", "return", "lose"])):
            case "apply":
                some.apply(payment.id, one.id, cents, AT)
            case "release" if some.live(payment.id):
                some.release(data.draw(st.sampled_from(some.live(payment.id))), AT)
            case "refund" if left:
                cents, reopen = min(cents, left), data.draw(st.booleans())
                target = data.draw(st.sampled_from([None, one.id]))
                parts, short = some.refund(payment.id, (key := uuid7()), cents, AT, invoice_id=target, reopen=reopen)
                assert short == 0
                refunds.append((payment.id, key, cents, parts, reopen))
                gone[payment.id] += cents
            case "return" if refunds:
                payment_id, key, cents, parts, reopen = refunds.pop(data.draw(st.integers(0, len(refunds) - 1)))
                some.unrefund(payment_id, key, cents, parts, AT, reopened=reopen)
                gone[payment_id] -= cents
            case "lose" if left:
                gone[payment.id] += some.lose(payment.id, uuid7(), cents, AT)

        for check in some.payments.values():
            assert check.refunded_cents + check.lost_cents == gone[check.id] <= check.amount_cents
            held = sum(part.held_cents for part in some.live(check.id))
            assert check.unapplied_cents >= 0
            assert check.amount_cents == gone[check.id] + held + check.unapplied_cents
        for check in invoices:
            live = [part for part in some.allocations if part.invoice_id == check.id and not part.released]
            assert all(part.amount_cents > 0 and 0 <= part.reopened_cents <= part.refunded_cents + part.lost_cents for part in live)
            assert all(part.held_cents >= 0 for part in live)
            assert check.held_cents == sum(part.held_cents for part in live)
            allocated, reopened = sum(part.amount_cents for part in live), sum(part.reopened_cents for part in live)
            assert check.balance_cents == check.total_cents - allocated + reopened >= 0
            entries = sum(entry.amount_cents for entry in some.entries if entry.invoice_id == check.id)
            assert (
                entries
                == (Fraction(check.held_cents * (check.total_cents - check.tax_cents), check.total_cents) + Fraction(1, 2)).__floor__()
            )
    assert len({entry.source_key for entry in some.entries}) == len(some.entries)
