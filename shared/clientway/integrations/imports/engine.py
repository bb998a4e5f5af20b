"""Turn rows into records, a chunk at a time. Preview and commit run this same code; a preview is rolled back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from uuid import UUID

from clientway.db import Tx
from clientway.integrations.imports import queries
from clientway.integrations.imports.candidates import Candidate, Refusal, candidate
from clientway.integrations.imports.matching import Index, Known, Place, fill_empty, names_of
from clientway.integrations.imports.reading import Row
from clientway.lifecycle.bulk import service as records
from clientway.lifecycle.bulk.service import Changes, Record
from clientway.lifecycle.stages import service as stages

CHUNK = 500


@dataclass
class Run:
    """What stays the same over the rows of an import, and what was seen so far."""

    import_id: UUID
    source: str
    columns: Mapping[int, str]
    region: str
    currency: str
    lost_zeros: bool
    seen: dict[bytes, int] = field(default_factory=dict)

    def repeats(self, row: Row) -> int | None:
        """The number of an earlier row with the very same cells; otherwise the row is remembered."""
        mark = blake2b("\x1f".join(row.cells).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        earlier = self.seen.setdefault(mark, row.number)
        return None if earlier == row.number else earlier


@dataclass
class _Outcome:
    row: Row
    outcome: str
    reason: str
    organization_id: str | None = None
    touched: list[tuple[str, str, dict[str, Any] | None]] = field(default_factory=list)


def run_chunk(tx: Tx, run: Run, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Write a chunk of rows and return what each became, as import_rows keeps it."""
    outcomes: list[_Outcome] = []
    usable: list[tuple[Row, Candidate]] = []
    for row in rows:
        if row.error is not None:
            outcomes.append(_Outcome(row, "failed", row.error))
        elif (earlier := run.repeats(row)) is not None:
            outcomes.append(_Outcome(row, "skipped", f"the same as row {earlier}"))
        else:
            read = candidate(row.cells, run.columns, region=run.region, lost_zeros=run.lost_zeros)
            if isinstance(read, Refusal):
                outcomes.append(_Outcome(row, "failed", read.reason))
            else:
                usable.append((row, read))
    emails = {email for _, one in usable if (email := one.contact.get("email_norm"))}
    index = queries.index(tx, run.source, _keys(one for _, one in usable), emails)
    changes = Changes()
    outcomes += [_take(index, changes, run, row, one) for row, one in usable]
    records.write(tx, changes, currency=run.currency)
    stages.reconsider(tx, [UUID(one) for one in changes.records])
    return _recorded(tx, sorted(outcomes, key=lambda one: one.row.number))


def _keys(candidates: Any) -> dict[str, list[str]]:
    keys = [one.keys for one in candidates]
    names = {"source_ids": "source_id", "emails": "email", "phones": "phone", "addresses": "address"}
    return {many: sorted({value for key in keys if (value := getattr(key, one))}) for many, one in names.items()}


def _take(index: Index, changes: Changes, run: Run, row: Row, given: Candidate) -> _Outcome:
    match = index.match(given)
    if match.organization is None:
        return _create(index, changes, run, row, given, match.reason)
    known = match.organization
    record = known.record
    outcome = _Outcome(row, "updated", match.reason, known.id)
    _fill(changes, outcome, "organizations", record.organization, {**given.organization, "source_id": None})
    if given.location and match.place is None:
        _add_place(index, changes, outcome, known, record, given)
    elif given.location and match.place is not None:
        _fill(changes, outcome, "locations", match.place.row, {name: value for name, value in given.location.items() if name != "name"})
    _take_contact(index, changes, outcome, record, given)
    if tags := changes.tag(record, given.tags):
        outcome.touched.append(("organizations", known.id, {records.ADDED_TAGS: tags}))
    if outcome.touched:
        changes.records[known.id] = record
    else:
        outcome.outcome, outcome.reason = "skipped", f"{match.reason}; nothing new"
    return outcome


def _create(index: Index, changes: Changes, run: Run, row: Row, given: Candidate, reason: str) -> _Outcome:
    own = records.new_row("organizations", {**given.organization, "source": run.source})
    record = Record(own)
    changes.records[own["id"]] = record
    changes.new["organizations"][own["id"]] = own
    changes.tag(record, given.tags)
    known = Known(own["id"], names_of(own), own.get("source_id"), own)
    known.record = record
    index.add(known)
    outcome = _Outcome(row, "created", "; ".join((reason, *given.warnings)), own["id"], [("organizations", own["id"], None)])
    if given.location:
        _add_place(index, changes, outcome, known, record, given)
    _take_contact(index, changes, outcome, record, given)
    return outcome


def _add_place(index: Index, changes: Changes, outcome: _Outcome, known: Known, record: Record, given: Candidate) -> None:
    place = records.new_row("locations", {**given.location, "organization_id": known.id})
    changes.new["locations"][place["id"]] = place
    record.places.append(place)
    index.add_place(known, Place(place["id"], place.get("address_key"), place.get("phone_e164"), place))
    outcome.touched.append(("locations", place["id"], None))
    if outcome.outcome == "updated":
        outcome.reason += "; a new location"


def _take_contact(index: Index, changes: Changes, outcome: _Outcome, record: Record, given: Candidate) -> None:
    if not given.contact:
        return
    email = given.contact.get("email_norm")
    holder = index.by_email.get(email) if email else None
    if holder is not None and holder[0] != record.organization["id"]:
        outcome.reason += f"; {email} belongs to a contact elsewhere and stays there"
        return

    def is_same(one: Mapping[str, Any]) -> bool:
        return one["id"] == (holder or (None, None))[1] if email else _name(one) == _name(given.contact)

    same = next(filter(is_same, record.contacts), None)
    if same is not None:
        _fill(changes, outcome, "contacts", same, given.contact)
        return
    contact = records.new_row("contacts", {**given.contact, "organization_id": record.organization["id"]})
    changes.new["contacts"][contact["id"]] = contact
    record.contacts.append(contact)
    if email:
        index.by_email[email] = (record.organization["id"], contact["id"])
    outcome.touched.append(("contacts", contact["id"], None))


def _name(contact: Mapping[str, Any]) -> tuple[str, str]:
    return ((contact.get("first_name") or "").casefold(), (contact.get("last_name") or "").casefold())


def _fill(changes: Changes, outcome: _Outcome, table: str, there: dict[str, Any], given: Mapping[str, Any]) -> None:
    added = fill_empty(there, dict(given))
    if added:
        outcome.touched.append((table, there["id"], {name: there[name] for name in added}))
        changes.change(table, there, added)


def _recorded(tx: Tx, outcomes: Sequence[_Outcome]) -> list[dict[str, Any]]:
    ids: dict[str, set[str]] = {}
    for one in outcomes:
        for table, row_id, _ in one.touched:
            ids.setdefault(table, set()).add(row_id)
    versions = records.versions(tx, ids)
    found = []
    for one in outcomes:
        first = {table: row_id for table, row_id, _ in reversed(one.touched)}
        undo = [{"table": table, "id": row_id, "before": before, "version": versions[row_id]} for table, row_id, before in one.touched]
        kept = {
            "row_number": one.row.number, "outcome": one.outcome, "reason": one.reason[:1000], "undo": undo or None,
            "cells": one.row.storable_cells if one.outcome == "failed" else None,
            "organization_id": one.organization_id, "location_id": first.get("locations"), "contact_id": first.get("contacts"),
        }  # fmt: skip
        found.append(kept)
    return found
