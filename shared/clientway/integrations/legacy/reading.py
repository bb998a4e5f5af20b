"""The old database: a D1 (SQLite) file, opened for reading alone, with those of its tables that are known here.

Source: seed 0, "Current State": clients, restaurant_leads and the contacts that were synced from HubSpot.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

_MAGIC: Final = b"SQLite format 3\x00"
_AT_ONCE: Final = 500


class Kind(StrEnum):
    """What the rows of a table are, in the order in which they are taken."""

    CLIENT = "client"
    LEAD = "lead"
    HUBSPOT = "hubspot"


TABLES: Final = {
    "clients": Kind.CLIENT,
    "restaurant_leads": Kind.LEAD,
    "hubspot_contacts": Kind.HUBSPOT,
    "hubspot_contacts_sync": Kind.HUBSPOT,
    "hubspot_contact_sync": Kind.HUBSPOT,
    "hubspot_sync_contacts": Kind.HUBSPOT,
    "hubspot_synced_contacts": Kind.HUBSPOT,
    "hubspot_contact": Kind.HUBSPOT,
}
"""The names that the tables go by."""


class UnreadableFile(ValueError):  # noqa: N818  (what is wrong with the file, for its owner)
    """The file is no legacy database, or breaks off; the message is one line."""


@dataclass(frozen=True)
class Table:
    """A known table of the file."""

    name: str
    kind: Kind
    columns: tuple[str, ...]
    rows: int

    @property
    def source(self) -> str:
        """What its rows' ids count within."""
        return f"legacy:{self.name.lower()}"


@dataclass(frozen=True)
class Row:
    """A row: its place in the table, counted from 1, and its values by lower-case column name."""

    number: int
    values: dict[str, Any]


class LegacyFile:
    """An open file; one reading transaction, so that all tables are of the same moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Made by `opened`."""
        self._connection = connection
        self.tables = self._known_tables()

    def rows(self, table: Table) -> Iterator[Row]:
        """Every row of a table. Raises UnreadableFile when the file breaks off."""
        try:
            cursor = self._connection.execute(f"select * from {_quoted(table.name)}")
            number = 0
            while found := cursor.fetchmany(_AT_ONCE):
                for values in found:
                    number += 1
                    yield Row(number, dict(zip(table.columns, values, strict=True)))
        except sqlite3.Error as error:
            raise UnreadableFile(f"{table.name} cannot be read to its end: {error}") from None

    def loses_zeros(self, table: Table, columns: tuple[str, ...]) -> bool:
        """Whether ZIP codes went through a spreadsheet: all digits, and some of them three or four."""
        column = next((column for column in columns if column in table.columns), None)
        if column is None:
            return False
        name = _quoted(column)
        statement = f"""
          select count(*) filter (where length({name}) in (3, 4)) > 0.02 * count(*) from {_quoted(table.name)}
           where {name} is not null and {name} <> '' and cast({name} as text) not glob '*[^0-9]*'"""
        try:
            return bool(self._connection.execute(statement).fetchone()[0])
        except sqlite3.Error as error:
            raise UnreadableFile(f"{table.name} cannot be read to its end: {error}") from None

    def _known_tables(self) -> tuple[Table, ...]:
        listed = self._connection.execute("select name from sqlite_master where type in ('table', 'view') order by name").fetchall()
        found = []
        for (name,) in listed:
            kind = TABLES.get(name.lower())
            if kind is None:
                continue
            columns = tuple(column[1].lower() for column in self._connection.execute(f"pragma table_info({_quoted(name)})"))
            rows = self._connection.execute(f"select count(*) from {_quoted(name)}").fetchone()[0]
            found.append(Table(name, kind, columns, rows))
        order = list(Kind)
        return tuple(sorted(found, key=lambda table: (order.index(table.kind), list(TABLES).index(table.name.lower()))))


@contextmanager
def opened(path: Path) -> Iterator[LegacyFile]:
    """Open a legacy database for reading. Raises UnreadableFile."""
    _check(path)
    connection = _connect(path)
    try:
        try:
            connection.execute("begin")
            file = LegacyFile(connection)
        except sqlite3.Error as error:
            raise UnreadableFile(f"{path} cannot be read as a SQLite database: {error}") from None
        if not file.tables:
            raise UnreadableFile(f"{path} has none of the tables {', '.join(TABLES)}")
        yield file
    finally:
        connection.close()


def _check(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be opened: {error.strerror}") from None
    if head.startswith(_MAGIC):
        return
    if b"CREATE TABLE" in head.upper() or b"PRAGMA" in head.upper():
        raise UnreadableFile(f"{path} is an SQL dump: make a database of it with `sqlite3 legacy.sqlite < {path.name}`")
    raise UnreadableFile(f"{path} is no SQLite database")


def _connect(path: Path) -> sqlite3.Connection:
    location = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = sqlite3.connect(location, uri=True, isolation_level=None)
    try:
        connection.execute("select 1 from sqlite_master").fetchone()
    except sqlite3.OperationalError:
        # A database in WAL mode wants to write beside itself; where it cannot, it is read as it lies there.
        connection.close()
        connection = sqlite3.connect(f"{location}&immutable=1", uri=True, isolation_level=None)
    except sqlite3.DatabaseError:
        # Said better by whoever reads first.
        pass
    connection.text_factory = _text
    return connection


def _text(raw: bytes) -> str:
    """UTF-8, else what Windows made of it: a single Ñ must not cost the row."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
