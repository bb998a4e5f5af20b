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
