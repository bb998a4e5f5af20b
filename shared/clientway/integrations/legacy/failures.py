"""The failed rows as a file for whoever mends the old database."""

import csv
from collections.abc import Sequence
from pathlib import Path

from clientway.integrations.imports.storage import defused
from clientway.integrations.legacy import values
from clientway.integrations.legacy.service import Failure


def write(path: Path, failures: Sequence[Failure]) -> None:
    """Table, old id, reason and every value of each row, formulas defused; a file of an earlier run is replaced."""
    columns = list(dict.fromkeys(name for failure in failures for name in failure.values))
    with path.open("w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.writer(stream)
        writer.writerow([defused(cell) for cell in ("legacy_table", "legacy_id", "reason", *columns)])
        for failure in failures:
            cells = (failure.table, failure.source_id, failure.reason, *(values.cell(failure.values.get(name)) for name in columns))
            writer.writerow([defused(cell) for cell in cells])
