"""What an invoice adds up to, in whole cents, and how it moves from status to status.

A line is its quantity times its price less its discount, rounded once. The discount on the whole invoice is split over the
lines so that its parts add up, and each line is taxed on what is left of it: no cent is lost or found on the way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

from clientway.errors import Conflict, FieldError, Unprocessable

InvoiceStatus = Literal["draft", "open", "paid", "void", "uncollectible"]
PaymentState = Literal["unpaid", "partial", "paid", "overpaid", "partially_refunded", "refunded", "disputed"]
PageStatus = Literal["none", "pending", "ready", "failed", "closed"]

BPS: Final = 10_000
THOUSANDTHS: Final = 1_000
MOST_CENTS: Final = 10**15
FURTHEST: Final = timedelta(days=3660)

MOVES: Final[Mapping[str, tuple[str, ...]]] = {
    "draft": ("open",),
    "open": ("void", "uncollectible"),
    "uncollectible": ("void",),
    "paid": (),
    "void": (),
}
"""What a person may do to an invoice; that it is paid, or open again, money says."""


class InvoiceMoveRefused(Conflict):
    """409: an invoice does not go from its status to that one; `legal` lists where it can go."""

    code, title = "invoice_move_refused", "Invoice move refused"


class InvoiceHasPayments(Conflict):
    """409: money pays this invoice; release or refund it first."""

    code, title = "invoice_has_payments", "Invoice has payments"


class InvoiceSent(Conflict):
    """409: what the client has before them is not changed: void it or credit it, and make another."""

    code, title = "invoice_sent", "Invoice sent"


class InvoiceOver(Conflict):
    """409: the invoice is paid, void or a draft: nothing is owed on it."""

    code, title = "invoice_not_open", "Invoice not open"


class InvoiceEmpty(Conflict):
    """409: an invoice without lines cannot be opened."""

    code, title = "invoice_empty", "Invoice empty"


@dataclass(frozen=True)
class Line:
    """What is sold, how much of it, at what price."""

    quantity_thousandths: int
    unit_price_cents: int
    discount_bps: int
    tax_rate_bps: int


@dataclass(frozen=True)
class Amounts:
    """What an invoice adds up to, and each of its lines: amount before the invoice's discount, and tax after it."""

    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    total_cents: int
    lines: tuple[tuple[int, int], ...]


def half_up(numerator: int, denominator: int) -> int:
    """A fraction in whole numbers, half a one away from zero: a line and its opposite cancel out."""
    cents = (2 * abs(numerator) + denominator) // (2 * denominator)
    return cents if numerator >= 0 else -cents


def amount(line: Line) -> int:
    """Quantity times price, less the line's own discount."""
    return half_up(line.quantity_thousandths * line.unit_price_cents * (BPS - line.discount_bps), THOUSANDTHS * BPS)


def split(cents: int, weights: Sequence[int]) -> list[int]:
    """Cents in proportion to weights, nothing where these add up to nothing; the largest remainders get what rounding leaves."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    shares = [cents * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-(cents * weights[place] % total), place))
    for place in by_remainder[: cents - sum(shares)]:
        shares[place] += 1
    return shares


def amounts(lines: Sequence[Line], discount_bps: int) -> Amounts:
    """Add an invoice up. Raises Unprocessable (422) for a sum below nothing or beyond what money there is."""
    each = [amount(line) for line in lines]
    subtotal = sum(each)
    if subtotal < 0 or subtotal > MOST_CENTS or any(abs(one) > MOST_CENTS for one in each):
        code, message = ("negative_total", "adds up to less than nothing") if subtotal < 0 else ("too_large", "adds up to too much")
        raise Unprocessable("The invoice breaks a rule.", errors=[FieldError("#/lines", code, message)])
    discount = half_up(subtotal * discount_bps, BPS)
    shares = split(discount, each)
    taxes = [half_up((one - share) * line.tax_rate_bps, BPS) for one, share, line in zip(each, shares, lines, strict=True)]
    if sum(taxes) < 0:
        pointer = FieldError("#/lines", "negative_tax", "the tax adds up to less than zero")
        raise Unprocessable("The invoice breaks a rule.", errors=[pointer])
    return Amounts(subtotal, discount, sum(taxes), subtotal - discount + sum(taxes), tuple(zip(each, taxes, strict=True)))


def check_due(due_on: date | None, now: datetime) -> None:
    """Refuse a due date that is a slip of the pen. Raises Unprocessable (422)."""
    if due_on is not None and abs(due_on - now.date()) > FURTHEST:
        pointer = FieldError("#/due_on", "too_far", "more than ten years from now")
        raise Unprocessable("The invoice breaks a rule.", errors=[pointer])


def check_move(invoice: Mapping[str, Any], target: InvoiceStatus) -> None:
    """Refuse a move that is none, and to void what money was taken for. Raises InvoiceMoveRefused, InvoiceHasPayments (409)."""
    current = invoice["status"]
    if target not in MOVES[current]:
        detail = f"An invoice that is {current} cannot become {target}."
        raise InvoiceMoveRefused(detail, current=current, target=target, legal=list(MOVES[current]))
    if target == "void" and invoice["allocated_cents"]:
        detail = "The invoice has payments: release or refund them before you void it."
        raise InvoiceHasPayments(detail, allocated_cents=invoice["allocated_cents"])


def page_is_wanted(status: str, cents: int | None, made_cents: int) -> bool:
    """Whether the page that has just been made is the one that is waited for: for what is owed now."""
    return status == "pending" and cents == made_cents
