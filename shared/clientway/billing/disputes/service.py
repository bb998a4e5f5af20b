"""Disputes: money that a client's bank asks back. Open, they are a mark on what the payment pays; lost, they take it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway import effects
from clientway.billing.disputes.rules import DisputeClosed, DisputeTooLarge, ProvidersOwn
from clientway.billing.disputes.schemas import Dispute, DisputeCreate, DisputePatch, DisputeStatus
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger.queries import Locked, Writing
from clientway.billing.payments.rules import PaymentNotCaptured, money
from clientway.billing.payments.service import PAYMENTS, settle
from clientway.billing.tables import disputes
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.records import Records
from clientway.moments import rfc3339
from clientway.paging import Request, one

DISPUTES = Records("dispute", disputes, Dispute)
CLOCK_SKEW = timedelta(minutes=5)
_FIELDS = ", ".join(Dispute.model_fields)
_CREATED = f"select row_to_json(r)::text, r.version from (select {_FIELDS} from new_disputes) r"
_CHANGED = f"select row_to_json(r)::text, r.version from (select {_FIELDS} from changed_disputes) r"
_PAYMENT = text("select d.payment_id from disputes d where d.tenant_id = app.tenant() and d.id = :id")


def find(
    tx: Tx,
    request: Request,
    *,
    status: DisputeStatus | None,
    payment_id: UUID | None,
    organization_id: UUID | None,
    updated_since: datetime | None,
) -> Any:
    """A page of the tenant's disputes, each with its organization."""
    equal = {"status": status, "payment_id": payment_id, "organization_id": organization_id}
    return DISPUTES.find(tx, request, updated_since=updated_since, **equal)


def read(tx: Tx, dispute_id: UUID) -> Any:
    """One dispute. Raises NotFound (404)."""
    return DISPUTES.read(tx, dispute_id)


def record(tx: Tx, payment_id: UUID, dispute: DisputeCreate) -> Any:
    """Record that a payment is disputed that staff recorded.

    Raises NotFound (404), PaymentNotCaptured, ProvidersOwn and DisputeTooLarge (409, with what is left), Unprocessable (422).
    """
    if dispute.opened_at is not None and dispute.opened_at > tx.now + CLOCK_SKEW:
        raise Unprocessable("The dispute breaks a rule.", errors=[FieldError("#/opened_at", "in_the_future", "lies in the future")])
    locked = ledger.lock(tx, payment_id=payment_id)
    if locked.payment is None:
        raise PAYMENTS.absent()
    if locked.payment["provider"] != "staff":
        raise ProvidersOwn("The provider says which of its payments are disputed.")
    if locked.payment["status"] != "succeeded":
        raise PaymentNotCaptured(f"The payment is {locked.payment['status']}.")
    left = locked.books.payments[payment_id].left_cents - sum(one["amount_cents"] for one in locked.disputes if one["status"] == "open")
    cents = dispute.amount_cents or left
    if cents > left or cents <= 0:
        detail = f"Of this payment {money(max(left, 0), locked.payment['currency'])} can still be disputed."
        raise DisputeTooLarge(detail, left_cents=max(left, 0))
    row = {
        "id": uuid7(),
        "organization_id": locked.organization_id,
        "payment_id": payment_id,
        "amount_cents": cents,
        "currency": locked.payment["currency"],
        "status": "open",
        "reason": dispute.reason,
        "opened_at": rfc3339(dispute.opened_at or tx.now),
        "created_at": rfc3339(tx.now),
        "updated_at": rfc3339(tx.now),
    }
    answer = ledger.write(tx, locked.books, Writing({"disputes": row}, {"payments": [{"id": payment_id}]}, answer=_CREATED))
    effects.audit(tx, "dispute.created", "dispute", row["id"], row)
    opened(tx, locked, row)
    return one(answer)


def change(tx: Tx, dispute_id: UUID, patch: DisputePatch, *, version: int) -> Any:
    """Close a dispute that staff recorded.

    Raises NotFound (404), PreconditionFailed (412), ProvidersOwn and DisputeClosed (409).
    """
    payment_id = tx.scalar(_PAYMENT, {"id": dispute_id})
    if payment_id is None:
        raise DISPUTES.absent()
    locked = ledger.lock(tx, payment_id=payment_id)
    before = next(one for one in locked.disputes if one["id"] == str(dispute_id))
    check_version(before["version"], version)
    if before["provider"] != "staff":
        raise ProvidersOwn("The provider says how its disputes end.")
    if patch.status is None:
        return read(tx, dispute_id)
    if before["status"] != "open":
        raise DisputeClosed(f"The dispute was {before['status']}.")
    answer = close(tx, locked, before, patch.status, tx.now)
    effects.audit(tx, "dispute.updated", "dispute", dispute_id, {"status": patch.status})
    return answer


def opened(tx: Tx, locked: Locked, dispute: Mapping[str, Any]) -> None:
    """What follows once an open dispute is written: the invoices that it marks, the timeline."""
    settle(tx, locked.books, also=locked.books.live(locked.payment_id))
    title = f"Payment disputed: {money(dispute['amount_cents'], dispute['currency'])}"
    _tell(tx, locked, dispute, "payment_disputed", title, "payment.disputed")


def close(tx: Tx, locked: Locked, before: Mapping[str, Any], status: str, at: datetime) -> Any:
    """Close a dispute of the locked payment; one that is lost takes its money. Returns the answer."""
    dispute_id = UUID(str(before["id"]))
    lost = locked.books.lose(locked.payment_id, dispute_id, before["amount_cents"], at) if status == "lost" else 0
    changes = {"id": dispute_id, "status": status, "lost_cents": lost, "closed_at": rfc3339(at)}
    writing = Writing(updates={"disputes": [changes], "payments": [{"id": locked.payment_id}]}, answer=_CHANGED)
    answer = ledger.write(tx, locked.books, writing)
    settle(tx, locked.books, also=locked.books.live(locked.payment_id))
    after = {**before, **changes}
    _tell(
        tx,
        locked,
        after,
        "dispute_closed",
        f"Dispute {status}: {money(before['amount_cents'], before['currency'])}",
        "payment.dispute_closed",
    )
    return one(answer)


def _tell(tx: Tx, locked: Locked, dispute: Mapping[str, Any], kind: str, title: str, topic: str) -> None:
    metadata = {"dispute_id": str(dispute["id"]), "payment_id": str(dispute["payment_id"])}
    metadata |= {name: dispute[name] for name in ("amount_cents", "currency", "status", "reason")}
    about: dict[str, Any] = {"organization_id": locked.organization_id, "contact_id": locked.contact_id}
    key = f"dispute:{dispute['id']}:{dispute['status']}"
    effects.record(tx, kind, title, **about, metadata=metadata, client_visible=True, event_key=key)
    effects.publish(tx, topic, {**about, **metadata})
