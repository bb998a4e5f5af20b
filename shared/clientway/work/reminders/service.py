"""Reminders: planned with what they are about, called off with it. What sends them stands in dispatching.py."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, NotFound
from clientway.paging import DatabaseJson, Request
from clientway.work.jobs import existence
from clientway.work.reminders import planning, queries


class ReminderNotWaiting(Conflict):
    """409: it was sent, or is not going to be."""

    code, title = "reminder_not_scheduled", "Reminder not scheduled"


def find(tx: Tx, request: Request, equal: Mapping[str, Any], *, due_before: datetime | None, due_after: datetime | None) -> Any:
    """A page of reminders; `equal` are columns and the values asked for."""
    return queries.find(tx, request, equal, due_before=due_before, due_after=due_after)


def of_job(tx: Tx, job_id: UUID, request: Request) -> Any:
    """A page of a job's reminders. Raises NotFound (404)."""
    answer = queries.find(tx, request, {"job_id": job_id})
    if not answer.rows:
        existence.require(tx, job_id)
    return answer


def of_invoice(tx: Tx, invoice_id: UUID, request: Request) -> Any:
    """A page of an invoice's reminders. Raises NotFound (404)."""
    answer = queries.find(tx, request, {"invoice_id": invoice_id})
    if not answer.rows and not queries.invoice_exists(tx, invoice_id):
        raise NotFound("There is no such invoice.")
    return answer


def call_off(tx: Tx, reminder_id: UUID) -> Any:
    """Have a reminder not go out; planning does not bring it back. Raises NotFound (404), ReminderNotWaiting (409)."""
    found = queries.call_off(tx, reminder_id)
    if found is None:
        raise NotFound("There is no such reminder.")
    if found.answer is None:
        raise ReminderNotWaiting(f"The reminder is {found.state}; only a scheduled one is called off.", state=found.state)
    effects.audit(tx, "reminder.canceled", "reminder", reminder_id, {"state": "canceled"})
    return DatabaseJson(found.answer, found.version)


def plan_invoice(tx: Tx, invoice_id: UUID, *, time_zone: str | None = None) -> None:
    """Plan the reminders of an open invoice, or move them to its due date of now; an invoice that is not open gets none.

    One statement; two when the caller does not know the tenant's time zone. What is planned for a contact without e-mail
    address or phone number is nothing.
    """
    planning.plan_invoice(tx, invoice_id, time_zone)


def cancel_invoice(tx: Tx, invoice_id: UUID, reason: str) -> None:
    """Call off an invoice's reminders: it is paid, void or written off."""
    planning.cancel_invoice(tx, invoice_id, reason)
