"""What an invoice adds up to, as arithmetic."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clientway.billing.invoices import rules
from clientway.billing.invoices.rules import Line
from clientway.billing.invoices.schemas import InvoiceLineInput
from clientway.billing.payments import rules as payments
from clientway.billing.payments.rules import money
from clientway.billing.refunds import rules as refunds
from clientway.currencies import decimals
from clientway.errors import Unprocessable

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
BPS = st.integers(0, 10_000)
LINES = st.builds(Line, st.integers(1, 5_000_000), st.integers(-50_000, 500_000), BPS, BPS)


@pytest.mark.parametrize(
    ("line", "cents"),
    [
        (Line(1000, 9_999, 0, 0), 9_999),
        (Line(1500, 333, 0, 0), 500),  # 499.5
        (Line(1500, 331, 0, 0), 497),  # 496.5
        (Line(1500, -331, 0, 0), -497),
        (Line(333, 100, 0, 0), 33),
        (Line(1000, 999, 5_000, 0), 500),  # 499.5
        (Line(1000, 999, 10_000, 0), 0),
        (Line(1, 1, 0, 0), 0),
    ],
)
def test_a_line_is_rounded_once_half_a_cent_up(line, cents):
    assert rules.amount(line) == cents


def test_an_invoice_with_everything():
    found = rules.amounts([Line(2000, 5_000, 0, 825), Line(1500, 1_333, 1_000, 0), Line(1000, -500, 0, 825)], 1_000)

    assert [cents for cents, _ in found.lines] == [10_000, 1_800, -500]
    assert (found.subtotal_cents, found.discount_cents) == (11_300, 1_130)
    # 9,000 and -450 are taxed.
    assert [tax for _, tax in found.lines] == [743, 0, -37]
    assert (found.tax_cents, found.total_cents) == (706, 10_876)


@given(st.lists(LINES, max_size=30), BPS)
def test_no_cent_is_lost(lines, discount_bps):
    each = [rules.amount(line) for line in lines]
    if sum(each) < 0:
        with pytest.raises(Unprocessable):
            rules.amounts(lines, discount_bps)
        return
    try:
        found = rules.amounts(lines, discount_bps)
    except Unprocessable:
        # A tax below nothing, which only a line below nothing can make.
        assume(min(each) >= 0)
        raise

    assert found.total_cents == found.subtotal_cents - found.discount_cents + found.tax_cents
    assert found.subtotal_cents == sum(cents for cents, _ in found.lines)
    assert found.tax_cents == sum(tax for _, tax in found.lines) >= 0
    assert 0 <= found.discount_cents <= found.subtotal_cents
    assert abs(Fraction(found.subtotal_cents * discount_bps, 10_000) - found.discount_cents) <= Fraction(1, 2)


@given(st.integers(0, 10**12), st.lists(st.integers(-1_000, 10**9), min_size=1, max_size=40).filter(lambda weights: sum(weights) > 0))
def test_shares_add_up_and_are_less_than_a_cent_off(cents, weights):
    shares = rules.split(cents, weights)

    assert sum(shares) == cents
    assert all(abs(share - Fraction(cents * weight, sum(weights))) < 1 for share, weight in zip(shares, weights, strict=True))


@pytest.mark.parametrize(
    ("cents", "weights", "shares"),
    [
        (10, [1, 1, 1], [4, 3, 3]),
        (2, [1, 5, 5], [0, 1, 1]),
        (4, [2, 3], [2, 2]),  # 1.6 and 2.4
        (1, [1], [1]),
        (0, [7, 0], [0, 0]),
        (5, [1, -1], [0, 0]),
    ],
)
def test_what_rounding_leaves_goes_to_the_largest_remainders_and_of_equals_to_the_first(cents, weights, shares):
    assert rules.split(cents, weights) == shares


@given(LINES)
def test_a_line_and_its_opposite_cancel_out(line):
    opposite = Line(line.quantity_thousandths, -line.unit_price_cents, line.discount_bps, line.tax_rate_bps)

    assert rules.amount(line) + rules.amount(opposite) == 0


@pytest.mark.parametrize("lines", [[Line(1000, -1, 0, 0)], [Line(1000, 100, 0, 0), Line(1000, -101, 0, 0)]])
def test_less_than_nothing_is_no_invoice(lines):
    with pytest.raises(Unprocessable) as refusal:
        rules.amounts(lines, 0)

    assert refusal.value.errors[0].code == "negative_total"


@pytest.mark.parametrize("cents", [[10**18], [10**15 + 1], [10**15, 1], [10**15 + 1, -1], [10**15 + 1, -(10**15) - 1]])
def test_more_than_there_is_is_no_invoice(cents):
    with pytest.raises(Unprocessable) as refusal:
        rules.amounts([Line(1000, one, 0, 0) for one in cents], 0)

    assert refusal.value.errors[0].code == "too_large"


@pytest.mark.parametrize("cents", [[10**15], [10**15, -(10**15)]])
def test_all_the_money_there_is_is_an_invoice(cents):
    assert rules.amounts([Line(1000, one, 0, 0) for one in cents], 0).total_cents == sum(cents)


def test_a_tax_below_nothing_is_no_invoice():
    with pytest.raises(Unprocessable) as refusal:
        rules.amounts([Line(1000, 1_000, 0, 0), Line(1000, -500, 0, 1_000)], 0)

    assert refusal.value.errors[0].code == "negative_tax"


@given(st.integers(1, 1_000_000_000))
def test_a_quantity_is_exact_to_three_decimals(thousandths):
    whole, part = divmod(thousandths, 1000)
    line = InvoiceLineInput.model_validate_json(f'{{"quantity": {whole}.{part:03}}}')

    assert round(line.quantity * rules.THOUSANDTHS) == thousandths


@pytest.mark.parametrize("written", ["0.0001", "1.2345", "0", "-1", "1000000.001", "1e-9"])
def test_any_other_quantity_is_refused(written):
    with pytest.raises(ValueError, match="quantity"):
        InvoiceLineInput.model_validate_json(f'{{"quantity": {written}}}')


LEGAL = {"draft": ["open"], "open": ["void", "uncollectible"], "uncollectible": ["void"], "paid": [], "void": []}


@pytest.mark.parametrize("current", LEGAL)
@pytest.mark.parametrize("target", LEGAL)
def test_an_invoice_moves_by_the_table_alone(current, target):
    invoice = {"status": current, "allocated_cents": 0}
    if target in LEGAL[current]:
        rules.check_move(invoice, target)
        return
    with pytest.raises(rules.InvoiceMoveRefused) as refusal:
        rules.check_move(invoice, target)

    assert refusal.value.extensions["legal"] == LEGAL[current]


@pytest.mark.parametrize("days", [None, -3660, 0, 3660])
def test_an_invoice_is_due_within_ten_years(days):
    rules.check_due(days if days is None else NOW.date() + timedelta(days=days), NOW)


@pytest.mark.parametrize("days", [-3661, 3661])
def test_a_due_date_further_off_is_a_slip_of_the_pen(days):
    with pytest.raises(Unprocessable) as refusal:
        rules.check_due(NOW.date() + timedelta(days=days), NOW)

    assert [(error.pointer, error.code) for error in refusal.value.errors] == [("#/due_on", "too_far")]


@pytest.mark.parametrize(
    ("status", "cents", "wanted"), [("pending", 100, True), ("pending", 90, False), ("pending", None, False), ("ready", 100, False)]
)
def test_only_the_page_for_what_is_owed_now_is_waited_for(status, cents, wanted):
    assert rules.page_is_wanted(status, cents, 100) is wanted


@pytest.mark.parametrize(("units", "currency", "shown"), [(123450, "USD", "1234.50 USD"), (5, "EUR", "0.05 EUR"), (5000, "JPY", "5000 JPY"),
                                                          (1234, "KWD", "1.234 KWD"), (-5, "USD", "-0.05 USD"), (500, "UGX", "5.00 UGX"), (0, "USD", "0.00 USD")])  # fmt: skip
def test_an_amount_is_written_as_its_currency_is(units, currency, shown):
    """As Stripe takes it: a client who owes 5000 yen was told of 50."""
    assert money(units, currency) == shown


def test_what_money_pays_is_not_voided():
    with pytest.raises(rules.InvoiceHasPayments):
        rules.check_move({"status": "open", "allocated_cents": 1}, "void")
    rules.check_move({"status": "open", "allocated_cents": 1}, "uncollectible")


def test_which_currencies_have_no_hundredths():
    """As Stripe's lists have them: one that is missing there is charged a hundred times."""
    assert {
        decimals(one) for one in ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
    } == {0}
    assert {decimals(one) for one in ["BHD", "JOD", "KWD", "OMR", "TND"]} == {3}
    assert {decimals(one) for one in ["USD", "EUR", "MXN", "ISK", "UGX", "HUF", "TWD"]} == {2}


@pytest.mark.parametrize(
    ("cents", "parts", "given", "errors"),
    [
        (100, [], {}, []), (100, [60, 40], {}, []), (100, [60, 41], {}, [("#/allocations", "over_allocated")]),
        (100, [], {"a": True, "b": False}, []), (100, [], {"a": False, "b": True}, []), (100, [], {"a": True, "b": True}, [("#/b", "exclusive")]),
        (1, [2], {"a": True, "b": True, "c": True}, [("#/b", "exclusive"), ("#/c", "exclusive"), ("#/allocations", "over_allocated")]),
    ],
)  # fmt: skip
def test_a_payment_pays_no_more_than_it_is_and_one_thing(cents, parts, given, errors):
    if not errors:
        payments.check_targets(cents, parts, **given)
        return
    with pytest.raises(Unprocessable) as refusal:
        payments.check_targets(cents, parts, **given)

    assert [(error.pointer, error.code) for error in refusal.value.errors] == errors


def test_how_far_money_has_come():
    rank = payments.RANK
    assert rank["pending"] < rank["failed"] < rank["canceled"] < rank["succeeded"]
    rank = refunds.RANK
    assert rank["pending"] < rank["succeeded"] < rank["failed"] == rank["canceled"]
