"""Recurring invoices: what a client is billed each time, and when."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from clientway import effects
from clientway.billing.invoices.drafting import draft
from clientway.billing.invoices.schemas import InvoiceCreate
from clientway.billing.recurring import queries
from clientway.billing.recurring.schemas import RecurringInvoiceCreate, RecurringInvoicePatch, RecurringStatus
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.lifecycle.contacts.service import OrganizationDeleted
from clientway.lifecycle.people import service as people
from clientway.paging import Request
from clientway.recurrence import ClientGone, first, occurrences, parse_days, to_local, wrong_start, zone_named

_TIMING = {"rrule", "starts_on", "time_zone"}


class RecurrenceEnded(Conflict):
    """409: the recurring invoice has ended; begin another one."""

    code, title = "recurrence_ended", "Recurrence ended"


def find(tx: Tx, request: Request, *, contact_id: UUID | None, status: RecurringStatus | None) -> Any:
    """A page of recurring invoices."""
    return queries.find(tx, request, contact_id=contact_id, status=status)


def read(tx: Tx, recurring_invoice_id: UUID) -> Any:
    """One recurring invoice with the last invoices made of it. Raises NotFound (404)."""
    answer = queries.read(tx, recurring_invoice_id)
    if answer is None:
        raise _absent()
    return answer


def create(tx: Tx, recurring: RecurringInvoiceCreate) -> Any:
    """Begin a recurring invoice; the first is made on the first day of its rule that is today or later.

    Raises RecurrenceRefused, Unprocessable (422) for what is not there and lines that cannot be an invoice's, ContactMerged,
    ContactBlacklisted, OrganizationDeleted (409).
    """
    rule = parse_days(recurring.rrule)
    given = recurring.model_dump(mode="json")
    # An invoice of today shows whether there can be any.
    made = draft(tx, invoice_of(given))
    holder = people.hold(tx, made.contact_id)
    if not holder.organization_is_live:
        raise OrganizationDeleted("The client's organization is deleted; restore it first.", organization_id=str(holder.organization_id))
    row = {
        **given,
        "id": str(uuid7()),
        "organization_id": str(holder.organization_id),
        "currency": made.row["currency"],
        "rrule": rule.text,
        "time_zone": recurring.time_zone or holder.time_zone,
    }
    answer = queries.insert(tx, {**row, "next_on": _next_on(row, tx.now, None)})
    effects.audit(tx, "recurring_invoice.created", "recurring_invoice", UUID(row["id"]), row)
    _publish(tx, "recurring_invoice.created", row)
    return answer


def change(tx: Tx, recurring_invoice_id: UUID, patch: RecurringInvoicePatch, *, version: int) -> Any:
    """Change what is to come, pause, resume or end it; what fell due before is not billed.

    Raises NotFound (404), PreconditionFailed (412), RecurrenceEnded, ClientGone (409), RecurrenceRefused, Unprocessable (422).
    """
    locked = queries.lock(tx, recurring_invoice_id)
    if locked is None:
        raise _absent()
    before = locked.row
    check_version(before["version"], version)
    if before["status"] == "ended":
        raise RecurrenceEnded("The recurring invoice has ended; begin another one.")
    changes = patch.model_dump(mode="json", exclude_unset=True)
    if "rrule" in changes:
        changes["rrule"] = parse_days(changes["rrule"]).text
    after = {**before, **changes}
    if after["status"] == "active" and locked.gone:
        raise ClientGone(f"The client is {locked.gone}; end the recurring invoice instead.")
    if changes.keys() & {"lines", "discount_bps"}:
        draft(tx, invoice_of(after))
    resumed = before["status"] != after["status"] == "active"
    if resumed and "status_reason" not in changes:
        changes["status_reason"] = None
    if after["status"] == "ended":
        changes["next_on"] = None
    elif resumed or changes.keys() & _TIMING:
        changes["next_on"] = _next_on(after, tx.now, locked.last_on)
    answer = queries.update(tx, recurring_invoice_id, changes)
    changed = {name: value for name, value in changes.items() if value != before[name]}
    effects.audit(tx, "recurring_invoice.updated", "recurring_invoice", recurring_invoice_id, changed)
    if after["status"] != before["status"]:
        _publish(tx, f"recurring_invoice.{'resumed' if resumed else after['status']}", after)
    return answer


def stop(tx: Tx, locked: queries.Locked, status: RecurringStatus, reason: str) -> None:
    """Pause or end a locked recurring invoice that cannot go on, and say why."""
    changes: dict[str, Any] = {"status": status, "status_reason": reason[:2000]}
    if status == "ended":
        changes["next_on"] = None
    queries.update(tx, UUID(locked.row["id"]), changes)
    effects.audit(tx, f"recurring_invoice.{status}", "recurring_invoice", UUID(locked.row["id"]), {"reason": reason})
    _publish(tx, f"recurring_invoice.{status}", {**locked.row, **changes})


def invoice_of(row: Mapping[str, Any], *, auto_open: bool = False) -> InvoiceCreate:
    """The invoice that a recurring one comes to."""
    taken = {name: row[name] for name in ("contact_id", "lines", "discount_bps", "currency", "notes", "terms_days")}
    return InvoiceCreate.model_validate_json(json.dumps({**taken, "open": auto_open}))


def days(row: Mapping[str, Any], since: date, until: date, most: int) -> list[date]:
    """The days of a recurring invoice from one day to another, both included, at most so many. Raises RecurrenceRefused (422)."""
    before = _midnight(until + timedelta(days=1))
    return [one.date() for one in _expand(row, since=_midnight(since), before=before, limit=most)]


def next_day(row: Mapping[str, Any], since: date) -> date | None:
    """The first day of a recurring invoice from a day on, or None where there is none."""
    zone, start = zone_named(row["time_zone"]), _midnight(date.fromisoformat(row["starts_on"]))
    found = first(parse_days(row["rrule"]), start, zone=zone, since=_midnight(since))
    return found.date() if found else None


def today(time_zone: str, now: datetime) -> date:
    """What day it is in a time zone. Raises UnknownTimeZone (422)."""
    return to_local(now, zone_named(time_zone)).date()


def _next_on(row: Mapping[str, Any], now: datetime, last_on: date | None) -> str:
    """The first day from today on that no invoice was made for yet. Raises RecurrenceRefused, Unprocessable (422)."""
    since = today(row["time_zone"], now)
    if (wrong := wrong_start("#/starts_on", _midnight(date.fromisoformat(row["starts_on"])), _midnight(since))) is not None:
        raise _broken(wrong)
    found = next_day(row, since if last_on is None else max(since, last_on + timedelta(days=1)))
    if found is None:
        raise _broken(FieldError("#/rrule", "rrule_never_occurs", "has no future occurrence"))
    return found.isoformat()


def _expand(row: Mapping[str, Any], *, since: datetime, before: datetime, limit: int) -> list[datetime]:
    zone: ZoneInfo = zone_named(row["time_zone"])
    start = _midnight(date.fromisoformat(row["starts_on"]))
    return occurrences(parse_days(row["rrule"]), start, zone=zone, since=since, before=before, limit=limit)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def _broken(error: FieldError) -> Unprocessable:
    return Unprocessable("The recurring invoice breaks a rule.", errors=[error])


def _publish(tx: Tx, topic: str, row: Mapping[str, Any]) -> None:
    payload = {"recurring_invoice_id": row["id"], **{name: row[name] for name in ("organization_id", "contact_id", "name")}}
    effects.publish(tx, topic, {**payload, "reason": row.get("status_reason")})


def _absent() -> NotFound:
    return NotFound("There is no such recurring invoice.")
