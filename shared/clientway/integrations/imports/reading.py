"""Read a table from bytes: encoding, delimiter and header found out, every row accounted for."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from clientway import normalise

T = TypeVar("T")

_DELIMITERS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LONGEST_CELL = 100_000
_SAMPLE = 50
_NUMBER = re.compile(r"[-+]?\d[\d.,\s()+-]*")


@dataclass(frozen=True)
class Row:
    """A row of data: its number (1 for the first below the header), its cells, and why it cannot be used, if so."""

    number: int
    cells: tuple[str, ...]
    error: str | None = None

    @property
    def storable_cells(self) -> list[str]:
        """The cells as PostgreSQL can keep them: without NUL."""
        return [cell.replace("\x00", "") for cell in self.cells]


@dataclass(frozen=True)
class Table:
    """An opened table. A file without a header gets the columns column_1, column_2 …; blank lines are no rows."""

    columns: tuple[str, ...]
    has_header: bool
    encoding: str
    delimiter: str
    sample: tuple[Row, ...]
    _stream: BinaryIO

    def rows(self) -> Iterator[Row]:
        """Every row, from the beginning; what cannot be used comes with its error."""
        found = _records(self._stream, self.encoding, self.delimiter)
        if self.has_header:
            next(found, None)
        width = len(self.columns)
        for number, (cells, error) in enumerate(found, start=1):
            too_long = f"the row has {len(cells)} cells, the table {width} columns" if len(cells) > width else None
            yield Row(number, (*cells, *[""] * (width - len(cells))), error or too_long)


class EmptyTable(ValueError):  # noqa: N818  (what is wrong with the file, for its owner)
    """There is nothing in the file."""


def open_table(stream: BinaryIO, known: Sequence[str] = ()) -> Table:
    """Find out how a seekable stream is to be read; `known` are its columns where they are known. Raises EmptyTable."""
    encoding = _encoding(stream)
    delimiter = _delimiter(stream, encoding)
    first = [cells for cells, _ in _first(_records(stream, encoding, delimiter), _SAMPLE + 1)]
    if not first:
        raise EmptyTable("the file has no rows")
    # A name may look like data, such as 2026: where the names are known, the first row is they or it is data.
    has_header = column_names(first[0]) == tuple(known) if known else _is_header(first[0])
    width = len(first[0]) if has_header else Counter(map(len, first)).most_common(1)[0][0]
    columns = column_names(first[0]) if has_header else tuple(f"column_{n}" for n in range(1, width + 1))
    table = Table(columns, has_header, encoding, delimiter, (), stream)
    sample = tuple(_first(table.rows(), _SAMPLE))
    return Table(columns, has_header, encoding, delimiter, sample, stream)


def _first(items: Iterator[T], count: int) -> list[T]:
    return [item for item, _ in zip(items, range(count), strict=False)]


def _encoding(stream: BinaryIO) -> str:
    """UTF-8 if the whole file is; a single Ñ in Latin-1 may stand in the last of a million rows."""
    stream.seek(0)
    head = stream.read(4)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    stream.seek(0)
    decoder = codecs.getincrementaldecoder("utf-8")()
    undefined = False
    try:
        while chunk := stream.read(1 << 20):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        stream.seek(0)
        while chunk := stream.read(1 << 20):
            undefined = undefined or any(byte in chunk for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"))
        # Windows-1252 leaves five bytes undefined; Latin-1 takes every byte, so nothing is lost.
        return "latin-1" if undefined else "cp1252"
    return "utf-8"


def _delimiter(stream: BinaryIO, encoding: str) -> str:
    stream.seek(0)
    text = stream.read(64 * 1024).decode("utf-8-sig" if encoding == "utf-8" else encoding, errors="ignore")
    outside = re.sub(r'"(?:[^"]|"")*"', '""', text)
    lines = [line for line in outside.splitlines() if line.strip()][:_SAMPLE]

    # The one that splits most lines into the same number of cells; a comma when none does.
    def score(delimiter: str) -> tuple[int, int]:
        counts = Counter(line.count(delimiter) for line in lines)
        counts.pop(0, None)
        return (counts.most_common(1)[0][1], counts.most_common(1)[0][0]) if counts else (0, 0)

    return max(_DELIMITERS, key=score) if any(score(delimiter)[0] for delimiter in _DELIMITERS) else ","


def _records(stream: BinaryIO, encoding: str, delimiter: str) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """The records of the file; one that the reader cannot take comes as its error."""
    stream.seek(0)
    csv.field_size_limit(_LONGEST_CELL)
    text = io.TextIOWrapper(stream, encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="", errors="replace")
    try:
        reader = csv.reader(text, delimiter=delimiter)
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield (), f"line {reader.line_num} cannot be read: {error}"
                continue
            if any(cell.strip() for cell in cells):
                yield tuple(cells), None
    finally:
        text.detach()


def _is_header(cells: tuple[str, ...]) -> bool:
    """Whether the first row names the columns: no numbers, phones, addresses of mail or web, and no name twice."""
    given = [cell.strip() for cell in cells if cell.strip()]
    looks_like_data = any(_NUMBER.fullmatch(cell) or normalise.email(cell) or "://" in cell for cell in given)
    return bool(given) and not looks_like_data and len({cell.casefold() for cell in given}) == len(given)


def column_names(header: Sequence[str]) -> tuple[str, ...]:
    """What the columns under a header are called: each has a name, and its own."""
    names = [normalise.text(cell) or f"column_{n}" for n, cell in enumerate(header, start=1)]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(unique)
