"""What of a payment pays which invoice: applied from credit, and taken back."""

from typing import Any
from uuid import UUID

from clientway import effects
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger.queries import Writing
from clientway.billing.ledger.rules import Allocation
from clientway.billing.payments import rules
from clientway.billing.payments.schemas import Allocation as AllocationSchema
from clientway.billing.payments.schemas import AllocationCreate
from clientway.billing.payments.service import PAYMENTS, check_payable, settle
from clientway.db import Tx
from clientway.errors import FieldError, NotFound, Unprocessable, check_version
from clientway.paging import one

_ANSWER = f"select row_to_json(r)::text, null::bigint from (select {', '.join(AllocationSchema.model_fields)} from opened) r"


def apply(tx: Tx, payment_id: UUID, allocation: AllocationCreate) -> Any:
    """Let a client's credit pay an invoice of theirs.

    Raises NotFound (404), Unprocessable (422) for an invoice of somebody else or in another currency, and
    PaymentNotCaptured, InvoiceNotPayable and NothingToApply (409).
    """
    locked = ledger.lock(tx, payment_id=payment_id, invoice_ids=[allocation.invoice_id])
    if locked.payment is None:
        raise PAYMENTS.absent()
    invoice = locked.books.invoices.get(allocation.invoice_id)
    if invoice is None or invoice.organization_id != locked.organization_id:
        raise _refused("unknown_invoice", "not an invoice of this client")
    if invoice.currency != locked.payment["currency"]:
        raise _refused("other_currency", f"is in {invoice.currency}, the payment in {locked.payment['currency']}")
    if locked.payment["status"] != "succeeded":
        raise rules.PaymentNotCaptured(f"The payment is {locked.payment['status']}.")
    check_payable(invoice)

    credit = locked.books.payments[payment_id].credit_cents
    wanted = allocation.amount_cents or min(credit, invoice.balance_cents)
    if wanted == 0 or wanted > min(credit, invoice.balance_cents):
        detail = "The payment has less credit left than that, or the invoice owes less."
        raise rules.NothingToApply(detail, unapplied_cents=credit, balance_cents=invoice.balance_cents)
    made = locked.books.apply(payment_id, invoice.id, wanted, tx.now)
    row = ledger.write(tx, locked.books, Writing(answer=_ANSWER))
    settle(tx, locked.books)
    _tell(tx, "applied", made)
    return one(row)


def release(tx: Tx, payment_id: UUID, allocation_id: UUID, *, version: int) -> None:
    """Release what pays an invoice: it is the client's credit again, and the invoice is owed.

    Raises NotFound (404), PreconditionFailed (412) when the payment, which has this version, was changed.
    """
    locked = ledger.lock(tx, payment_id=payment_id)
    if locked.payment is None:
        raise PAYMENTS.absent()
    found = next((one for one in locked.books.live(payment_id) if one.id == allocation_id), None)
    if found is None:
        raise NotFound("There is no such allocation.")
    check_version(locked.payment["version"], version)
    locked.books.release(found, tx.now)
    ledger.write(tx, locked.books, Writing())
    settle(tx, locked.books)
    _tell(tx, "released", found)


def _tell(tx: Tx, what: str, allocation: Allocation | None) -> None:
    if allocation is not None:
        changes = {"allocation_id": allocation.id, "invoice_id": allocation.invoice_id, "amount_cents": allocation.amount_cents}
        effects.audit(tx, f"payment.{what}", "payment", allocation.payment_id, changes)
        effects.publish(tx, f"payment.{what}", {"payment_id": allocation.payment_id, **changes})


def _refused(code: str, message: str) -> Unprocessable:
    return Unprocessable("The invoice cannot be paid like this.", errors=[FieldError("#/invoice_id", code, message)])
