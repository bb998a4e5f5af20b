"""The timeline in the database."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, literal_column, select

from clientway.db import Tx
from clientway.lifecycle.tables import activities, contacts
from clientway.lifecycle.timeline.rules import ActivityType
from clientway.paging import Request, one, page

_COLUMNS = tuple(activities.c[name] for name in (
    "id", "activity_type", "title", "description", "organization_id", "contact_id", "client_account_id", "metadata", "machine",
    "client_visible", "performed_by_type", "performed_by_id", "occurred_at", "created_at"))  # fmt: skip


def timeline(
    tx: Tx, organization_id: UUID, request: Request, *, kind: ActivityType | None, since: datetime | None, before: datetime | None
) -> Any:
    """A page of an organization's lines."""
    a = activities.c
    statement = select(*_COLUMNS).where(a.tenant_id == func.app.tenant(), a.organization_id == organization_id)
    if kind is not None:
        statement = statement.where(a.activity_type == kind.value)
    if since is not None:
        statement = statement.where(a.occurred_at >= since)
    if before is not None:
        statement = statement.where(a.occurred_at < before)
    return page(tx, statement, request, {"occurred_at": a.occurred_at}, a.id)


def line(tx: Tx, activity_id: UUID | None, event_key: str | None) -> Any:
    """One line by its id, or by the caller's own id of the event."""
    a = activities.c
    which = a.event_key == event_key if event_key is not None else a.id == activity_id
    row = select(*_COLUMNS).where(a.tenant_id == func.app.tenant(), which).subquery("r")
    return one(tx.execute(select(cast(func.row_to_json(literal_column("r")), Text)).select_from(row)).one())


def contact_belongs(tx: Tx, contact_id: UUID, organization_id: UUID) -> bool:
    """Whether a live contact is at this organization."""
    c = contacts.c
    statement = select(c.id).where(c.tenant_id == func.app.tenant(), c.id == contact_id, c.organization_id == organization_id)
    return tx.execute(statement.where(c.deleted_at.is_(None))).first() is not None
