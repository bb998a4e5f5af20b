"""A tenant's clients: what happened with one, how many there are and what they brought, and finding one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.errors import NotFound
from clientway.lifecycle.clients import queries
from clientway.lifecycle.clients.rules import LineType, search_term
from clientway.lifecycle.clients.schemas import ContactAccount
from clientway.paging import Request


def timeline(tx: Tx, contact_id: UUID, request: Request, *, kind: LineType | None, since: datetime | None, before: datetime | None) -> Any:
    """A page of what happened with a client, under any id that they ever had here. Raises NotFound (404)."""
    answer = queries.timeline(tx, contact_id, request, kind=kind, since=since, before=before)
    if not answer.rows and not queries.exists(tx, contact_id):
        raise _absent()
    return answer


def stats(tx: Tx, *, verify: bool) -> Any:
    """The sums over all clients, as they are kept; `verify` counts them beside it."""
    return queries.stats(tx, verify=verify)


def fold_counts(tx: Tx) -> int:
    """Fold the changes of the sums since the last time; returns how many they were."""
    return queries.fold_counts(tx)


def search(tx: Tx, q: str | None, request: Request) -> Any:
    """A page of clients by any part of a name, an e-mail or a phone, whichever of theirs it is; all of them without a term."""
    return queries.search(tx, search_term(q) if q else None, request)


def account(tx: Tx, contact_id: UUID) -> ContactAccount:
    """Whether a contact has an account of their own. Raises NotFound (404)."""
    found = queries.has_account(tx, contact_id)
    if found is None:
        raise _absent()
    return ContactAccount(has_account=found)


def _absent() -> NotFound:
    return NotFound("There is no such contact.")
