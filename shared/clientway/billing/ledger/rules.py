"""The books of one client, as arithmetic: what pays what, what was given back, and what the client is worth by it.

What an invoice is worth follows from what it holds now, so that whatever order things happen in, the entries of its ledger
add up to the same: what was applied to it and not given back, less the tax in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from clientway.ids import uuid7

EntryKind = Literal["payment", "release", "refund", "dispute_lost"]


def worth(held_cents: int, *, total_cents: int, tax_cents: int) -> int:
    """What money held for an invoice adds to its client's lifetime value: without the tax in it, half a cent rounded up."""
    if total_cents == 0:
        return 0
    return (2 * held_cents * (total_cents - tax_cents) + total_cents) // (2 * total_cents)


@dataclass
class Invoice:
    """A locked invoice's money."""

    id: UUID
    organization_id: UUID
    contact_id: UUID | None
    status: str
    currency: str
    total_cents: int
    tax_cents: int
    balance_cents: int
    held_cents: int
    """What was applied to it and neither given back nor lost."""
    number_text: str | None = None

    @property
    def worth(self) -> int:
        """What it adds to its client's lifetime value."""
        return worth(self.held_cents, total_cents=self.total_cents, tax_cents=self.tax_cents)


@dataclass
class Allocation:
    """What of a payment pays an invoice."""

    id: UUID
    payment_id: UUID
    invoice_id: UUID
    amount_cents: int
    refunded_cents: int = 0
    lost_cents: int = 0
    reopened_cents: int = 0
    released: bool = False
    new: bool = False

    @property
    def held_cents(self) -> int:
        """What of it was neither given back nor lost."""
        return self.amount_cents - self.refunded_cents - self.lost_cents


@dataclass
class Payment:
    """A locked payment's money."""

    id: UUID
    amount_cents: int
    unapplied_cents: int
    """The client's credit: what neither pays an invoice nor was given back or lost."""
    refunded_cents: int = 0
    refunding_cents: int = 0
    lost_cents: int = 0
    settles_elsewhere: bool = False
    """Whether what it pays stands at the provider: then what is unapplied here is nobody's credit."""
    tax_cents: int = 0
    """The tax in it, if so."""

    @property
    def credit_cents(self) -> int:
        """What may pay invoices: refunds that are on their way are kept back."""
        return 0 if self.settles_elsewhere else max(0, self.unapplied_cents - self.refunding_cents)

    @property
    def worth(self) -> int:
        """What it adds to its client's lifetime value by itself: what it pays here counts with the invoices."""
        if not self.settles_elsewhere:
            return 0
        return worth(self.unapplied_cents, total_cents=self.amount_cents, tax_cents=self.tax_cents)

    @property
    def left_cents(self) -> int:
        """What of it may still be given back."""
        return max(0, self.amount_cents - self.refunded_cents - self.refunding_cents - self.lost_cents)


@dataclass(frozen=True)
class Entry:
    """A line of the ledger to come."""

    kind: EntryKind
    amount_cents: int
    payment_id: UUID
    invoice_id: UUID | None
    """None of a payment for what stands elsewhere."""
    source_key: str
    occurred_at: datetime
    id: UUID = field(default_factory=uuid7)


@dataclass
class Books:
    """Locked invoices and payments with what links them; each change leaves the entries that it makes in the ledger."""

    invoices: dict[UUID, Invoice]
    payments: dict[UUID, Payment]
    allocations: list[Allocation] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    changed: list[Allocation] = field(default_factory=list)

    @property
    def touched(self) -> list[UUID]:
        """The invoices of the allocations that changed."""
        return sorted({one.invoice_id for one in self.changed})

    def live(self, payment_id: UUID) -> list[Allocation]:
        """What a payment pays, the oldest first."""
        return sorted((one for one in self.allocations if one.payment_id == payment_id and not one.released), key=lambda one: one.id)

    def apply(self, payment_id: UUID, invoice_id: UUID, cents: int, at: datetime) -> Allocation | None:
        """Let a payment pay an invoice: as much as is asked, is there and is owed. None if that is nothing."""
        payment, invoice = self.payments[payment_id], self.invoices[invoice_id]
        cents = min(cents, payment.credit_cents, invoice.balance_cents)
        if cents <= 0:
            return None
        one = Allocation(uuid7(), payment_id, invoice_id, cents, new=True)
        self.allocations.append(one)
        before = invoice.worth
        payment.unapplied_cents -= cents
        invoice.balance_cents -= cents
        invoice.held_cents += cents
        self._enter("payment", invoice, before, one, f"payment:{one.id}", at)
        return one

    def settle_elsewhere(self, payment_id: UUID, at: datetime) -> None:
        """Money came in for what stands at the provider: a subscription's period, an invoice of its own."""
        payment = self.payments[payment_id]
        self._enter_elsewhere("payment", payment, 0, f"payment:{payment_id}", at)

    def release(self, one: Allocation, at: datetime) -> None:
        """Take back what paid an invoice: what was not given back or lost of it is the client's credit again."""
        payment, invoice = self.payments[one.payment_id], self.invoices[one.invoice_id]
        before = invoice.worth
        one.released = True
        payment.unapplied_cents += one.held_cents
        invoice.balance_cents += one.amount_cents - one.reopened_cents
        invoice.held_cents -= one.held_cents
        self._enter("release", invoice, before, one, f"release:{one.id}", at)

    def refund(
        self, payment_id: UUID, refund_id: UUID, cents: int, at: datetime, *, invoice_id: UUID | None, reopen: bool
    ) -> tuple[dict[UUID, int], int]:
        """Money went back to the client: out of what paid the invoice that is named, else out of credit first.

        Returns what came out of which allocation, and by how much lost disputes took less than was thought: what a provider
        has given back, no dispute took.
        """
        payment = self.payments[payment_id]
        payment.refunded_cents += cents
        short = max(0, payment.refunded_cents + payment.lost_cents - payment.amount_cents)
        parts, before = self._turn_losses(payment, short), payment.worth
        for one, taken in self._take(payment, cents - short, invoice_id):
            one.refunded_cents += taken
            parts[one.id] = parts.get(one.id, 0) + taken
            self._give_back("refund", one, taken, f"refund:{refund_id}:{one.id}", at, reopen=reopen)
        self._enter_elsewhere("refund", payment, before, f"refund:{refund_id}", at)
        return parts, short

    def unrefund(self, payment_id: UUID, refund_id: UUID, cents: int, parts: Mapping[UUID, int], at: datetime, *, reopened: bool) -> None:
        """A refund came back from the bank: what it took stands again where it was taken.

        Where an invoice that it had opened again was paid otherwise meanwhile, it is the client's credit.
        """
        payment = self.payments[payment_id]
        payment.refunded_cents -= cents
        for one in self.live(payment_id):
            taken = min(parts.get(one.id, 0), one.refunded_cents)
            if taken == 0:
                continue
            invoice = self.invoices[one.invoice_id]
            before = invoice.worth
            one.refunded_cents -= taken
            asked_again = max(taken if reopened else 0, one.reopened_cents - one.refunded_cents - one.lost_cents)
            owed = min(asked_again, invoice.balance_cents)
            one.reopened_cents -= asked_again
            invoice.balance_cents -= owed
            paid_otherwise = asked_again - owed
            if paid_otherwise == one.amount_cents:
                one.released = True
            else:
                one.amount_cents -= paid_otherwise
            invoice.held_cents += taken - paid_otherwise
            cents -= taken - paid_otherwise
            self._enter("refund", invoice, before, one, f"refund_returned:{refund_id}:{one.id}", at)
        worth_before = payment.worth
        payment.unapplied_cents += cents
        self._enter_elsewhere("refund", payment, worth_before, f"refund_returned:{refund_id}", at)

    def lose(self, payment_id: UUID, dispute_id: UUID, cents: int, at: datetime) -> int:
        """A dispute is lost: out of credit first, then out of what paid invoices, which ask for it again.

        Returns how much it took: no more than was there.
        """
        payment = self.payments[payment_id]
        cents = min(cents, payment.amount_cents - payment.refunded_cents - payment.lost_cents)
        payment.lost_cents += cents
        before = payment.worth
        for one, taken in self._take(payment, cents, None):
            one.lost_cents += taken
            self._give_back("dispute_lost", one, taken, f"dispute_lost:{dispute_id}:{one.id}", at, reopen=True)
        self._enter_elsewhere("dispute_lost", payment, before, f"dispute_lost:{dispute_id}", at)
        return cents

    def _take(self, payment: Payment, cents: int, invoice_id: UUID | None) -> list[tuple[Allocation, int]]:
        newest_first = self.live(payment.id)[::-1]
        places: list[Allocation | None] = [one for one in newest_first if one.invoice_id == invoice_id]
        places += [None, *(one for one in newest_first if one.invoice_id != invoice_id)]
        found = []
        for one in places:
            taken = min(cents, payment.unapplied_cents if one is None else one.held_cents)
            cents -= taken
            if one is None:
                payment.unapplied_cents -= taken
            elif taken:
                found.append((one, taken))
        return found

    def _turn_losses(self, payment: Payment, cents: int) -> dict[UUID, int]:
        parts = {}
        payment.lost_cents -= cents
        for one in self.live(payment.id):
            turned = min(cents, one.lost_cents)
            if turned:
                one.lost_cents -= turned
                one.refunded_cents += turned
                cents -= turned
                parts[one.id] = turned
                self._change(one)
        return parts

    def _give_back(self, kind: EntryKind, one: Allocation, cents: int, source_key: str, at: datetime, *, reopen: bool) -> None:
        invoice = self.invoices[one.invoice_id]
        before = invoice.worth
        invoice.held_cents -= cents
        if reopen:
            one.reopened_cents += cents
            invoice.balance_cents += cents
        self._enter(kind, invoice, before, one, source_key, at)

    def _enter(self, kind: EntryKind, invoice: Invoice, before: int, one: Allocation, source_key: str, at: datetime) -> None:
        self.entries.append(Entry(kind, invoice.worth - before, one.payment_id, invoice.id, source_key, at))
        self._change(one)

    def _enter_elsewhere(self, kind: EntryKind, payment: Payment, before: int, source_key: str, at: datetime) -> None:
        if payment.worth != before:
            self.entries.append(Entry(kind, payment.worth - before, payment.id, None, source_key, at))

    def _change(self, one: Allocation) -> None:
        if one not in self.changed:
            self.changed.append(one)
