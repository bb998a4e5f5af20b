"""Imports as their callers see them: start, preview, commit, follow, cancel, undo."""

import csv
import io
from typing import Any
from uuid import UUID

from clientway import effects
from clientway.db import Tx
from clientway.errors import Conflict, FieldError, NotFound, Unprocessable, check_version
from clientway.ids import uuid7
from clientway.integrations.imports import mapping as mappings
from clientway.integrations.imports import queries, storage
from clientway.integrations.imports.reading import column_names
from clientway.integrations.imports.schemas import (
    ImportAccepted,
    ImportCreate,
    ImportPatch,
    ImportPreview,
    ImportStarted,
    ImportStatus,
    MappingSave,
)
from clientway.integrations.imports.storage import defused
from clientway.paging import Request

TOPIC = "import.requested"
# From which status each thing can be asked for, and the status it leads to.
_MOVES: dict[str, tuple[tuple[ImportStatus, ...], ImportStatus]] = {
    "preview": (("awaiting_upload", "previewed", "failed"), "previewing"),
    "commit": (("previewed",), "queued"),
    "cancel": (("awaiting_upload", "previewing", "previewed", "queued", "running"), "cancelled"),
    "undo": (("completed", "cancelled", "failed"), "undoing"),
}
# What a worker is asked for in each status that it leads out of.
_UNFINISHED: dict[str, str] = {"previewing": "preview", "queued": "commit", "running": "commit", "undoing": "undo"}


class ImportStateRefused(Conflict):
    """409: the import is not in a state for this; `legal` lists what it is."""

    code, title = "import_state_refused", "Not in this state"


def start(tx: Tx, given: ImportCreate) -> ImportStarted:
    """Begin an import. Rows that come along are previewed at once, a file once it is uploaded and its preview asked for.

    Raises Unprocessable (422) for a saved mapping that does not exist and for targets that no column can have.
    """
    import_id = uuid7()
    wanted: Any = given.mapping
    if given.mapping_id is not None:
        wanted = queries.mapping(tx, given.mapping_id)
        if wanted is None:
            raise Unprocessable("There is no such mapping.", errors=[FieldError("#/mapping_id", "unknown", "not a saved mapping of yours")])
    elif given.mapping is not None:
        mappings.check_targets(given.mapping)
    row = {
        "id": import_id, "source": given.source, "filename": given.filename, "mapping": wanted, "created_by": tx.actor.id,
        "status": "awaiting_upload" if given.rows is None else "previewing",
        "object_key": storage.key(tx.tenant_id, import_id) if given.rows is None else None,
    }  # fmt: skip
    if given.rows is not None:
        columns = list(dict.fromkeys(name for one in given.rows for name in one))
        row |= {"inline_content": _as_csv(columns, given.rows), "columns": [{"name": name} for name in column_names(columns)]}
    queries.insert(tx, row)
    effects.audit(tx, "import.started", "import", import_id, {"source": given.source, "filename": given.filename})
    if given.rows is not None:
        _publish(tx, import_id, "preview")
    upload = storage.upload(str(row["object_key"])) if given.rows is None else None
    return ImportStarted(id=import_id, status=row["status"], upload=upload, version=1)


def find(tx: Tx, request: Request, status: str | None) -> Any:
    """A page of imports, newest first."""
    return queries.find(tx, request, status)


def read(tx: Tx, import_id: UUID) -> Any:
    """One import. Raises NotFound (404)."""
    answer = queries.read(tx, import_id)
    if answer is None:
        raise _absent()
    return answer


def change(tx: Tx, import_id: UUID, patch: ImportPatch, *, version: int) -> Any:
    """Correct the mapping; the preview is made again. Raises 404, 409, 412, 422."""
    row = _lock(tx, import_id)
    check_version(row["version"], version)
    _require(row["status"], "change", ("awaiting_upload", "previewed"))
    if row["columns"] is not None:
        mappings.check([column["name"] for column in row["columns"]], patch.mapping)
    status = "previewing" if row["status"] == "previewed" else row["status"]
    queries.update(tx, import_id, mapping={**(row["mapping"] or {}), **patch.mapping}, status=status)
    effects.audit(tx, "import.mapped", "import", import_id, {"mapping": patch.mapping})
    if status == "previewing":
        _publish(tx, import_id, "preview")
    return queries.read(tx, import_id)


def ask(tx: Tx, import_id: UUID, action: str) -> ImportAccepted:
    """Ask for a preview, a commit, a cancellation or an undo. Raises ImportStateRefused (409), NotFound (404)."""
    row = _lock(tx, import_id)
    sources, target = _MOVES[action]
    _require(row["status"], action, sources)
    queries.update(tx, import_id, status=target, **({"finished_at": tx.now} if action == "cancel" else {}))
    effects.audit(tx, f"import.{action}", "import", import_id)
    if action != "cancel":
        _publish(tx, import_id, action)
    return ImportAccepted(id=import_id, status=target)


def preview(tx: Tx, import_id: UUID) -> ImportPreview:
    """What a commit would do. Raises NotFound (404), ImportStateRefused (409) while there is no preview."""
    found = queries.preview(tx, import_id)
    if found is None:
        answer = read(tx, import_id)
        raise ImportStateRefused("There is no preview yet.", legal=["preview"], version=answer.version)
    return ImportPreview(import_id=import_id, **found)


def rows(tx: Tx, import_id: UUID, request: Request, outcome: str | None) -> Any:
    """A page of what the rows became. Raises NotFound (404)."""
    answer = queries.rows(tx, import_id, request, outcome)
    if not answer.rows:
        read(tx, import_id)
    return answer


def errors_csv(tx: Tx, import_id: UUID) -> str:
    """The failed rows as a CSV file: number, reason, and every cell as it came, formulas defused. Raises NotFound (404)."""
    row = _lock(tx, import_id)
    out = io.StringIO()
    writer = csv.writer(out)
    columns = [column["name"] for column in row["columns"] or []]
    writer.writerow([defused(cell) for cell in ("row_number", "reason", *columns)])
    for failed in queries.failed(tx, import_id):
        writer.writerow([failed.row_number, defused(failed.reason or ""), *(defused(cell) for cell in failed.cells or [])])
    return out.getvalue()


def resume(tx: Tx) -> int:
    """Ask again for everything that is unfinished, where the queue that held it is lost; returns how many imports that are.

    Asking twice is harmless: a worker goes on where the rows that are written end.
    """
    found = queries.unfinished(tx)
    for import_id, status in found:
        _publish(tx, import_id, _UNFINISHED[status])
    return len(found)


def save_mapping(tx: Tx, given: MappingSave) -> Any:
    """Keep a mapping for the next list of this kind; one of the same name is replaced."""
    mappings.check_targets(given.mapping)
    mapping_id = uuid7()
    effects.audit(tx, "import_mapping.saved", "import_mapping", mapping_id, {"name": given.name})
    return queries.save_mapping(tx, mapping_id, given.name, given.mapping)


def list_mappings(tx: Tx, request: Request) -> Any:
    """A page of saved mappings."""
    return queries.mappings(tx, request)


def delete_mapping(tx: Tx, mapping_id: UUID) -> None:
    """Forget a saved mapping. Raises NotFound (404)."""
    if not queries.delete_mapping(tx, mapping_id):
        raise NotFound("There is no such mapping.")
    effects.audit(tx, "import_mapping.deleted", "import_mapping", mapping_id)


def _publish(tx: Tx, import_id: UUID, action: str) -> None:
    effects.publish(tx, TOPIC, {"import_id": import_id, "tenant_id": tx.tenant_id, "action": action})


def _lock(tx: Tx, import_id: UUID) -> Any:
    row = queries.lock(tx, import_id)
    if row is None:
        raise _absent()
    return row


def _require(status: str, action: str, sources: tuple[str, ...]) -> None:
    if status not in sources:
        legal = [name for name, (before, _) in _MOVES.items() if status in before]
        raise ImportStateRefused(f"This cannot be done ({action}) while the import is {status}.", current=status, legal=legal)


def _as_csv(columns: list[str], rows: list[dict[str, Any]]) -> bytes:
    """Rows as the same kind of file that an upload is: one reader for both."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([["" if row.get(name) is None else str(row[name]) for name in columns] for row in rows])
    return out.getvalue().encode()


def _absent() -> NotFound:
    return NotFound("There is no such import.")
