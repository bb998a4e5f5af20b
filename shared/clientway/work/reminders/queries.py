"""Reminders in the database, as the API reads them and calls them off."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from clientway.db import Tx
from clientway.paging import Request, page
from clientway.work.reminders import rules
from clientway.work.reminders.schemas import Reminder
from clientway.work.tables import reminders

_C = reminders.c
COLUMNS = tuple(_C[name] for name in Reminder.model_fields)
SORTS = {"send_at": _C.send_at}


def find(
    tx: Tx, request: Request, equal: Mapping[str, Any], *, due_before: datetime | None = None, due_after: datetime | None = None
) -> Any:
    """A page of reminders; `equal` are columns and the values asked for."""
    statement = select(*COLUMNS).where(_C.tenant_id == func.app.tenant())
    statement = statement.where(*(_C[name] == value for name, value in equal.items() if value is not None))
    if due_before is not None:
        statement = statement.where(_C.send_at < due_before)
    if due_after is not None:
        statement = statement.where(_C.send_at >= due_after)
    return page(tx, statement, request, SORTS, _C.id)


def invoice_exists(tx: Tx, invoice_id: UUID) -> bool:
    """Whether the tenant has this invoice."""
    return bool(tx.scalar(text("select exists (select from invoices where tenant_id = app.tenant() and id = :id)"), {"id": invoice_id}))


# The row as it was says why nothing was changed; only one that still waits is called off.
_CALL_OFF = text(f"""
with before as (select r.* from reminders r where r.tenant_id = app.tenant() and r.id = :id for no key update),
written as (
  update reminders m set state = 'canceled', state_reason = '{rules.BY_HAND}', version = m.version + 1, updated_at = :now
    from before b where m.tenant_id = app.tenant() and m.id = b.id and b.state = 'scheduled' returning m.*)
select b.state,
       (select to_json(x)::text from (select {", ".join(f"w.{name}" for name in Reminder.model_fields)} from written w) x) as answer,
       (select w.version from written w) as version
  from before b
""")


def call_off(tx: Tx, reminder_id: UUID) -> Any:
    """Call off one that waits. Returns (state as it was, answer or null, version), or None where there is none."""
    return tx.execute(_CALL_OFF, {"id": reminder_id, "now": tx.now}).one_or_none()
