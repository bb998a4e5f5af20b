"""What the queue asks for: preview, commit and undo. A killed worker's work is taken up where its last chunk ended."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import db, effects
from clientway.db import Tx
from clientway.errors import Problem
from clientway.identity.settings import service as settings
from clientway.integrations.imports import engine, mapping, queries, storage
from clientway.integrations.imports.engine import CHUNK, Run
from clientway.integrations.imports.reading import EmptyTable, Row, Table, open_table
from clientway.integrations.imports.reasons import Tally
from clientway.integrations.imports.service import TOPIC
from clientway.lifecycle.bulk import reverting
from clientway.lifecycle.bulk import service as records

_SHOWN = 50
_TOLD = ("row_number", "outcome", "reason")
_TRIES = 3
_COUNTS = ("created", "updated", "skipped", "failed")


def work(tenant_id: UUID, import_id: UUID, action: str, *, time_is_up: Callable[[], bool] = lambda: False) -> None:
    """Do what was asked. A file that cannot be read fails the import with its reason; asking twice does no harm."""
    try:
        _ACTIONS[action](tenant_id, import_id, time_is_up)
    except (storage.FileProblem, EmptyTable, Problem) as problem:
        with db.job_transaction(tenant_id) as tx:
            row = queries.lock(tx, import_id)
            if row is not None and row["status"] in ("previewing", "queued", "running"):
                queries.update(tx, import_id, status="failed", error=_in_words(problem), finished_at=tx.now)


def _preview(tenant_id: UUID, import_id: UUID, time_is_up: Callable[[], bool]) -> None:
    with db.job_transaction(tenant_id) as tx:
        row = queries.lock(tx, import_id)
        content = queries.content(tx, import_id)
    if row is None or row["status"] != "previewing":
        return
    with storage.open_file(row["object_key"], content) as file:
        table = open_table(file, [column["name"] for column in row["columns"] or ()])
        guesses = mapping.guess(table.columns, [one.cells for one in table.sample])
        wanted = {column: guess.target for column, guess in guesses.items()} | {
            column: target for column, target in (row["mapping"] or {}).items() if target is None or target in mapping.TARGETS
        }
        # A target that the caller gave to one column is taken from the column it was guessed for.
        chosen = {target for target in (row["mapping"] or {}).values() if target}
        wanted = {c: None if t in chosen and c not in (row["mapping"] or {}) else t for c, t in wanted.items()}
        mapping.check(table.columns, wanted)
        total, counts, tally = 0, Counter[str](), Tally()
        shown: list[dict[str, Any]] = []
        tx = db.begin(db.Job(tenant_id))
        try:
            run = _run(tx, row, table, wanted)
            for rows in _chunks(table.rows()):
                total += len(rows)
                if time_is_up():
                    # The rest is counted only: a preview of the first hundred thousand rows is better than none at all.
                    continue
                for one, kept in zip(rows, engine.run_chunk(tx, run, rows), strict=True):
                    counts[kept["outcome"]] += 1
                    tally.add(kept["outcome"], kept["reason"], one.number)
                    if len(shown) < _SHOWN:
                        shown.append({**{name: kept[name] for name in _TOLD}, "cells": one.storable_cells})
        finally:
            db.rollback(tx)
    why = tally.found()
    reasons: Counter[str] = Counter()
    for kind in why:
        reasons[kind["reason"]] += kind["count"]
    tried = sum(counts.values())
    found = {"total": total, "tried": tried, **{name: counts[name] for name in _COUNTS}, "reasons": reasons, "why": why, "rows": shown}
    columns = [_column(column, guess, wanted[column]) for column, guess in guesses.items()]
    with db.job_transaction(tenant_id) as tx:
        now = queries.lock(tx, import_id)
        if now["status"] == "previewing":
            queries.update(tx, import_id, status="previewed", preview=found, columns=columns, mapping=wanted, rows_total=total, error=None)


def _commit(tenant_id: UUID, import_id: UUID, time_is_up: Callable[[], bool]) -> None:
    with db.job_transaction(tenant_id) as tx:
        row = queries.lock(tx, import_id)
        if row is None or row["status"] not in ("queued", "running"):
            return
        queries.update(tx, import_id, status="running", started_at=row["started_at"] or tx.now)
        content = queries.content(tx, import_id)
    with storage.open_file(row["object_key"], content) as file:
        table = open_table(file, [column["name"] for column in row["columns"] or ()])
        with db.job_transaction(tenant_id) as tx:
            # Before the rows are read: it looks through a column of its own.
            run = _run(tx, row, table, row["mapping"])
        for rows in _chunks(table.rows()):
            if time_is_up():
                with db.job_transaction(tenant_id) as tx:
                    effects.publish(tx, TOPIC, {"import_id": import_id, "tenant_id": tenant_id, "action": "commit"})
                return
            for attempt in range(_TRIES):
                try:
                    with db.job_transaction(tenant_id) as tx:
                        if not _commit_chunk(tx, import_id, run, rows):
                            return
                    break
                except DatabaseError as error:
                    if db.sqlstate(error) != "23505":
                        raise
                    # Somebody else wrote the same slug or e-mail a moment before: look again.
                    run.seen = {mark: number for mark, number in run.seen.items() if number < rows[0].number}
                    if attempt + 1 == _TRIES:
                        raise
    with db.job_transaction(tenant_id) as tx:
        if queries.lock(tx, import_id)["status"] == "running":
            queries.update(tx, import_id, status="completed", finished_at=tx.now)
            effects.publish(tx, "integration.import_completed", {"import_id": import_id})


def _commit_chunk(tx: Tx, import_id: UUID, run: Run, rows: list[Row]) -> bool:
    """One chunk and its place in the file, together or not at all; False when the import was cancelled."""
    now = queries.lock(tx, import_id)
    if now["status"] != "running":
        return False
    if rows[-1].number <= now["rows_done"]:
        # Done by a worker before us: only remember the rows, for the repeats to come.
        for row in rows:
            run.repeats(row)
        return True
    kept = engine.run_chunk(tx, run, rows)
    queries.write_rows(tx, import_id, kept)
    counts = Counter(one["outcome"] for one in kept)
    totals = {f"{name}_count": now[f"{name}_count"] + counts[name] for name in _COUNTS}
    queries.update(tx, import_id, rows_done=rows[-1].number, rows_total=max(now["rows_total"], rows[-1].number), **totals)
    return True


def _undo(tenant_id: UUID, import_id: UUID, _time_is_up: Callable[[], bool]) -> None:
    """Take everything back in one transaction: what was created and is untouched goes, what was filled in is blank again."""
    with db.job_transaction(tenant_id) as tx:
        row = queries.lock(tx, import_id)
        if row is None or row["status"] != "undoing":
            return
        undo = tx.execute(_UNDO, {"import_id": import_id}).all()
        touched: dict[str, dict[str, dict[str, Any]]] = {table: {} for table in records.TABLES}
        parents: dict[str, str] = {}
        for entry in undo:
            for one in entry.undo:
                row = touched[one["table"]].setdefault(one["id"], {"id": one["id"], "before": one["before"], "versions": set()})
                row["versions"].add(one["version"])
                row["version"] = max(row["versions"])
                if row["before"] is not None and one["before"] is not row["before"]:
                    row["before"] = reverting.earlier(row["before"], one["before"])
                parents[one["id"]] = str(entry.organization_id)
        created = {table: [row for row in rows.values() if row["before"] is None] for table, rows in touched.items()}
        new = {row["id"] for row in created["organizations"]}
        busy = reverting.worked_on(tx, created)
        done: set[str] = set()
        for table, rows in touched.items():
            # An organization that somebody has worked on since keeps its places and people.
            free = [row for one, row in rows.items() if one not in busy and (one in new or parents[one] not in new or parents[one] in done)]
            done |= reverting.revert(tx, table, free)
        records.refresh(tx, sorted(set(parents.values()) - new), currency=settings.conventions(tx).currency)
        changed = {
            one: row["versions"] for rows in touched.values() for one, row in rows.items() if row["before"] is not None and one in done
        }
        _hand_back(tx, import_id, changed, {parents[one] for one in changed})
        undone = tx.execute(_UNDONE, {"import_id": import_id, "now": tx.now, "ids": sorted(done)}).rowcount
        queries.update(tx, import_id, status="undone", undone_count=undone, finished_at=tx.now)


def _hand_back(tx: Tx, import_id: UUID, versions: dict[str, set[int]], organizations: set[str]) -> None:
    """Rows that are now as they were before this import, though of a later version, are still as an earlier import left them.

    Without this, that import's undo would take our own undo for somebody's work. `versions`: those that this import gave
    to each row; where others lie between them, somebody else's work does too.
    """
    ours = {one: (min(given), max(given)) for one, given in versions.items() if len(given) == max(given) - min(given) + 1}
    if ours:
        rows = [{"id": one, "left": first - 1, "now": last + 1} for one, (first, last) in ours.items()]
        given = {"import_id": import_id, "rows": json.dumps(rows), "organizations": "{" + ",".join(organizations) + "}"}
        tx.execute(_HAND_BACK, given)


_HAND_BACK = text("""
with given as materialized (select * from jsonb_to_recordset(cast(:rows as jsonb)) as g(id text, "left" bigint, now bigint)),
found as (
  select r.import_id, r.row_number,
         jsonb_agg(case when g.id is null then e.u else jsonb_set(e.u, '{version}', to_jsonb(g.now)) end order by e.n) as undo
    from import_rows r cross join lateral jsonb_array_elements(r.undo) with ordinality as e(u, n)
    left join given g on g.id = e.u ->> 'id' and g."left" = cast(e.u ->> 'version' as bigint)
   where r.tenant_id = app.tenant() and r.import_id <> :import_id and r.undone_at is null and r.undo is not null
     and r.organization_id = any (cast(:organizations as uuid[]))
   group by r.import_id, r.row_number having count(g.id) > 0)
update import_rows r set undo = f.undo from found f
 where r.tenant_id = app.tenant() and r.import_id = f.import_id and r.row_number = f.row_number""")
_UNDO = text("""
select row_number, organization_id, undo from import_rows
 where tenant_id = app.tenant() and import_id = :import_id and undo is not null and undone_at is null order by row_number""")
_UNDONE = text("""
update import_rows r set undone_at = :now
 where r.tenant_id = app.tenant() and r.import_id = :import_id and r.undone_at is null and r.undo is not null
   and not exists (select from jsonb_array_elements(r.undo) u where not (u ->> 'id' = any (cast(:ids as text[]))))""")

_ACTIONS = {"preview": _preview, "commit": _commit, "undo": _undo}


def _run(tx: Tx, row: Any, table: Table, wanted: dict[str, str | None]) -> Run:
    tenant = settings.conventions(tx)
    columns = {place: target for place, column in enumerate(table.columns) if (target := wanted.get(column))}
    return Run(row["id"], row["source"], columns, tenant.phone_region, tenant.currency, _lost_zeros(table, columns))


def _lost_zeros(table: Table, columns: dict[int, str]) -> bool:
    """Whether the ZIP column went through a spreadsheet: all digits, and some of them three or four."""
    place = next((place for place, target in columns.items() if target == "location.zip"), None)
    if place is None:
        return False
    cells = [cell for row in table.rows() if row.error is None and (cell := row.cells[place].strip())]
    short = [cell for cell in cells if cell.isdecimal() and 3 <= len(cell) <= 4]  # noqa: PLR2004
    return len(short) > 0.02 * len(cells)


def _column(name: str, guess: mapping.Guess, target: str | None) -> dict[str, Any]:
    """A column as the import shows it: with the guess's reason only if the guess was followed."""
    if target == guess.target:
        return {"name": name, "target": target, "confidence": guess.confidence, "reason": guess.reason}
    return {"name": name, "target": target, "confidence": 1.0, "reason": "chosen" if target else "left out"}


def _in_words(problem: Exception) -> str:
    """What is wrong, with each faulty place: the import's owner gets no other document."""
    errors = problem.errors if isinstance(problem, Problem) else ()
    return "; ".join([str(problem).rstrip("."), *(f"{error.pointer.removeprefix('#/')}: {error.message}" for error in errors)])


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
