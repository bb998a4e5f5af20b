"""One import as a conversation with the API: upload, preview, commit, follow, cancel, undo, and what a terminal shows meanwhile."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from clientway.local import import_view as view
from clientway.local.client import ApiError, Client

_FIRST_POLL, _SLOWEST_POLL = 0.2, 1.0
_LONGEST_NAME = 255

Json = dict[str, Any]


class Run:
    """An import that is run from here."""

    def __init__(self, client: Client, console: Console, *, command: str) -> None:
        """Talk to `client`, show on `console`; `command` is how this command is called, for what is suggested to the user."""
        self.console = console
        self.import_id = ""
        self.committing = False
        self.seconds: dict[str, float] = {}
        self._client, self._command = client, command

    def upload(self, file: Path, source: str, mapping: Mapping[str, str | None] | None) -> None:
        """Make the import and bring the file there."""
        # A name that is not UTF-8 is a name all the same.
        name = file.name.encode("utf-8", "replace").decode()[-_LONGEST_NAME:]
        given = {"filename": name, "source": source, **({} if mapping is None else {"mapping": mapping})}
        with self._under_way("upload", f"Uploading {view.size(file.stat().st_size)}"):
            started = self._client.post("/api/imports", given).json
            self.import_id = started["id"]
            self._client.put_file(started["upload"]["url"], file)

    def preview(self) -> tuple[Json, Json]:
        """Have the file tried out. The import, and what a commit would do. Raises ApiError when the file cannot be imported."""
        with self._under_way("preview", "Reading and trying it out"):
            self._ask("preview")
            found = self._until(lambda status: status != "previewing")
            if found["status"] == "previewed":
                return found, self._client.get(self._path("/preview")).json
        if found["status"] == "failed":
            self.import_id = ""  # there is nothing left to cancel
            raise ApiError(f"The file cannot be imported: {view.clean(found['error'])}.")
        raise ApiError(f"The import is {found['status']}: somebody else has taken it in hand.")

    def commit(self) -> Json:
        """Write what the preview showed; the import when that has ended."""
        self.committing = True
        began = time.monotonic()
        self._ask("commit")
        found = self.follow()
        self.seconds["commit"] = time.monotonic() - began
        return found

    def follow(self) -> Json:
        """Show a bar until the import has ended, one way or another."""
        self.committing = True
        rows = TextColumn("{task.fields[rows]} rows")
        with self._progress(TextColumn("Importing"), BarColumn(), rows, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
            task = progress.add_task("", total=None, rows="…")

            def show(found: Json) -> None:
                done, total = found["counts"]["done"], found["counts"]["total"]
                progress.update(task, completed=done, total=total or None, rows=f"{view.number(done)} of {view.number(total)}")

            return self._until(lambda status: status not in {"queued", "running"}, show)

    def cancel(self) -> Json:
        """Stop the import; it is what it became."""
        self._ask("cancel")
        return self._read()

    def undo(self) -> Json:
        """Take the import back; it is what it became."""
        with self._under_way("undo", "Taking it back"):
            self._ask("undo")
            return self._until(lambda status: status != "undoing")

    def error_file(self) -> bytes:
        """The failed rows as CSV."""
        return self._client.get(self._path("/errors.csv")).body

    def saved_mappings(self) -> dict[str, dict[str, str | None]]:
        """The saved mappings by name."""
        found, cursor = {}, ""
        while True:
            page = self._client.get(f"/api/import-mappings?limit=100{cursor}").json
            found.update({one["name"]: one["mapping"] for one in page["data"]})
            if not page["has_more"]:
                return found
            cursor = f"&cursor={quote(page['next_cursor'])}"

    def ways_on(self) -> str:
        """How the import is looked at, stopped and taken back by whoever stops watching it."""
        ways = {"watch it": "--follow", "stop it": "--cancel", "take it back": "--undo"}
        return "\n".join(f"  {way:<13} {self._command} {option} {self.import_id}" for way, option in ways.items())

    def way_back(self) -> str:
        """How the import is undone."""
        return f"{self._command} --undo {self.import_id}"

    def _ask(self, action: str) -> None:
        self._client.post(self._path(f"/{action}"))

    def _read(self) -> Json:
        found: Json = self._client.get(self._path()).json
        return found

    def _path(self, part: str = "") -> str:
        return f"/api/imports/{self.import_id}{part}"

    def _until(self, ended: Callable[[str], bool], show: Callable[[Json], None] = lambda _found: None) -> Json:
        pause = _FIRST_POLL
        while True:
            found = self._read()
            show(found)
            if ended(found["status"]):
                return found
            time.sleep(pause)
            pause = min(pause * 1.2, _SLOWEST_POLL)

    def _progress(self, *columns: ProgressColumn) -> Progress:
        # Where nobody watches, a bar would only leave blank lines in a log.
        return Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)

    @contextmanager
    def _under_way(self, what: str, words: str) -> Iterator[None]:
        began = time.monotonic()
        with self._progress(SpinnerColumn(), TextColumn(words), TimeElapsedColumn()) as progress:
            progress.add_task("", total=None)
            yield
        self.seconds[what] = time.monotonic() - began
