"""What a payment provider's verified events say of money, and what the books make of it.

Each function may be called any number of times and in any order: the same news counts once, and older news than what is
known changes nothing. It locks the organization, its invoices and the payment, in this order.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text

from clientway import effects
from clientway.billing.disputes import service as disputes
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger.queries import Locked, Writing
from clientway.billing.ledger.rules import Payment
from clientway.billing.payments import rules
from clientway.billing.payments.service import came_in, settle
from clientway.billing.refunds import rules as refund_rules
from clientway.billing.refunds import service as refunds
from clientway.db import Tx
from clientway.ids import uuid7
from clientway.lifecycle.people import service as people
from clientway.moments import rfc3339

Outcome = Literal["applied", "unchanged", "unknown_object"]
"""unknown_object: of a payment or a client not heard of yet; fetch that first, or there is none."""

PaymentStatus = Literal["pending", "succeeded", "failed", "canceled"]
RefundStatus = Literal["pending", "succeeded", "failed", "canceled"]
DisputeStatus = Literal["open", "won", "lost"]
Method = Literal["card", "bank_transfer", "cash", "check", "other"]
Provider = Literal["stripe"]


@dataclass(frozen=True)
class ProviderPayment:
    """A payment as the provider has it now; `invoice_id` and the others are ours, from its metadata."""

    provider: Provider
    provider_id: str
    status: PaymentStatus
    method: Method
    amount_cents: int
    currency: str
    at: datetime
    """When it took this status."""
    invoice_id: UUID | None = None
    organization_id: UUID | None = None
    contact_id: UUID | None = None
    failure: str | None = None
    tax_cents: int = 0
    """The tax in it, of what it pays for at the provider."""


@dataclass(frozen=True)
class ProviderRefund:
    """A refund as the provider has it now; `refund_id` is ours when we asked for it, `provider_id` None when it refused at once."""

    provider: Provider
    provider_id: str | None
    payment_provider_id: str
    refund_id: UUID | None
    amount_cents: int
    currency: str
    status: RefundStatus
    at: datetime
    failure: str | None = None


@dataclass(frozen=True)
class ProviderDispute:
    """A dispute as the provider has it now."""

    provider: Provider
    provider_id: str
    payment_provider_id: str
    amount_cents: int
    currency: str
    status: DisputeStatus
    reason: str | None
    opened_at: datetime
    closed_at: datetime | None = None


_HEAR = text("""
insert into payments (id, organization_id, contact_id, amount_cents, currency, status, method, provider, provider_id,
                      created_at, updated_at)
values (:id, :organization_id, :contact_id, :amount_cents, :currency, 'pending', :method, :provider, :provider_id, :now, :now)
on conflict (tenant_id, provider, provider_id) where provider_id is not null do nothing
returning id
""")


def apply_payment(tx: Tx, payment: ProviderPayment) -> Outcome:
    """Take in what a provider says of a payment; once succeeded it pays its invoice, and the rest is the client's credit.

    One of an invoice or a client that is not this tenant's is an unknown object.
    """
    locked, heard = _lock_payment(tx, payment), False
    if locked.payment is None:
        owner = _owner(tx, payment, locked)
        if owner is None or payment.amount_cents <= 0:
            return "unknown_object"
        # Of several that hear of it at once one inserts it; the others wait here for that one's commit.
        row = {name: getattr(payment, name) for name in ("amount_cents", "currency", "method", "provider", "provider_id")}
        row |= {"id": uuid7(), "organization_id": owner[0], "contact_id": owner[1], "now": tx.now}
        heard = tx.execute(_HEAR, row).first() is not None
        locked = _lock_payment(tx, payment)
    before = locked.payment or {}
    if rules.RANK[payment.status] <= rules.RANK[before["status"]]:
        return "applied" if heard else "unchanged"
    if payment.status == "succeeded":
        _succeed(tx, locked, payment)
    else:
        _fail(tx, locked, payment)
    return "applied"


def apply_refund(tx: Tx, refund: ProviderRefund) -> Outcome:
    """Take in what a provider says of a refund; the books move once it went through, and back if the bank returned it."""
    locked = ledger.lock(tx, provider=refund.provider, provider_id=refund.payment_provider_id)
    if locked.payment is None or locked.payment["status"] != "succeeded":
        return "unknown_object"
    found = next((one for one in locked.refunds if refund.provider_id and one["provider_id"] == refund.provider_id), None)
    # Of two that carry our id the second is another refund: the provider made it twice, or somebody copied what stood there.
    ours = (one for one in locked.refunds if one["id"] == str(refund.refund_id) and not (one["provider_id"] and refund.provider_id))
    found = found or next(ours, None)
    if found is None and refund.provider_id is None:
        return "unknown_object"
    before = found or _new_refund(tx, locked, refund)
    # One that our side gave up, because no answer came, may have been made all the same.
    given_up = found is not None and found["provider_id"] is None and found["status"] == "failed" and refund.provider_id is not None
    if found is not None and not given_up and refund_rules.RANK[refund.status] <= refund_rules.RANK[found["status"]]:
        return _name_refund(tx, locked, found, refund)

    books, refund_id, at = locked.books, UUID(str(before["id"])), refund.at
    changes: dict[str, Any] = {
        "status": refund.status,
        "provider_id": refund.provider_id or before["provider_id"],
        "failure": _cut(refund.failure),
    }
    losses: list[dict[str, Any]] = []
    if refund.status == "succeeded":
        target = {"invoice_id": ledger.as_uuid(before["invoice_id"]), "reopen": before["reopen"]}
        parts, short = books.refund(locked.payment_id, refund_id, before["amount_cents"], at, **target)
        changes |= {"succeeded_at": rfc3339(at), "parts": {str(key): cents for key, cents in parts.items()}}
        losses = _less_lost(locked, short)
    elif found is not None and found["status"] == "succeeded":
        parts = {UUID(key): cents for key, cents in found["parts"].items()}
        books.unrefund(locked.payment_id, refund_id, found["amount_cents"], parts, at, reopened=found["reopen"])
        changes |= {"succeeded_at": None, "parts": {}}
    writing = Writing(updates={"payments": [{"id": locked.payment_id}], "disputes": losses})
    if found is None:
        writing.inserts["refunds"] = {**before, **changes}
    else:
        writing.updates["refunds"] = [{"id": refund_id, **changes}]
    ledger.write(tx, books, writing)
    _tell_refund(tx, locked, {**before, **changes})
    return "applied"


def apply_dispute(tx: Tx, dispute: ProviderDispute) -> Outcome:
    """Take in what a provider says of a dispute: open it marks what the payment pays, lost it takes its money."""
    locked = ledger.lock(tx, provider=dispute.provider, provider_id=dispute.payment_provider_id)
    if locked.payment is None or locked.payment["status"] != "succeeded":
        return "unknown_object"
    found = next((one for one in locked.disputes if one["provider_id"] == dispute.provider_id), None)
    if found is not None and (dispute.status == "open" or found["status"] != "open"):
        return "unchanged"
    if found is None:
        found = {
            "id": uuid7(),
            "organization_id": locked.organization_id,
            "payment_id": locked.payment_id,
            "amount_cents": dispute.amount_cents,
            "currency": dispute.currency,
            "status": "open",
            "reason": (dispute.reason or "")[:200] or None,
            "provider": dispute.provider,
            "provider_id": dispute.provider_id,
            "opened_at": rfc3339(dispute.opened_at),
            "created_at": rfc3339(tx.now),
            "updated_at": rfc3339(tx.now),
        }
        ledger.write(tx, locked.books, Writing({"disputes": found}, {"payments": [{"id": locked.payment_id}]}))
        effects.audit(tx, "dispute.created", "dispute", found["id"], found)
        disputes.opened(tx, locked, found)
    if dispute.status != "open":
        disputes.close(tx, locked, found, dispute.status, dispute.closed_at or tx.now)
        effects.audit(tx, "dispute.updated", "dispute", UUID(str(found["id"])), {"status": dispute.status})
    return "applied"


def _lock_payment(tx: Tx, payment: ProviderPayment) -> Locked:
    return ledger.lock(
        tx,
        provider=payment.provider,
        provider_id=payment.provider_id,
        invoice_ids=[payment.invoice_id] if payment.invoice_id else [],
        organization_id=payment.organization_id,
        contact_id=payment.contact_id,
    )


def _owner(tx: Tx, payment: ProviderPayment, locked: Locked) -> tuple[UUID, UUID | None] | None:
    """Who holds the account and who paid, as far as this tenant knows them."""
    contact = locked.contact
    if contact is not None and contact["merged_into"]:
        # The client was merged since they were named to the provider.
        contact = ledger.lock(tx, contact_id=UUID(contact["merged_into"])).contact
    contact_id = UUID(contact["id"]) if contact is not None else None
    invoice = locked.books.invoices.get(payment.invoice_id) if payment.invoice_id else None
    if invoice is not None:
        primary_id = locked.organizations[invoice.organization_id].primary_contact_id
        return invoice.organization_id, invoice.contact_id or contact_id or primary_id
    if payment.organization_id is not None and payment.organization_id in locked.organizations:
        return payment.organization_id, contact_id or locked.organizations[payment.organization_id].primary_contact_id
    if contact is None or contact_id is None:
        return None
    if contact["organization_id"] is not None:
        return UUID(contact["organization_id"]), contact_id
    return (people.hold(tx, contact_id).organization_id, contact_id) if contact["live"] else None


def _succeed(tx: Tx, locked: Locked, payment: ProviderPayment) -> None:
    books, payment_id = locked.books, locked.payment_id
    changes = {name: getattr(payment, name) for name in ("status", "method", "amount_cents", "currency")}
    # What names no invoice of ours was asked for at the provider: it has paid for something there.
    elsewhere = payment.invoice_id is None
    tax_cents = payment.tax_cents if elsewhere else 0
    changes |= {"id": payment_id, "captured_at": rfc3339(payment.at), "failed_at": None, "failure": None, "settles_elsewhere": elsewhere}
    changes["tax_cents"] = tax_cents
    whole = payment.amount_cents
    books.payments[payment_id] = Payment(payment_id, whole, whole, settles_elsewhere=elsewhere, tax_cents=tax_cents)
    if elsewhere:
        books.settle_elsewhere(payment_id, payment.at)
    invoice = books.invoices.get(payment.invoice_id) if payment.invoice_id else None
    ours = invoice is not None and (invoice.organization_id, invoice.currency) == (locked.organization_id, payment.currency)
    # What the invoice does not take (it was paid otherwise, or is void) is the client's credit.
    if invoice is not None and ours and invoice.status not in ("draft", "void"):
        books.apply(payment_id, invoice.id, payment.amount_cents, payment.at)
    ledger.write(tx, books, Writing(updates={"payments": [changes]}, activate=locked.contact_id))
    about: dict[str, Any] = {"organization_id": locked.organization_id, "contact_id": locked.contact_id, "currency": payment.currency}
    came_in(tx, locked, payment_id, payment.amount_cents, payment.at, **about)
    effects.audit(tx, "payment.succeeded", "payment", payment_id, changes)


def _fail(tx: Tx, locked: Locked, payment: ProviderPayment) -> None:
    payment_id, failure = locked.payment_id, _cut(payment.failure)
    changes = {"id": payment_id, "status": payment.status, "failed_at": rfc3339(payment.at), "failure": failure}
    ledger.write(tx, locked.books, Writing(updates={"payments": [changes]}))
    about: dict[str, Any] = {"organization_id": locked.organization_id, "contact_id": locked.contact_id}
    metadata = {
        "payment_id": str(payment_id),
        "invoice_id": payment.invoice_id,
        "amount_cents": payment.amount_cents,
        "currency": payment.currency,
    }
    if payment.status == "failed":
        title, key = f"Payment failed: {rules.money(payment.amount_cents, payment.currency)}", f"payment:{payment_id}:failed"
        effects.record(
            tx,
            "payment_failed",
            title,
            **about,
            description=failure,
            metadata=metadata,
            client_visible=True,
            event_key=key,
            occurred_at=payment.at,
        )
    effects.publish(tx, f"payment.{payment.status}", {**about, **metadata, "failure": failure})
    effects.audit(tx, f"payment.{payment.status}", "payment", payment_id, changes)


def _new_refund(tx: Tx, locked: Locked, refund: ProviderRefund) -> dict[str, Any]:
    """A refund that somebody made at the provider."""
    return {
        "id": uuid7(),
        "payment_id": locked.payment_id,
        "invoice_id": None,
        "amount_cents": refund.amount_cents,
        "currency": refund.currency,
        "reopen": False,
        "reason": None,
        "provider": refund.provider,
        "provider_id": refund.provider_id,
        "created_at": rfc3339(tx.now),
        "updated_at": rfc3339(tx.now),
    }


def _name_refund(tx: Tx, locked: Locked, found: Mapping[str, Any], refund: ProviderRefund) -> Outcome:
    """Keep what the provider calls a refund of ours, the first time that it says so."""
    if refund.provider_id is None or found["provider_id"] is not None:
        return "unchanged"
    changes = {"id": UUID(found["id"]), "provider_id": refund.provider_id}
    ledger.write(tx, locked.books, Writing(updates={"refunds": [changes], "payments": [{"id": locked.payment_id}]}))
    return "applied"


def _less_lost(locked: Locked, cents: int) -> list[dict[str, Any]]:
    """What disputes took less than was thought, off the newest."""
    changes = []
    for dispute in reversed(locked.disputes):
        less = min(cents, dispute["lost_cents"])
        cents -= less
        if less:
            changes.append({"id": UUID(dispute["id"]), "lost_cents": dispute["lost_cents"] - less})
    return changes


def _tell_refund(tx: Tx, locked: Locked, refund: Mapping[str, Any]) -> None:
    effects.audit(tx, f"refund.{refund['status']}", "refund", UUID(str(refund["id"])), dict(refund))
    if refund["status"] == "succeeded":
        refunds.gone(tx, locked, refund)
    elif refund["status"] != "pending":
        settle(tx, locked.books)
        refunds.failed(tx, locked, refund)


def _cut(failure: str | None) -> str | None:
    return failure[:500] if failure else None
