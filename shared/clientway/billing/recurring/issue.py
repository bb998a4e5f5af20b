"""The schedule of recurring invoices: each is made on its day, once, in its order, however late the schedule runs."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.billing.invoices import service as invoices
from clientway.billing.invoices.service import Recurrence
from clientway.billing.recurring import queries, service
from clientway.billing.recurring.queries import Locked
from clientway.db import LockTimeout, SerializationConflict, Tx
from clientway.errors import Conflict, Unprocessable
from clientway.recurrence import UnknownTimeZone

CATCH_UP = 12
"""Invoices of one recurring one in one transaction; the next transaction goes on where it ended."""
TURN = 25
"""Recurring invoices of one tenant before the next tenant has its turn."""
# Nowhere is it a later day than where clocks are 14 hours ahead of UTC.
_FIRST_TO_SEE_A_DAY = timedelta(hours=14)


def due(tx: Tx, most: int) -> list[UUID]:
    """Recurring invoices whose day has come where they are, the longest overdue first."""
    found = queries.due(tx, (tx.now + _FIRST_TO_SEE_A_DAY).date(), most)
    return [one.id for one in found if _has_come(one, tx)]


def issue(tx: Tx, recurring_invoice_id: UUID) -> int:
    """Make the invoices of a recurring one up to today; returns how many. None while somebody else is at it.

    Where its client is gone it ends, with the reason. Raises what invoices.service.create does, for an invoice that cannot
    be made.
    """
    locked = queries.claim(tx, recurring_invoice_id)
    if locked is None or locked.row["next_on"] is None:
        return 0
    if locked.gone:
        service.stop(tx, locked, "ended", f"client {locked.gone}")
        return 0
    row, today = locked.row, service.today(locked.row["time_zone"], tx.now)
    since = date.fromisoformat(row["next_on"])
    if locked.last_on is not None:
        since = max(since, locked.last_on + timedelta(days=1))
    wanted = service.days(row, since, today, CATCH_UP)
    for day in wanted:
        invoices.create(tx, service.invoice_of(row, auto_open=row["auto_open"]), recurrence=Recurrence(recurring_invoice_id, day))
    _advance(tx, locked, wanted, service.next_day(row, wanted[-1] + timedelta(days=1) if wanted else since))
    return len(wanted)


def issue_all(tenants: list[UUID], transaction: Callable[[UUID], Any], *, until: Callable[[], bool]) -> int:
    """Go round the tenants, some of each in turn, until none is due or `until` says stop; returns the invoices made.

    What cannot be made as things are is paused, with the reason. Whatever else fails is left for the next run and keeps
    nobody waiting; all failures are raised at the end.
    """
    made, waiting, failures = 0, list(tenants), []
    settled: set[UUID] = set()
    while waiting and not until():
        still = []
        for tenant_id in waiting:
            try:
                with transaction(tenant_id) as tx:
                    found = [one for one in due(tx, TURN + len(settled)) if one not in settled]
            except Exception as failure:  # noqa: BLE001  (whatever it is, the other tenants come first)
                failure.add_note(f"tenant {tenant_id}")
                failures.append(failure)
                continue
            for one in found:
                if until():
                    break
                try:
                    count = _issue_or_pause(lambda: transaction(tenant_id), one)  # noqa: B023  (called at once)
                except Exception as failure:  # noqa: BLE001
                    failure.add_note(f"tenant {tenant_id}, recurring invoice {one}")
                    failures.append(failure)
                    count = 0
                made += count
                if count < CATCH_UP:
                    # Done, stopped, held by another run or in trouble: not again in this one.
                    settled.add(one)
            if found:
                still.append(tenant_id)
        waiting = still
    if failures:
        message = "recurring invoices were not all made"
        raise ExceptionGroup(message, failures)
    return made


def _issue_or_pause(transaction: Callable[[], Any], recurring_invoice_id: UUID) -> int:
    try:
        with transaction() as tx:
            return issue(tx, recurring_invoice_id)
    except (LockTimeout, SerializationConflict, UnknownTimeZone):
        # Nothing that is wrong with it: another time, or on a machine that knows its zone, it can be made.
        raise
    except (Unprocessable, Conflict) as refused:
        # A service or a price that is no more: somebody has to look at it.
        reason = "; ".join([refused.detail, *(f"{error.pointer} {error.message}" for error in refused.errors)])
        with transaction() as tx:
            locked = queries.claim(tx, recurring_invoice_id)
            if locked is not None:
                service.stop(tx, locked, "paused", reason)
        return 0


def _has_come(one: queries.Due, tx: Tx) -> bool:
    try:
        return one.next_on <= service.today(one.time_zone, tx.now)
    except Unprocessable:
        # Its zone is none any more: whoever issues it will say so.
        return True


def _advance(tx: Tx, locked: Locked, wanted: list[date], next_on: date | None) -> None:
    changes: dict[str, Any] = {"issued_count": locked.row["issued_count"] + len(wanted), "next_on": next_on}
    if next_on is None:
        changes |= {"status": "ended", "status_reason": "its rule has ended"}
    queries.update(tx, UUID(locked.row["id"]), changes)
    issued = {"days": [day.isoformat() for day in wanted], "next_on": next_on}
    effects.audit(tx, "recurring_invoice.issued", "recurring_invoice", UUID(locked.row["id"]), issued)
