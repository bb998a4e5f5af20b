"""Credit notes: what an invoice asks for and nobody is to pay any more."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway import effects
from clientway.billing.credits.schemas import CreditNote, CreditNoteCreate
from clientway.billing.invoices import service as invoices
from clientway.billing.invoices.rules import InvoiceOver
from clientway.billing.payments.rules import money
from clientway.billing.tables import credit_notes
from clientway.db import Tx
from clientway.errors import Conflict
from clientway.ids import uuid7
from clientway.paging import Request, one, page

_FIELDS = ", ".join(CreditNote.model_fields)
_INSERT = text(f"""
with written as (
  insert into credit_notes ({_FIELDS}) select {_FIELDS} from jsonb_populate_record(null::credit_notes, cast(:row as jsonb)) returning *)
select row_to_json(r)::text from (select {_FIELDS} from written) r
""")


class CreditTooLarge(Conflict):
    """409: no more is taken off an invoice than is owed on it; `balance_cents` says how much that is."""

    code, title = "credit_too_large", "Credit too large"


def of_invoice(tx: Tx, invoice_id: UUID, request: Request) -> Any:
    """A page of an invoice's credit notes. Raises NotFound (404)."""
    c = credit_notes.c
    statement = select(*(c[name] for name in CreditNote.model_fields)).where(c.tenant_id == func.app.tenant(), c.invoice_id == invoice_id)
    answer = page(tx, statement, request, {"created_at": c.created_at}, c.id)
    if not answer.rows:
        invoices.read(tx, invoice_id)
    return answer


def create(tx: Tx, invoice_id: UUID, credit: CreditNoteCreate) -> Any:
    """Take something off an open invoice; one that owes nothing then is paid.

    Raises NotFound (404), InvoiceOver and CreditTooLarge (409).
    """
    invoice = invoices.lock(tx, invoice_id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise InvoiceOver(f"The invoice is {invoice['status']}: nothing is owed on it.")
    balance, currency = invoice["balance_cents"], invoice["currency"]
    if credit.amount_cents > balance:
        raise CreditTooLarge(f"Only {money(balance, currency)} is owed on this invoice.", balance_cents=balance)
    row = {
        "id": uuid7(), "invoice_id": invoice_id, **credit.model_dump(), "currency": currency,
        "created_by": tx.actor.id if tx.actor.kind == "user" else None, "created_at": tx.now,
    }  # fmt: skip
    answer = one(tx.execute(_INSERT, {"row": json.dumps(row, default=str)}).one())
    effects.record(
        tx,
        "credit_issued",
        f"Invoice {invoice['number_text']}: credit of {money(credit.amount_cents, currency)}",
        organization_id=UUID(invoice["organization_id"]),
        contact_id=UUID(invoice["contact_id"]) if invoice["contact_id"] else None,
        description=credit.reason,
        metadata={"credit_note_id": row["id"], "invoice_id": invoice_id, "amount_cents": credit.amount_cents, "currency": currency},
        client_visible=True,
    )
    effects.audit(tx, "credit_note.created", "credit_note", row["id"], row)
    effects.publish(tx, "invoice.credited", {**row, "organization_id": invoice["organization_id"], "contact_id": invoice["contact_id"]})
    invoices.settle(tx, invoice_id)
    return answer
