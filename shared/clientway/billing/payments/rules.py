"""What a payment may be said to pay, and when an older piece of news of it counts."""

from collections.abc import Mapping
from typing import Final

from clientway.currencies import written
from clientway.errors import Conflict, FieldError, Unprocessable


class InvoiceNotPayable(Conflict):
    """409: a draft owes nothing yet and a void invoice nothing any more."""

    code, title = "invoice_not_payable", "Invoice not payable"


class PaymentNotCaptured(Conflict):
    """409: the payment is pending, failed or canceled: there is no money to move."""

    code, title = "payment_not_captured", "Payment not captured"


class NothingToApply(Conflict):
    """409: the payment has no such credit left, or the invoice does not owe so much."""

    code, title = "nothing_to_apply", "Nothing to apply"


RANK: Final[Mapping[str, int]] = {"pending": 0, "failed": 1, "canceled": 2, "succeeded": 3}
"""How far a payment has come: one that failed may be tried again and succeed, one that succeeded stays."""


def check_targets(amount_cents: int, parts_cents: list[int], **given: bool) -> None:
    """Refuse a payment that is said to pay more than it is, or to be for more than one thing. Raises Unprocessable (422)."""
    named = [name for name, is_given in given.items() if is_given]
    errors = [FieldError(f"#/{name}", "exclusive", f"give one of {', '.join(given)}") for name in named[1:]]
    if sum(parts_cents) > amount_cents:
        errors.append(FieldError("#/allocations", "over_allocated", "adds up to more than the payment"))
    if errors:
        raise Unprocessable("The payment breaks a rule.", errors=errors)


def money(cents: int, currency: str) -> str:
    """An amount as people read it: 1234.50 USD."""
    return f"{written(cents, currency)} {currency}"
