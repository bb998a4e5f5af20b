"""Payments: what is due and what came in, as staff record it; the first that is paid makes a client."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.lifecycle.payments import rules
from clientway.lifecycle.payments.rules import PaymentStatus
from clientway.lifecycle.payments.schemas import Payment, PaymentCreate, PaymentPatch
from clientway.lifecycle.records import Records, Row, check_past
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.tables import payments
from clientway.paging import Request

PAYMENTS = Records("payment", payments, Payment)


def find(tx: Tx, request: Request, *, status: PaymentStatus | None, updated_since: datetime | None) -> Any:
    """A page of the tenant's payments, each with its organization."""
    return PAYMENTS.find(tx, request, updated_since=updated_since, status=status)


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, status: PaymentStatus | None) -> Any:
    """A page of an organization's payments. Raises NotFound (404)."""
    return PAYMENTS.of_organization(tx, organization_id, request, status=status)


def read(tx: Tx, payment_id: UUID) -> Any:
    """One payment. Raises NotFound (404)."""
    return PAYMENTS.read(tx, payment_id)


def create(tx: Tx, organization_id: UUID, payment: PaymentCreate) -> Any:
    """Record what is due or came in. Raises NotFound (404), Unprocessable (422)."""
    check_past(tx, "payment", paid_at=payment.paid_at)
    given = payment.model_dump(mode="json")
    if payment.status == "paid":
        given["paid_at"] = given["paid_at"] or tx.now.isoformat()
    rules.check({**given, "disputed_at": None, "dispute_closed_at": None})
    owner = PAYMENTS.lock_owner(tx, organization_id, payment)
    given["currency"] = payment.currency or owner.currency
    payment_id, answer = PAYMENTS.insert(tx, owner, given)
    if payment.status == "paid":
        _paid(tx, {**given, "id": payment_id, "organization_id": organization_id})
    return answer


def change(tx: Tx, payment_id: UUID, patch: PaymentPatch, *, version: int) -> Any:
    """Replace what was sent: pay what is due, void a mistake, open or close a dispute.

    Raises NotFound (404), PreconditionFailed (412), PaymentMoveRefused (409), Unprocessable (422).
    """
    check_past(tx, "payment", paid_at=patch.paid_at, disputed_at=patch.disputed_at, dispute_closed_at=patch.dispute_closed_at)
    before = PAYMENTS.lock(tx, payment_id, version=version)
    changes: dict[str, Any] = patch.model_dump(mode="json", exclude_unset=True)
    status: str = {**before, **changes}["status"]
    rules.check_move(before["status"], status)
    if status == "paid":
        changes["paid_at"] = changes.get("paid_at") or before["paid_at"] or tx.now.isoformat()
    elif before["status"] == "paid":
        changes.setdefault("paid_at", None)
    rules.check(_times({**before, **changes}))
    answer = PAYMENTS.update(tx, before, changes)
    if status == "paid" and before["status"] != "paid":
        _paid(tx, {**before, **changes})
    return answer


def _times(row: Row) -> Row:
    """Comparable times instead of their texts, which come from a caller and from the database."""
    names = ("paid_at", "disputed_at", "dispute_closed_at")
    return {**row, **{name: row[name] and datetime.fromisoformat(row[name]) for name in names}}


def _paid(tx: Tx, payment: Row) -> None:
    """Tell of a payment that came in, and let the stage follow."""
    organization_id, payment_id = UUID(str(payment["organization_id"])), str(payment["id"])
    money = {"payment_id": payment_id, "amount_cents": payment["amount_cents"], "currency": payment["currency"]}
    title = f"Payment received: {payment['amount_cents'] / 100:,.2f} {payment['currency']}"
    effects.record(tx, "note_added", title, organization_id=organization_id, metadata=money, client_visible=True)
    effects.publish(tx, "payment.received", {"organization_id": organization_id, **money})
    stages.reconsider(tx, [organization_id], event_key=f"payment:{payment_id}")
