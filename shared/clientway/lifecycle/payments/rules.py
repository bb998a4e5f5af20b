"""What a change makes of a payment: due, paid, void, disputed."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from clientway.errors import Conflict, FieldError, Unprocessable

PaymentStatus = Literal["due", "paid", "void"]

NEXT: Final[Mapping[str, tuple[str, ...]]] = {"due": ("paid", "void"), "paid": ("void",), "void": ()}


class PaymentMoveRefused(Conflict):
    """409: a payment does not go from its status to that one; `legal` lists where it can go."""

    code, title = "payment_move_refused", "Payment move refused"


def check(row: Mapping[str, Any]) -> None:
    """Refuse what does not fit together. Raises Unprocessable (422).

    What is due has a day on which it is; only what was paid has a time of payment and can be disputed; a dispute is
    closed after it was opened.
    """
    errors = []
    if row["status"] == "due" and row["due_on"] is None:
        errors.append(FieldError("#/due_on", "missing", "what is due is due on a day"))
    if row["status"] != "paid" and row["paid_at"] is not None:
        errors.append(FieldError("#/paid_at", "not_paid", "only what was paid has one"))
    if row["status"] != "paid" and row["disputed_at"] is not None and row["dispute_closed_at"] is None:
        errors.append(FieldError("#/disputed_at", "not_paid", "only what was paid is in dispute"))
    if row["dispute_closed_at"] is not None and (row["disputed_at"] is None or row["dispute_closed_at"] < row["disputed_at"]):
        errors.append(FieldError("#/dispute_closed_at", "before_dispute", "a dispute is closed after it was opened"))
    if errors:
        raise Unprocessable("The payment breaks a rule.", errors=errors)


def check_move(current: str, target: str) -> None:
    """Let a payment take its next status, or keep it. Raises PaymentMoveRefused (409)."""
    if target != current and target not in NEXT[current]:
        detail = f"A payment that is {current} does not become {target}."
        raise PaymentMoveRefused(detail, current=current, target=target, legal=list(NEXT[current]))
