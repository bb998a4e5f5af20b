"""From what somebody wants to charge for to an invoice's rows: what is left open is taken from services, client and settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from clientway.billing.invoices import queries, rules
from clientway.billing.invoices.queries import Locked, Terms
from clientway.billing.invoices.schemas import InvoiceCreate, InvoiceLineInput, InvoicePatch
from clientway.db import Tx
from clientway.errors import FieldError, Unprocessable
from clientway.ids import uuid7

_RULE = "The invoice breaks a rule."
_ABSENT = "The invoice refers to something that does not exist."


@dataclass(frozen=True)
class Draft:
    """An invoice to come, and what opening it would go by."""

    id: UUID
    contact_id: UUID
    row: dict[str, Any]
    lines: list[dict[str, Any]]
    from_job: bool
    """Whether it has the job's own line and no other."""
    time_zone: str
    terms_days: int


def draft(tx: Tx, invoice: InvoiceCreate) -> Draft:
    """Price an invoice. Raises Unprocessable (422)."""
    _check(invoice)
    rules.check_due(invoice.due_on, tx.now)
    terms = _terms(tx, invoice.lines, contact_id=invoice.contact_id, job_id=invoice.job_id, quote_id=invoice.quote_id)
    job = terms.jobs.get(invoice.job_id) if invoice.job_id else None
    if invoice.job_id is not None and job is None:
        raise Unprocessable(_ABSENT, errors=[_unknown("#/job_id", "job", "no job of this client")])
    if terms.contact is None:
        raise Unprocessable(_ABSENT, errors=[_unknown("#/contact_id", "contact", "not a contact of this tenant")])
    _check_jobs(invoice, terms)
    _check_quote(invoice.quote_id, terms, terms.contact["organization_id"])
    currency = invoice.currency or (job["currency"] if job else terms.currency)
    from_job = job is not None and not invoice.lines
    wanted = [_of_job(job)] if job is not None and from_job else invoice.lines
    invoice_id = uuid7()
    lines, columns = _priced(invoice_id, [_resolved(line, n, terms, currency) for n, line in enumerate(wanted)], invoice.discount_bps)
    row = {
        "id": invoice_id, "contact_id": terms.contact["id"], "job_id": invoice.job_id, "quote_id": invoice.quote_id,
        "currency": currency, **columns, "due_on": invoice.due_on, "terms_days": invoice.terms_days, "notes": invoice.notes,
    }  # fmt: skip
    return Draft(invoice_id, UUID(terms.contact["id"]), row, lines, from_job, terms.time_zone, terms.terms_days)


def priced(tx: Tx, locked: Locked, patch: InvoicePatch) -> tuple[dict[str, Any], list[dict[str, Any]] | None]:
    """What a change of a draft writes: columns and, where it replaces them or they cost something else now, lines.

    Raises Unprocessable (422).
    """
    before, sent = locked.row, patch.model_dump(mode="json", exclude_unset=True, exclude={"lines"})
    if sent.get("due_on") is not None and sent.get("terms_days") is not None:
        raise Unprocessable(_RULE, errors=[_exclusive()])
    rules.check_due(patch.due_on, tx.now)
    if sent.get("due_on") is not None:
        sent["terms_days"] = None
    elif sent.get("terms_days") is not None:
        sent["due_on"] = None
    if patch.quote_id is not None:
        _check_quote(patch.quote_id, _terms(tx, (), quote_id=patch.quote_id), before["organization_id"])
    if patch.lines is None and "discount_bps" not in sent:
        return sent, None
    invoice_id, currency, discount_bps = UUID(before["id"]), *({**before, **sent}[name] for name in ("currency", "discount_bps"))
    if patch.lines is None:
        wanted = [_kept(line) for line in locked.lines]
    else:
        terms = _terms(tx, patch.lines, contact_id=UUID(before["contact_id"]))
        _check_line_jobs(patch.lines, terms, before["organization_id"])
        wanted = [_resolved(line, n, terms, currency) for n, line in enumerate(patch.lines)]
    lines, columns = _priced(invoice_id, wanted, discount_bps)
    return {**sent, **columns}, lines


def _check_quote(quote_id: UUID | None, terms: Terms, organization_id: str | None) -> None:
    if quote_id is not None and (organization_id is None or terms.quote_organization_id != organization_id):
        raise Unprocessable(_ABSENT, errors=[_unknown("#/quote_id", "quote", "no quote of this client")])


def _check(invoice: InvoiceCreate) -> None:
    errors = []
    if invoice.contact_id is None and invoice.job_id is None:
        errors.append(FieldError("#/contact_id", "missing", "say whom it is for: a contact or a job"))
    if not invoice.lines and invoice.job_id is None and invoice.open:
        errors.append(FieldError("#/lines", "missing", "an invoice without lines cannot be opened"))
    if invoice.due_on is not None and invoice.terms_days is not None:
        errors.append(_exclusive())
    if errors:
        raise Unprocessable(_RULE, errors=errors)


def _exclusive() -> FieldError:
    return FieldError("#/terms_days", "exclusive", "give due_on or terms_days")


def _terms(
    tx: Tx, lines: Sequence[InvoiceLineInput], *, contact_id: UUID | None = None, job_id: UUID | None = None, quote_id: UUID | None = None
) -> Terms:
    services = [line.service_id for line in lines if line.service_id is not None]
    jobs = [line.job_id for line in lines if line.job_id is not None]
    return queries.terms(tx, contact_id=contact_id, job_id=job_id, quote_id=quote_id, services=services, jobs=jobs)


def _check_jobs(invoice: InvoiceCreate, terms: Terms) -> None:
    organization_id = terms.contact["organization_id"] if terms.contact else None
    if invoice.job_id is not None and terms.jobs[invoice.job_id]["organization_id"] != organization_id:
        raise Unprocessable(_ABSENT, errors=[_unknown("#/job_id", "job", "no job of this client")])
    _check_line_jobs(invoice.lines, terms, organization_id)


def _check_line_jobs(lines: Sequence[InvoiceLineInput], terms: Terms, organization_id: str | None) -> None:
    errors = [
        _unknown(f"#/lines/{n}/job_id", "job", "no job of this client")
        for n, line in enumerate(lines)
        if line.job_id is not None and (line.job_id not in terms.jobs or terms.jobs[line.job_id]["organization_id"] != organization_id)
    ]
    if errors:
        raise Unprocessable(_ABSENT, errors=errors)


def _unknown(pointer: str, what: str, message: str) -> FieldError:
    return FieldError(pointer, f"unknown_{what}", message)


def _of_job(job: Mapping[str, Any]) -> InvoiceLineInput:
    service_id = UUID(job["service_id"]) if job["service_id"] else None
    return InvoiceLineInput(description=job["title"], service_id=service_id, job_id=UUID(job["id"]), unit_price_cents=job["price_cents"])


@dataclass(frozen=True)
class _Resolved:
    """A line with nothing left open."""

    line: rules.Line
    description: str
    service_id: str | None
    job_id: str | None


def _resolved(line: InvoiceLineInput, n: int, terms: Terms, currency: str) -> _Resolved:
    service: Mapping[str, Any] = terms.services.get(line.service_id, {}) if line.service_id else {}
    description, price = line.description or service.get("name"), line.unit_price_cents
    errors = []
    if line.service_id is not None and not service:
        errors.append(_unknown(f"#/lines/{n}/service_id", "service", "no service of this tenant"))
    elif price is None and service and service["currency"] != currency:
        errors.append(FieldError(f"#/lines/{n}/unit_price_cents", "other_currency", f"the service's price is in {service['currency']}"))
    elif price is None:
        price = service.get("price_cents")
    for name, value in (("description", description), ("unit_price_cents", price)):
        if value is None and not errors:
            errors.append(FieldError(f"#/lines/{n}/{name}", "missing", "no service says it"))
    if errors or description is None or price is None:
        raise Unprocessable(_RULE, errors=errors)
    rates = (line.tax_rate_bps, service.get("tax_rate_bps"), (terms.contact or {}).get("tax_rate_bps"), terms.tax_rate_bps)
    tax_rate = next(rate for rate in rates if rate is not None)
    thousandths = round(line.quantity * rules.THOUSANDTHS)
    ids = [str(each) if each else None for each in (line.service_id, line.job_id)]
    return _Resolved(rules.Line(thousandths, price, line.discount_bps, tax_rate), description, *ids)


def _kept(row: Mapping[str, Any]) -> _Resolved:
    line = rules.Line(row["quantity_thousandths"], row["unit_price_cents"], row["discount_bps"], row["tax_rate_bps"])
    return _Resolved(line, row["description"], row["service_id"], row["job_id"])


def _priced(invoice_id: UUID, wanted: Sequence[_Resolved], discount_bps: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    sums = rules.amounts([one.line for one in wanted], discount_bps)
    lines = [
        {
            "id": uuid7(), "invoice_id": invoice_id, "position": n, "description": one.description, "service_id": one.service_id,
            "job_id": one.job_id, **vars(one.line), "amount_cents": cents, "tax_cents": tax,
        }
        for n, (one, (cents, tax)) in enumerate(zip(wanted, sums.lines, strict=True))
    ]  # fmt: skip
    columns = {name: value for name, value in vars(sums).items() if name != "lines"}
    return lines, {"discount_bps": discount_bps, **columns}
