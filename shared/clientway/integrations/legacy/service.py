"""The legacy migration of seed 0: an old D1 database's clients, restaurant leads and HubSpot contacts, into one tenant.

Each chunk commits together with the ledger of what its rows became, so a run that was killed is taken up by running
again, and a second run changes only what has changed in the old database since.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import db, effects
from clientway.config import settings
from clientway.db import Tx
from clientway.errors import Conflict
from clientway.identity.settings import service as conventions
from clientway.integrations.imports.candidates import Refusal
from clientway.integrations.imports.reasons import kinds
from clientway.integrations.legacy import engine, mapping, queries, reading, values
from clientway.integrations.legacy.engine import Outcome, Run
from clientway.integrations.legacy.mapping import Given
from clientway.integrations.legacy.reading import LegacyFile, Row, Table
from clientway.lifecycle.bulk import accounts

CHUNK = 500
_TRIES = 3
OUTCOMES = ("created", "merged", "skipped", "failed")

Progress = Callable[[str, int], None]


@dataclass(frozen=True)
class Failure:
    """A row that became nothing, as it stands in the old table."""

    table: str
    source_id: str
    reason: str
    values: dict[str, Any]


@dataclass
class TableReport:
    """What the rows of a table became: rows = created + merged + skipped + failed."""

    name: str
    rows: int
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    def add(self, outcome: str, reason: str) -> None:
        """Count a row."""
        self.counts[outcome] += 1
        self.reasons[outcome, kinds(reason)[0]] += 1


@dataclass
class Report:
    """What a run did, and what the tenant had before and has after it."""

    tables: list[TableReport]
    before: dict[str, int]
    after: dict[str, int]

    @property
    def failures(self) -> list[Failure]:
        """The failed rows of all tables."""
        return [failure for table in self.tables for failure in table.failures]


class Interrupted(Conflict):
    """409: others kept changing the same records; what was done stays, and running again goes on."""

    code, title = "migration_interrupted", "Interrupted"


def migrate(tenant_id: UUID, path: Path, *, dry_run: bool = False, progress: Progress = lambda _table, _rows: None) -> Report:
    """Bring an old database into a tenant; `progress` hears of each table and its rows as they are done.

    With `dry_run` all is done in one transaction that is rolled back. Raises UnreadableFile, NotFound (404), Interrupted.
    """
    with reading.opened(path) as file, _transactions(tenant_id, dry_run=dry_run) as transaction:
        with transaction() as tx:
            tenant, before, reps = conventions.conventions(tx), queries.counts(tx), accounts.rep_names(tx)
        reports = []
        for table in file.tables:
            run = Run(table.source, tenant.currency, sha256(settings().identity_key).digest(), reps)
            reports.append(_Migration(file, table, run, tenant.phone_region, transaction, progress).report())
        with transaction() as tx:
            after = queries.counts(tx)
    return Report(reports, before, after)


Transaction = Callable[[], Any]


@contextmanager
def _transactions(tenant_id: UUID, *, dry_run: bool) -> Iterator[Transaction]:
    """What begins a transaction: one that commits, or in a dry run a part of the one that is rolled back at the end."""
    if not dry_run:
        yield lambda: db.job_transaction(tenant_id)
        return
    whole = db.begin(db.Job(tenant_id))

    @contextmanager
    def part() -> Iterator[Tx]:
        whole.execute(_SAVEPOINT)
        try:
            yield whole
            effects.flush(whole)
        except Exception:
            whole.effects.clear()
            whole.execute(_BACK)
            raise

    try:
        yield part
    finally:
        db.rollback(whole)


# A newer one of the same name hides the older: none needs to be released.
_SAVEPOINT, _BACK = text("savepoint part"), text("rollback to savepoint part")


@dataclass
class _Migration:
    """One table on its way."""

    file: LegacyFile
    table: Table
    run: Run
    region: str
    transaction: Transaction
    progress: Progress
    found: TableReport = field(init=False)
    columns: mapping.Columns = field(init=False)
    seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def report(self) -> TableReport:
        """Take every row of the table."""
        self.found = TableReport(self.table.name, self.table.rows)
        self.progress(self.table.name, 0)
        self.columns = mapping.columns_of(self.table)
        lost_zeros = self.file.loses_zeros(self.table, self.columns.get("location.zip", ()))
        rows = self.file.rows(self.table)
        while chunk := list(islice(rows, CHUNK)):
            usable = [(row, given) for row in chunk if (given := self._read(row, lost_zeros=lost_zeros)) is not None]
            self._take(usable)
            self.progress(self.table.name, len(chunk))
        return self.found

    def _read(self, row: Row, *, lost_zeros: bool) -> Given | None:
        given = mapping.given(row, self.table.kind, self.columns, region=self.region, lost_zeros=lost_zeros)
        if isinstance(given, mapping.Unreachable):
            self.found.add("skipped", given.reason)
            return None
        if isinstance(given, Refusal):
            self._fail(row, "", given.reason)
            return None
        self.found.not_taken.update(given.not_taken)
        content = hash(tuple(values.cell(value) for value in row.values.values()))
        number, before = self.seen.setdefault(given.source_id, (row.number, content))
        if number == row.number:
            return given
        if before == content:
            self.found.add("skipped", "the same as an earlier row")
        else:
            self._fail(row, given.source_id, f"its id is that of row {number}, which says something else")
        return None

    def _take(self, rows: Sequence[tuple[Row, Given]]) -> None:
        """Write rows; when the database refuses some, find out which."""
        if not rows:
            return
        try:
            outcomes = self._written([given for _, given in rows])
        except DatabaseError as error:
            if (db.sqlstate(error) or "")[:2] not in ("22", "23"):
                raise
            if len(rows) == 1:
                row, given = rows[0]
                self._fail(row, given.source_id, _in_words(error))
                return
            middle = len(rows) // 2
            self._take(rows[:middle])
            self._take(rows[middle:])
            return
        for outcome in outcomes:
            self.found.add(outcome.outcome, outcome.reason)
            self.found.notes.update(kinds(note)[0] for note in outcome.notes)

    def _written(self, given: list[Given]) -> list[Outcome]:
        for attempt in range(1, _TRIES + 1):
            try:
                with self.transaction() as tx:
                    return engine.take(tx, self.run, given)
            except Conflict as busy:
                # Somebody is working on one of the records.
                if attempt == _TRIES:
                    raise Interrupted(f"Stopped in {self.table.name}: {busy} What was done stays; run again to go on.") from busy
                time.sleep(attempt)
            except DatabaseError as error:
                # Somebody else wrote the same slug or e-mail a moment before: look again.
                if db.sqlstate(error) != "23505" or attempt == _TRIES:
                    raise
        raise AssertionError

    def _fail(self, row: Row, source_id: str, reason: str) -> None:
        self.found.add("failed", reason)
        known = source_id or values.cell(row.values.get("id")) or f"row {row.number}"
        self.found.failures.append(Failure(self.table.name, known, reason, row.values))


def _in_words(error: DatabaseError) -> str:
    """What the database has against a row."""
    rule = db.constraint_name(error)
    return f"the database refuses it{f' ({rule})' if rule else ''}"
