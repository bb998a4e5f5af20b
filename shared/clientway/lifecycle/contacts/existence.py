"""Whether a contact is there: what its sub-resources ask before they answer with an empty list, or when nothing was written."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from clientway.db import Tx
from clientway.errors import Conflict, NotFound
from clientway.lifecycle.tables import contacts


class ContactMerged(Conflict):
    """409: the contact turned out to be another one, which `merged_into` names."""

    code, title = "contact_merged", "Contact merged"

    def __init__(self, merged_into: object) -> None:
        """Name the survivor."""
        super().__init__("The contact was merged into another one: change that, or take the merge back.", merged_into=str(merged_into))


def absent() -> NotFound:
    """404, to be raised."""
    return NotFound("There is no such contact.")


def require(tx: Tx, contact_id: UUID) -> None:
    """Raise NotFound (404) unless the contact is this tenant's; a deleted one still answers for its history."""
    if _find(tx, contact_id) is None:
        raise absent()


def refuse(tx: Tx, contact_id: UUID) -> Exception:
    """Why nothing can be written for a contact: it is absent or deleted (404), or was merged (409). To be raised."""
    row = _find(tx, contact_id)
    return ContactMerged(row.merged_into) if row is not None and row.merged_into is not None else absent()


def _find(tx: Tx, contact_id: UUID) -> Row[Any] | None:
    c = contacts.c
    return tx.execute(select(c.id, c.merged_into).where(c.tenant_id == func.app.tenant(), c.id == contact_id)).one_or_none()


LIVE = """held as (
  select c.id, c.organization_id, c.default_address_id from contacts c
   where c.tenant_id = app.tenant() and c.id = :contact_id and c.deleted_at is null for no key update)"""
"""A contact, locked for what is written along with it: nothing is for one that is gone."""
