"""Refunds: money that goes back. The books follow when it has gone, not when somebody asked for it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.billing.gateway import gateway
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger.queries import Locked, Writing
from clientway.billing.payments.rules import PaymentNotCaptured, money
from clientway.billing.payments.service import PAYMENTS, settle
from clientway.billing.refunds.rules import ProviderAway, RefundTooLarge
from clientway.billing.refunds.schemas import Refund, RefundCreate
from clientway.billing.tables import refunds
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.records import Records
from clientway.moments import rfc3339
from clientway.paging import Request, one, page

REFUNDS = Records("refund", refunds, Refund)
_FIELDS = ", ".join(Refund.model_fields)
_CREATED = f"select row_to_json(r)::text, r.version from (select {_FIELDS} from new_refunds) r"


def of_payment(tx: Tx, payment_id: UUID, request: Request) -> Any:
    """A page of a payment's refunds. Raises NotFound (404)."""
    answer = page(
        tx, REFUNDS.listing().where(refunds.c.payment_id == payment_id), request, {"created_at": refunds.c.created_at}, refunds.c.id
    )
    if not answer.rows:
        PAYMENTS.read(tx, payment_id)
    return answer


def ask(tx: Tx, payment_id: UUID, refund: RefundCreate) -> Any:
    """Give money back, or ask the provider that holds it to.

    Raises NotFound (404), Unprocessable (422) for an invoice that is not this client's, PaymentNotCaptured (409), RefundTooLarge
    (409, with what is left) and ProviderAway (409).
    """
    locked = ledger.lock(tx, payment_id=payment_id, invoice_ids=[refund.invoice_id] if refund.invoice_id else [])
    if locked.payment is None:
        raise PAYMENTS.absent()
    if locked.payment["status"] != "succeeded":
        raise PaymentNotCaptured(f"The payment is {locked.payment['status']}.")
    _check_left(locked, refund)
    by_staff = locked.payment["provider"] == "staff"
    row = {
        "id": uuid7(),
        "payment_id": payment_id,
        **refund.model_dump(mode="json"),
        "currency": locked.payment["currency"],
        "status": "succeeded" if by_staff else "pending",
        "provider": locked.payment["provider"],
        "succeeded_at": rfc3339(tx.now) if by_staff else None,
        "created_at": rfc3339(tx.now),
        "updated_at": rfc3339(tx.now),
    }
    if by_staff:
        parts, _ = locked.books.refund(
            payment_id, row["id"], refund.amount_cents, tx.now, invoice_id=refund.invoice_id, reopen=refund.reopen
        )
        row["parts"] = {str(key): cents for key, cents in parts.items()}
    else:
        _ask_provider(tx, locked, row)
    writing = Writing({"refunds": row}, {"payments": [{"id": payment_id}]}, answer=_CREATED)
    answer = ledger.write(tx, locked.books, writing)
    effects.audit(tx, "refund.created", "refund", row["id"], row)
    if by_staff:
        gone(tx, locked, row)
    return one(answer)


def gone(tx: Tx, locked: Locked, refund: Mapping[str, Any]) -> None:
    """What follows once a refund that went through is written: its invoices, the timeline."""
    settle(tx, locked.books)
    _tell(tx, locked, refund, "payment_refunded", "Refunded", "payment.refunded", client_visible=True)


def failed(tx: Tx, locked: Locked, refund: Mapping[str, Any]) -> None:
    """What follows once a refund is written that failed, or that the client's bank sent back."""
    _tell(tx, locked, refund, "payment_failed", "Refund failed", "payment.refund_failed", client_visible=False)


def _tell(tx: Tx, locked: Locked, refund: Mapping[str, Any], kind: str, title: str, topic: str, *, client_visible: bool) -> None:
    metadata = {"refund_id": str(refund["id"]), "payment_id": str(refund["payment_id"]), "status": refund["status"]}
    metadata |= {name: refund[name] for name in ("invoice_id", "amount_cents", "currency", "reopen")}
    about: dict[str, Any] = {"organization_id": locked.organization_id, "contact_id": locked.contact_id}
    title = f"{title}: {money(refund['amount_cents'], refund['currency'])}"
    told = {"description": refund["reason"], "event_key": f"refund:{refund['id']}:{refund['status']}", "client_visible": client_visible}
    effects.record(tx, kind, title, **about, metadata=metadata, **told)
    effects.publish(tx, topic, {**about, **metadata})


def _check_left(locked: Locked, refund: RefundCreate) -> None:
    left = locked.books.payments[locked.payment_id].left_cents
    if refund.invoice_id is not None:
        invoice = locked.books.invoices.get(refund.invoice_id)
        if invoice is None or invoice.organization_id != locked.organization_id:
            pointer = FieldError("#/invoice_id", "unknown_invoice", "not an invoice of this client")
            raise Unprocessable("The refund refers to something that does not exist.", errors=[pointer])
        paying = [one for one in locked.books.live(locked.payment_id) if one.invoice_id == refund.invoice_id]
        pending = (
            one["amount_cents"] for one in locked.refunds if (one["status"], one["invoice_id"]) == ("pending", str(refund.invoice_id))
        )
        left = min(left, sum(one.held_cents for one in paying) - sum(pending))
    if refund.amount_cents > left:
        detail = f"Of this payment {money(max(left, 0), (locked.payment or {})['currency'])} can still be refunded."
        raise RefundTooLarge(detail, left_cents=max(left, 0))


def _ask_provider(tx: Tx, locked: Locked, row: Mapping[str, Any]) -> None:
    found = gateway(tx)
    if found is None or locked.payment is None:
        raise ProviderAway("Stripe is not connected: the refund cannot be asked for.")
    payload = {
        "gateway": found.as_json(),
        "refund_id": row["id"],
        "payment_id": locked.payment["provider_id"],
        "amount_cents": row["amount_cents"],
        "currency": row["currency"],
        "metadata": {
            "clientway_tenant": str(tx.tenant_id),
            "clientway_refund": str(row["id"]),
            "clientway_payment": str(locked.payment_id),
        },
    }
    effects.publish(tx, "stripe.refund.create", payload)
