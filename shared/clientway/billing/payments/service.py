"""Payments: the money that came in, and what it pays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from clientway import effects
from clientway.billing.disputes.schemas import Dispute
from clientway.billing.invoices import service as invoices
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger.queries import Locked, Writing
from clientway.billing.ledger.rules import Allocation, Books, Invoice, Payment
from clientway.billing.payments import rules
from clientway.billing.payments.schemas import Allocation as AllocationSchema
from clientway.billing.payments.schemas import MoneyProvider, OrganizationPaymentCreate, PaymentPatch, PaymentStatus
from clientway.billing.payments.schemas import Payment as PaymentSchema
from clientway.billing.refunds.schemas import Refund
from clientway.billing.tables import payments
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.contacts.existence import ContactMerged
from clientway.lifecycle.people import service as people
from clientway.lifecycle.records import Records
from clientway.lifecycle.stages import service as stages
from clientway.lifecycle.stages.rules import Stage
from clientway.moments import rfc3339
from clientway.paging import Request, one
from clientway.schemas import Schema

PAYMENTS = Records("payment", payments, PaymentSchema)
CLOCK_SKEW = timedelta(minutes=5)

_ROW = ", ".join(f"s.{name}" for name in PaymentSchema.model_fields)
_ALLOCATION = ", ".join(f"a.{name}" for name in AllocationSchema.model_fields)
_CREATED = f"""
select row_to_json(r)::text, r.version
  from (select {_ROW}, {{allocations}} as allocations, '[]'::json as refunds, '[]'::json as disputes from new_payments s) r"""
_OPENED = f"(select coalesce(json_agg(x), '[]') from (select {_ALLOCATION} from opened a order by a.id) x)"


def _listed(schema: type[Schema], table: str) -> str:
    names = ", ".join(f"x.{name}" for name in schema.model_fields)
    return f"""(select coalesce(json_agg(y order by y.created_at, y.id), '[]') from (
      select {names} from {table} x where x.tenant_id = app.tenant() and x.payment_id = s.id) y)"""


_READ = text(f"""
select row_to_json(r)::text, r.version
  from (select {_ROW}, {_listed(AllocationSchema, "allocations")} as allocations, {_listed(Refund, "refunds")} as refunds,
               {_listed(Dispute, "disputes")} as disputes
          from payments s where s.tenant_id = app.tenant() and s.id = :id) r
""")


@dataclass(frozen=True)
class _Target:
    """An invoice that a payment is to pay."""

    pointer: str
    invoice_id: UUID
    cents: int


def find(
    tx: Tx,
    request: Request,
    *,
    status: PaymentStatus | None,
    provider: MoneyProvider | None,
    contact_id: UUID | None,
    organization_id: UUID | None,
    updated_since: datetime | None,
) -> Any:
    """A page of the tenant's payments, each with its organization."""
    equal = {"status": status, "provider": provider, "contact_id": contact_id, "organization_id": organization_id}
    return PAYMENTS.find(tx, request, updated_since=updated_since, **equal)


def of_organization(tx: Tx, organization_id: UUID, request: Request, *, status: PaymentStatus | None) -> Any:
    """A page of an organization's payments. Raises NotFound (404)."""
    return PAYMENTS.of_organization(tx, organization_id, request, status=status)


def read(tx: Tx, payment_id: UUID) -> Any:
    """One payment with its allocations, refunds and disputes. Raises NotFound (404)."""
    row = tx.execute(_READ, {"id": payment_id}).one_or_none()
    if row is None:
        raise PAYMENTS.absent()
    return one(row)


def annotate(tx: Tx, payment_id: UUID, patch: PaymentPatch, *, version: int) -> Any:
    """Change what is noted of a payment. Raises NotFound (404), PreconditionFailed (412)."""
    before = PAYMENTS.lock(tx, payment_id, version=version)
    return PAYMENTS.update(tx, before, patch.model_dump(mode="json", exclude_unset=True))


def record(tx: Tx, payment: OrganizationPaymentCreate, *, organization_id: UUID | None = None) -> Any:
    """Record money that came in: it pays what it is said to pay, up to what is owed; the rest is the client's credit.

    The first payment makes a client. Raises NotFound (404) for an organization that is not there, Unprocessable (422) for
    what the body names and is not this client's, InvoiceNotPayable (409) for a draft or a void invoice.
    """
    targets = _targets(tx, payment)
    locked = _lock(tx, payment, targets, organization_id)
    owner, currency = _check(payment, targets, locked, _owner(payment, targets, locked, organization_id))

    payment_id, at, books = uuid7(), payment.captured_at or tx.now, locked.books
    books.payments[payment_id] = Payment(payment_id, payment.amount_cents, payment.amount_cents)
    for target in targets:
        books.apply(payment_id, target.invoice_id, target.cents, at)
    payers = {books.invoices[target.invoice_id].contact_id for target in targets}
    contact_id = payment.contact_id or (payers.pop() if len(payers) == 1 else None) or locked.organizations[owner].primary_contact_id
    row = {
        "id": payment_id,
        "organization_id": owner,
        "contact_id": contact_id,
        "amount_cents": payment.amount_cents,
        "currency": currency,
        "status": "succeeded",
        "method": payment.method,
        "quote_id": payment.quote_id,
        "captured_at": rfc3339(at),
        # As the trigger counts it: the answer is what it will be.
        "allocated_cents": payment.amount_cents - books.payments[payment_id].unapplied_cents,
        "note": payment.note,
        "created_at": rfc3339(tx.now),
        "updated_at": rfc3339(tx.now),
    }
    answer = _CREATED.format(allocations=_OPENED if books.changed else "'[]'::json")
    created = ledger.write(tx, books, Writing({"payments": row}, activate=contact_id, answer=answer))
    came_in(tx, locked, payment_id, payment.amount_cents, at, organization_id=owner, contact_id=contact_id, currency=currency)
    effects.audit(tx, "payment.created", "payment", payment_id, row)
    return one(created)


def came_in(
    tx: Tx,
    locked: Locked,
    payment_id: UUID,
    amount_cents: int,
    at: datetime,
    *,
    organization_id: UUID,
    contact_id: UUID | None,
    currency: str,
) -> None:
    """What follows once money that came in is written: its client's stage, its invoices, the timeline."""
    books = locked.books
    # First of all: what is recorded before, the stages would write in a flight of its own, to weigh it too.
    owner, event_key = locked.organizations[organization_id], f"payment:{payment_id}:succeeded"
    if not owner.has_account:
        stages.first_payment(tx, owner.rung, event_key=event_key)
    elif owner.rung.stage is not Stage.CLIENT:
        stages.reconsider(tx, [organization_id], event_key=event_key)
    settle(tx, books)
    metadata = {"payment_id": str(payment_id), "amount_cents": amount_cents, "currency": currency}
    paid = [{"invoice_id": str(one.invoice_id), "amount_cents": one.amount_cents} for one in books.changed if one.payment_id == payment_id]
    effects.record(
        tx,
        "payment_received",
        f"Payment received: {rules.money(amount_cents, currency)}",
        organization_id=organization_id,
        contact_id=contact_id,
        metadata={**metadata, "allocations": paid},
        client_visible=True,
        event_key=f"payment:{payment_id}:succeeded",
        occurred_at=at,
    )
    payload = {**metadata, "organization_id": organization_id, "contact_id": contact_id, "allocations": paid}
    effects.publish(tx, "payment.received", payload)


def apply_deposits(tx: Tx, invoice: Invoice, deposits: Sequence[Mapping[str, Any]]) -> None:
    """Let a client's deposits, which are locked, pay an invoice that has just opened, the oldest first.

    For whoever opens invoices: call it once the invoice is open, and settle the invoice afterwards.
    """
    books = ledger.books_of(invoice, deposits)
    for payment_id, payment in books.payments.items():
        books.apply(payment_id, invoice.id, payment.amount_cents, tx.now)
    if books.changed:
        ledger.write_unheard(tx, books)
    for allocation in books.changed:
        changes = {"invoice_id": invoice.id, "amount_cents": allocation.amount_cents}
        effects.audit(tx, "payment.applied", "payment", allocation.payment_id, changes)


def settle(tx: Tx, books: Books, *, also: Sequence[Allocation] = ()) -> None:
    """Bring the invoices of what changed in line with it, and those of what is marked (`also`)."""
    invoices.settle(tx, *{*books.touched, *(marked.invoice_id for marked in also)})


def _targets(tx: Tx, payment: OrganizationPaymentCreate) -> list[_Target]:
    wanted = [one.amount_cents for one in payment.allocations]
    given = {name: bool(getattr(payment, name)) for name in ("invoice_id", "allocations", "quote_id")}
    rules.check_targets(payment.amount_cents, wanted, **given)
    if payment.captured_at is not None and payment.captured_at > tx.now + CLOCK_SKEW:
        pointer = FieldError("#/captured_at", "in_the_future", "lies in the future")
        raise Unprocessable("The payment breaks a rule.", errors=[pointer])
    if payment.invoice_id is not None:
        return [_Target("#/invoice_id", payment.invoice_id, payment.amount_cents)]
    return [
        _Target(f"#/allocations/{number}/invoice_id", one.invoice_id, one.amount_cents) for number, one in enumerate(payment.allocations)
    ]


def _lock(tx: Tx, payment: OrganizationPaymentCreate, targets: Sequence[_Target], organization_id: UUID | None) -> Locked:
    given: dict[str, Any] = {"organization_id": organization_id, "contact_id": payment.contact_id, "quote_id": payment.quote_id}
    invoice_ids = [target.invoice_id for target in targets]
    locked = ledger.lock(tx, invoice_ids=invoice_ids, **given)
    private = locked.contact is not None and locked.contact["live"] and locked.contact["organization_id"] is None
    if organization_id is None and payment.contact_id is not None and private:
        # A private client's own organization opens with the first money; if it has just been, it has to be locked.
        opened = people.hold(tx, payment.contact_id).opened
        return locked.with_opened(opened) if opened else ledger.lock(tx, invoice_ids=invoice_ids, **given)
    return locked


def _owner(payment: OrganizationPaymentCreate, targets: Sequence[_Target], locked: Locked, organization_id: UUID | None) -> UUID | None:
    """Who holds the account: None when nothing that was named is there."""
    if locked.contact is not None and locked.contact["merged_into"]:
        raise ContactMerged(locked.contact["merged_into"])
    found = organization_id
    if found is None and locked.contact is not None:
        found = ledger.as_uuid(locked.contact["organization_id"])
    if found is None:
        found = next((invoice.organization_id for invoice in locked.books.invoices.values()), locked.quote_organization_id)
    if found is None and not (payment.contact_id or targets or payment.quote_id):
        pointer = FieldError("#/contact_id", "missing", "say whose money it is: a contact, an invoice or a quote")
        raise Unprocessable("The payment has no client.", errors=[pointer])
    organization = locked.organizations.get(found) if found is not None else None
    if found is not None and (organization is None or not organization.live):
        if organization_id is not None:
            raise NotFound("There is no such organization.")
        raise Conflict("The client was deleted.")
    return found


def _check(payment: OrganizationPaymentCreate, targets: Sequence[_Target], locked: Locked, owner: UUID | None) -> tuple[UUID, str]:
    """Who holds the account and the currency, of a payment whose references are all its client's own."""
    contact, errors = locked.contact, []
    if payment.contact_id is not None and (contact is None or not contact["live"] or ledger.as_uuid(contact["organization_id"]) != owner):
        errors.append(FieldError("#/contact_id", "unknown_contact", "not a contact of this client"))
    if payment.quote_id is not None and (owner is None or locked.quote_organization_id != owner):
        errors.append(FieldError("#/quote_id", "unknown_quote", "not a quote of this client"))
    found: list[Invoice] = []
    for target in targets:
        invoice = locked.books.invoices.get(target.invoice_id)
        if invoice is None or invoice.organization_id != owner:
            errors.append(FieldError(target.pointer, "unknown_invoice", "not an invoice of this client"))
            continue
        currency = payment.currency or (found[0].currency if found else invoice.currency)
        if invoice.currency != currency:
            errors.append(FieldError(target.pointer, "other_currency", f"is in {invoice.currency}"))
        found.append(invoice)
    if errors or owner is None:
        raise Unprocessable("The payment refers to something that does not exist.", errors=errors)
    for invoice in found:
        check_payable(invoice)
    return owner, payment.currency or (found[0].currency if found else locked.currency)


def check_payable(invoice: Invoice) -> None:
    """Refuse to pay a draft or a void invoice; one that is paid takes nothing more, and what comes in is credit.

    Raises InvoiceNotPayable (409).
    """
    if invoice.status in ("draft", "void"):
        detail = f"The invoice is {'a draft' if invoice.status == 'draft' else 'void'}: it cannot be paid."
        raise rules.InvoiceNotPayable(detail, invoice_id=str(invoice.id), invoice_status=invoice.status)
