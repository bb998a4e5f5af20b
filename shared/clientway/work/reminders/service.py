"""Reminders: planned with what they are about, called off with it. What sends them stands elsewhere."""

from datetime import UTC, date, tzinfo
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from clientway.db import Tx
from clientway.paging import Request
from clientway.work.jobs import existence
from clientway.work.reminders import queries, rules


def of_job(tx: Tx, job_id: UUID, request: Request) -> Any:
    """A page of a job's reminders. Raises NotFound (404)."""
    answer = queries.of_job(tx, job_id, request)
    if not answer.rows:
        existence.require(tx, job_id)
    return answer


def plan_invoice(tx: Tx, invoice_id: UUID, *, due_on: date | None = None, time_zone: str | None = None) -> None:
    """Plan the reminders of an open invoice, or move them to its due date of now; an invoice that is not open gets none.

    Two statements; one when the caller already knows the due date and the tenant's time zone. What is planned for a
    contact without e-mail address or phone number is nothing.
    """
    if due_on is None or time_zone is None:
        found = queries.due_of_invoice(tx, invoice_id)
        if found is None:
            return
        due_on, time_zone = found.due_on, found.time_zone
    zone = _zone(time_zone)
    queries.plan_invoice(tx, invoice_id, rules.invoice_anchor(due_on, zone), rules.of_invoice(due_on, zone, tx.now))


def cancel_invoice(tx: Tx, invoice_id: UUID, reason: str) -> None:
    """Call off an invoice's reminders: it is paid, void or written off."""
    queries.cancel_invoice(tx, invoice_id, reason)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # A zone that the time zone database of this machine has no longer: a reminder a few hours off is better than none.
        return UTC
