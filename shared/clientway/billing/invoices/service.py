"""Invoices: drafted, opened under a number without gaps, paid by money, or taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.exc import DBAPIError

from clientway import db, effects
from clientway.billing.gateway import gateway
from clientway.billing.invoices import queries, rules, settling
from clientway.billing.invoices.drafting import draft, priced
from clientway.billing.invoices.queries import Locked, Opened, Opening
from clientway.billing.invoices.schemas import InvoiceCreate, InvoicePatch
from clientway.billing.invoices.settling import ask_for_pages, forget_pages, page_failed, page_made, settle, settled
from clientway.billing.ledger.rules import Invoice
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.lifecycle.contacts.service import OrganizationDeleted
from clientway.lifecycle.people import service as people
from clientway.paging import Request
from clientway.work.reminders import service as reminders

__all__ = [
    "Recurrence",
    "ask_for_pages",
    "change",
    "create",
    "delete",
    "find",
    "forget_pages",
    "lock",
    "open_",
    "page_failed",
    "page_made",
    "read",
    "settle",
    "void",
    "write_off",
]


class JobInvoiced(Conflict):
    """409: the job has an invoice that is not void; give the lines of another one yourself."""

    code, title = "job_invoiced", "Job invoiced"


class AlreadyIssued(Conflict):
    """409: the recurring invoice has been issued for this day."""

    code, title = "already_issued", "Already issued"


@dataclass(frozen=True)
class Recurrence:
    """Which recurring invoice a new one is of, and of which day."""

    recurring_invoice_id: UUID
    on: date


def find(
    tx: Tx, request: Request, equal: Mapping[str, Any], *, overdue: bool | None, due_before: date | None, updated_since: datetime | None
) -> Any:
    """A page of invoices; `equal` are columns and the values asked for."""
    return queries.find(tx, request, equal, is_overdue=overdue, due_before=due_before, updated_since=updated_since)


def read(tx: Tx, invoice_id: UUID) -> Any:
    """One invoice with its lines. Raises NotFound (404)."""
    answer = queries.read(tx, invoice_id)
    if answer is None:
        raise _absent()
    return answer


def lock(tx: Tx, invoice_id: UUID) -> Mapping[str, Any]:
    """Lock an invoice and, before it, its organization; its columns as JSON has them. Raises NotFound (404)."""
    return _lock(tx, invoice_id).row


def create(tx: Tx, invoice: InvoiceCreate, *, recurrence: Recurrence | None = None) -> Any:
    """Draft an invoice for a client or a job or, with `open`, number it and send it out at once.

    Raises Unprocessable (422) for what it names and is not there or what adds up to less than nothing, JobInvoiced,
    OrganizationDeleted, ContactMerged, ContactBlacklisted, InvoiceEmpty and, of a recurring one, AlreadyIssued (409).
    """
    made = draft(tx, invoice)
    try:
        holder = people.hold(tx, made.contact_id)
    except NotFound:
        raise Unprocessable("The invoice refers to something that does not exist.", errors=[_unknown("contact_id")]) from None
    if not holder.organization_is_live:
        raise _organization_deleted(str(holder.organization_id))
    row = made.row | {
        "organization_id": holder.organization_id,
        "contact_id": holder.contact_id,
        "created_at": tx.now,
        "updated_at": tx.now,
    }
    if recurrence is not None:
        row |= {"recurring_invoice_id": recurrence.recurring_invoice_id, "recurring_on": recurrence.on}
    opening = _opening(tx, row, made.lines, made.time_zone, made.terms_days) if invoice.open else None
    try:
        written = queries.insert(tx, row, made.lines, opening)
    except DBAPIError as error:
        if db.constraint_name(error) != "invoices_recurrence":
            raise
        raise AlreadyIssued("The recurring invoice has been issued for this day.") from error
    if made.from_job and written.billed is not None:
        detail = f"The job has the invoice {written.billed['number_text'] or 'draft'}; give lines to bill it again."
        raise JobInvoiced(detail, invoice_id=written.billed["id"])
    kept = ("contact_id", "organization_id", "job_id", "currency", "total_cents", "due_on", "recurring_invoice_id")
    effects.audit(tx, "invoice.created", "invoice", made.id, {name: row.get(name) for name in kept})
    if opening is None or written.opened is None:
        return written.answer
    return _opened(tx, row, opening, written.opened, made.time_zone)


def change(tx: Tx, invoice_id: UUID, patch: InvoicePatch, *, version: int) -> Any:
    """Change a draft, or the due date and the notes of an open invoice.

    Raises NotFound (404), PreconditionFailed (412), InvoiceSent and InvoiceOver (409), Unprocessable (422).
    """
    locked = _lock(tx, invoice_id)
    before = locked.row
    check_version(before["version"], version)
    sent = patch.model_dump(mode="json", exclude_unset=True)
    if before["status"] == "draft":
        changes, lines = priced(tx, locked, patch)
        answer = queries.update(tx, invoice_id, changes, lines)
        effects.audit(
            tx, "invoice.updated", "invoice", invoice_id, {name: value for name, value in sent.items() if value != before.get(name)}
        )
        return answer
    rules.check_due(patch.due_on, tx.now)
    return _change_sent(tx, locked, sent)


def delete(tx: Tx, invoice_id: UUID, *, version: int) -> None:
    """Delete a draft. Raises NotFound (404), PreconditionFailed (412), InvoiceSent or another Conflict (409)."""
    before = _lock(tx, invoice_id).row
    check_version(before["version"], version)
    if before["status"] != "draft":
        raise rules.InvoiceSent(f"The invoice is {before['status']} and stays on record; void it instead.")
    if not queries.delete(tx, invoice_id):
        raise Conflict("Something refers to this draft, so it cannot be deleted.")
    effects.audit(tx, "invoice.deleted", "invoice", invoice_id, {name: before[name] for name in ("contact_id", "total_cents", "currency")})


def open_(tx: Tx, invoice_id: UUID) -> Any:
    """Give a draft the next number and send it out; deposits pay it first.

    Raises NotFound (404), InvoiceMoveRefused, InvoiceEmpty, OrganizationDeleted and ContactBlacklisted (409).
    """
    locked = _lock(tx, invoice_id)
    rules.check_move(locked.row, "open")
    if not locked.is_live:
        raise _organization_deleted(locked.row["organization_id"])
    if locked.is_blacklisted:
        raise people.ContactBlacklisted("The client's organization is on the blacklist.", organization_id=locked.row["organization_id"])
    opening = _opening(tx, locked.row, locked.lines, locked.time_zone, locked.terms_days)
    opened = queries.open_(tx, invoice_id, opening)
    return _opened(tx, locked.row, opening, opened, locked.time_zone)


def void(tx: Tx, invoice_id: UUID) -> Any:
    """Take back an invoice that nobody has paid of; its number stays.

    Raises NotFound (404), InvoiceMoveRefused and InvoiceHasPayments (409).
    """
    answer = _move(tx, invoice_id, "void", {"voided_at": tx.now, "uncollectible_at": None})
    reminders.cancel_invoice(tx, invoice_id, "invoice void")
    return answer


def write_off(tx: Tx, invoice_id: UUID) -> Any:
    """Give up that an invoice is paid; if it is all the same, it is. Raises NotFound (404), InvoiceMoveRefused (409)."""
    answer = _move(tx, invoice_id, "uncollectible", {"uncollectible_at": tx.now})
    reminders.cancel_invoice(tx, invoice_id, "invoice uncollectible")
    return answer


_TOLD = {"void": ("invoice_voided", "Void"), "uncollectible": ("invoice_uncollectible", "Uncollectible")}


def _move(tx: Tx, invoice_id: UUID, target: rules.InvoiceStatus, changes: dict[str, Any]) -> Any:
    before = _lock(tx, invoice_id).row
    rules.check_move(before, target)
    changes = {"status": target, **changes}
    if target == "void" and before["payment_page_status"] != "none":
        changes |= {"payment_page_status": "closed", "payment_url": None, "payment_page_ref": None, "payment_page_cents": None}
        found = gateway(tx) if before["payment_page_ref"] else None
        if found is not None:
            settling.close_page(tx, found, before["payment_page_ref"])
    answer = queries.update(tx, invoice_id, changes)
    activity, what = _TOLD[target]
    settling.tell(tx, activity, what, _about(before), topic=f"invoice.{target}")
    effects.audit(tx, f"invoice.{target}", "invoice", invoice_id, {"status": target})
    return answer


def _change_sent(tx: Tx, locked: Locked, sent: dict[str, Any]) -> Any:
    before = locked.row
    fixed = [name for name, value in sent.items() if name not in ("due_on", "notes") and not _is_as_before(locked, name, value)]
    if fixed:
        detail = f"The invoice is {before['status']}: its {', '.join(fixed)} cannot be changed. Void or credit it, and create another one."
        raise rules.InvoiceSent(detail, errors=[FieldError(f"#/{name}", "sent", "the client already has it") for name in fixed])
    if before["status"] not in ("open", "uncollectible"):
        raise rules.InvoiceOver(f"The invoice is {before['status']}.")
    if sent.get("due_on", before["due_on"]) is None:
        raise Unprocessable("The invoice breaks a rule.", errors=[FieldError("#/due_on", "missing", "an open invoice needs a due date")])
    changes = {name: value for name, value in sent.items() if name in ("due_on", "notes")}
    invoice_id = UUID(before["id"])
    answer = queries.update(tx, invoice_id, changes)
    if changes.get("due_on", before["due_on"]) != before["due_on"]:
        reminders.plan_invoice(tx, invoice_id, time_zone=locked.time_zone)
    changed = {name: value for name, value in changes.items() if value != before[name]}
    effects.audit(tx, "invoice.updated", "invoice", invoice_id, changed)
    if before["payment_page_status"] in ("none", "failed"):
        return settled(tx, invoice_id).answer
    return answer


def _is_as_before(locked: Locked, name: str, value: Any) -> bool:
    return name != "lines" and bool(value == locked.row[name])


def _opening(tx: Tx, row: Mapping[str, Any], lines: Any, time_zone: str, terms_days: int) -> Opening:
    if not lines:
        raise rules.InvoiceEmpty("An invoice without lines cannot be opened.")
    issued_on = _day(tx.now, time_zone)
    given, terms = row["due_on"], row["terms_days"]
    due_on = date.fromisoformat(str(given)) if given else issued_on + timedelta(days=terms_days if terms is None else terms)
    contact_id = UUID(str(row["contact_id"])) if row["contact_id"] else None
    quote_id = UUID(str(row["quote_id"])) if row["quote_id"] else None
    recurring = row.get("recurring_invoice_id") is not None
    return Opening(UUID(str(row["organization_id"])), contact_id, row["currency"], issued_on, due_on, quote_id, recurring)


def _day(moment: datetime, time_zone: str) -> date:
    try:
        return moment.astimezone(ZoneInfo(time_zone)).date()
    except (KeyError, ValueError, OSError):
        # A zone that this machine's time zone database does not have any more.
        return moment.astimezone(UTC).date()


def _opened(tx: Tx, row: Mapping[str, Any], opening: Opening, opened: Opened, time_zone: str) -> Any:
    """What follows once an invoice is open: the timeline, its reminders, its page, and the deposits that pay it."""
    from clientway.billing.payments import service as payments  # noqa: PLC0415  (which settles invoices through this module)

    invoice_id = UUID(str(row["id"]))
    about = {**_about(row), "number": opened.number_text}
    settling.tell(tx, "invoice_opened", "Opened", {**about, "due_on": opening.due_on.isoformat()}, topic="invoice.opened")
    effects.audit(tx, "invoice.opened", "invoice", invoice_id, {"number": opened.number_text, "due_on": opening.due_on.isoformat()})
    if row["total_cents"] == 0:
        settling.tell(tx, "invoice_paid", "Paid", about, topic="invoice.paid")
        return opened.answer
    answer = opened.answer
    if opened.deposits:
        payments.apply_deposits(tx, _owed(invoice_id, row, opening, opened), opened.deposits)
        now = settled(tx, invoice_id)
        if now.status == "paid":
            return now.answer
        answer = now.answer
    elif opened.gateway is not None:
        payable = settling.Payable(invoice_id, opened.number_text, row["total_cents"], row["currency"], opened.email)
        settling.ask_for_page(tx, opened.gateway, payable)
    reminders.plan_invoice(tx, invoice_id, time_zone=time_zone)
    return answer


def _owed(invoice_id: UUID, row: Mapping[str, Any], opening: Opening, opened: Opened) -> Invoice:
    """The money of an invoice that has just opened: all of it is owed."""
    total, tax = row["total_cents"], row["tax_cents"]
    return Invoice(
        invoice_id, opening.organization_id, opening.contact_id, "open", opening.currency, total, tax, total, 0, opened.number_text
    )


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: row[name] for name in ("organization_id", "contact_id", "job_id", "total_cents", "currency")}
    return {
        **about,
        "invoice_id": row["id"],
        "number": row.get("number_text"),
        "balance_cents": row.get("balance_cents", row["total_cents"]),
    }


def _lock(tx: Tx, invoice_id: UUID) -> Locked:
    locked = queries.lock(tx, invoice_id)
    if locked is None:
        raise _absent()
    return locked


def _organization_deleted(organization_id: str) -> OrganizationDeleted:
    return OrganizationDeleted("The client's organization is deleted; restore it first.", organization_id=organization_id)


def _absent() -> NotFound:
    return NotFound("There is no such invoice.")


def _unknown(name: str) -> FieldError:
    return FieldError(f"#/{name}", f"unknown_{name.removesuffix('_id')}", "not a contact of this tenant")
