"""Find contacts that may be one person, and keep what somebody said of it."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, check_version
from clientway.lifecycle.duplicates import queries
from clientway.lifecycle.duplicates.queries import Pair
from clientway.lifecycle.duplicates.rules import compare, keys
from clientway.lifecycle.duplicates.schemas import DuplicatePatch, DuplicateScan, DuplicateScanned
from clientway.paging import Request
from clientway.rounds import go_round

AT_ONCE = 300
"""Contacts that a request looks at."""
BATCH = 500
"""Contacts that a schedule looks at in one transaction."""


class SuggestionMerged(Conflict):
    """409: the two were merged."""

    code, title = "suggestion_merged", "Already merged"


def find(tx: Tx, request: Request, *, status: str, min_score: int | None, contact_id: UUID | None) -> Any:
    """A page of suggestions, the likeliest first."""
    return queries.find(tx, request, status=status, min_score=min_score, contact_id=contact_id)


def change(tx: Tx, suggestion_id: UUID, patch: DuplicatePatch, *, version: int) -> Any:
    """Dismiss a suggestion or open it again. Raises NotFound (404), PreconditionFailed (412), SuggestionMerged (409)."""
    locked = queries.lock(tx, suggestion_id)
    if locked is None:
        raise NotFound("There is no such suggestion.")
    status, current = locked
    check_version(current, version)
    if status == "merged":
        raise SuggestionMerged("The two contacts were merged; undo that instead.")
    if status != patch.status:
        queries.set_status(tx, suggestion_id, patch.status)
        effects.audit(tx, "duplicate.updated", "duplicate_suggestion", suggestion_id, {"status": patch.status})
    return queries.read(tx, suggestion_id)


def scan(tx: Tx, wanted: DuplicateScan) -> DuplicateScanned:
    """Look at what changed since the last look, so far as a request may take, and at one contact if it is named.

    Raises NotFound (404) for a contact that is not there.
    """
    named = wanted.contact_id
    scanned, known, pairs = _step(tx, AT_ONCE, also=[named] if named else [])
    if named is None:
        return DuplicateScanned(scanned=scanned, suggested=len(pairs), complete=scanned < AT_ONCE)
    if named not in known:
        pointer = FieldError("#/contact_id", "unknown_contact", "not a contact of this tenant")
        raise NotFound("There is no such contact.", errors=[pointer])
    return DuplicateScanned(scanned=max(1, scanned), suggested=sum(named in pair for pair in pairs), complete=scanned < AT_ONCE)


def scan_all(tenants: Sequence[UUID], transaction: Callable[[UUID], AbstractContextManager[Tx]], *, until: Callable[[], bool]) -> int:
    """Go round the tenants, a batch each, until nobody has anything left or `until` says stop; returns the contacts looked at.

    A tenant whose batch fails is left for the next run and keeps nobody else waiting; all failures are raised at the end.
    """
    return go_round(
        tenants,
        transaction,
        lambda tx: _step(tx, BATCH)[0],
        batch=BATCH,
        until=until,
        failed="duplicates were not looked for in every tenant",
    )


def _step(tx: Tx, most: int, *, also: Sequence[UUID] = ()) -> tuple[int, Collection[UUID], Collection[Pair]]:
    """Look at what changed, and at others; returns how many of the former there were, who of both is there, and the pairs found."""
    ids, moment = queries.due(tx, most)
    examined = {*ids, *also}
    known, pairs = _examine(tx, examined) if examined else ((), ())
    queries.seen(tx, moment if len(ids) == most else None)
    return len(ids), known, pairs


def _examine(tx: Tx, ids: Collection[UUID]) -> tuple[Collection[UUID], Collection[Pair]]:
    """Compare contacts with all that have a key in common with them; returns those that are there, and the pairs worth a look."""
    known = queries.people(tx, ids)
    if not known:
        return (), ()
    there = {*known}
    queries.index(tx, {contact_id: {*keys(record.person), record.mark} for contact_id, record in known.items()})
    pairs = queries.candidates(tx, list(known))
    others = {contact_id for pair in pairs for contact_id in pair} - known.keys()
    if others:
        known |= queries.people(tx, others)
    verdicts = {pair: compare(known[pair[0]].person, known[pair[1]].person) for pair in pairs if known.keys() >= set(pair)}
    found = {pair: verdict for pair, verdict in verdicts.items() if verdict.match}
    if found:
        queries.suggest(tx, found)
    return there, found
