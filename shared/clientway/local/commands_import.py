"""`clientway import`: a list from a file into a running Clientway, over HTTP: upload, preview, commit, outcome, undo."""

import io
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer
from rich.console import Console

from clientway.integrations.imports.storage import MOST_BYTES
from clientway.local import import_view as view
from clientway.local.client import ApiError, Client, RefusedError
from clientway.local.import_run import Run

DEFAULT_URL = "http://127.0.0.1:3000"
DEMO_KEY = Path(".clientway") / "demo-api-key"
_SHOWN_ROWS = 10
_REFUSED, _USAGE, _INTERRUPTED = 1, 2, 130
_ZIP = b"PK\x03\x04"
_LONGEST_SOURCE = 100


class UsageError(Exception):
    """What was asked for cannot be meant; the message is one line."""


def register(cli: typer.Typer) -> None:
    """Add `import`."""
    cli.command("import")(import_list)


def import_list(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A CSV file, up to 50 MB.")] = None,
    *,
    source: Annotated[
        str | None, typer.Option(help="Where the list comes from; ids in it count within this source. (default: FILE without its ending)")
    ] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=FIELD",
            help="What a column is: Biz=organization.legal_name; Biz= leaves it out. Repeatable.",
        ),
    ] = None,
    mapping: Annotated[str | None, typer.Option(metavar="NAME", help="A saved mapping; --map has precedence.")] = None,
    rows: Annotated[int, typer.Option(min=0, max=50, help="How many rows of the preview to show.")] = _SHOWN_ROWS,
    preview: Annotated[bool, typer.Option("--preview", help="Show what would happen and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Commit without asking.")] = False,
    errors: Annotated[Path | None, typer.Option(metavar="PATH", help="Where failed rows go. (default: FILE.errors.csv, if any)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on standard output; all else goes to standard error.")] = False,
    follow: Annotated[UUID | None, typer.Option(metavar="IMPORT_ID", help="Watch an import that is under way.")] = None,
    cancel: Annotated[UUID | None, typer.Option(metavar="IMPORT_ID", help="Stop an import; undo takes back what it has written.")] = None,
    undo: Annotated[UUID | None, typer.Option(metavar="IMPORT_ID", help="Take an import back, except what was worked on since.")] = None,
    url: Annotated[str, typer.Option(envvar="CLIENTWAY_URL", help="The server.")] = DEFAULT_URL,
    key: Annotated[str | None, typer.Option(envvar="CLIENTWAY_API_KEY", help=f"An API key (default: the one in {DEMO_KEY}).")] = None,
) -> None:
    """Import a list of businesses: see what would happen, agree, and watch it go in.

    Nothing is written before the commit. Rows that are there already fill blanks and overwrite nothing.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that knows no “ë” shows a question mark; it does not end an import.
            stream.reconfigure(errors="replace")
    console = Console(stderr=as_json, highlight=False)
    with _ended_in_a_line():
        if len([one for one in (file, follow, cancel, undo) if one is not None]) != 1:
            raise UsageError("Name one thing: a FILE to import, or an import to --follow, --cancel or --undo.")
        run = Run(_client(url, key, console), console, command=_command(url))
        with _left_in_order(run):
            if file is not None:
                _check_file(file, errors)
                source = source or file.stem[:_LONGEST_SOURCE]
                chosen = _mapping(run, mapping, _chosen(maps or []))
                summary = _import(run, file, source, chosen, shown=rows, agreed=False if preview else True if yes else None, errors=errors)
            else:
                summary = _go_on(run, follow=follow, cancel=cancel, undo=undo, errors=errors)
    if as_json:
        typer.echo(json.dumps(summary, indent=1))
    if summary["status"] == "failed":
        raise typer.Exit(_REFUSED)


def _import(
    run: Run, file: Path, source: str, chosen: Mapping[str, str | None] | None, *, shown: int, agreed: bool | None, errors: Path | None
) -> dict[str, Any]:
    """Upload, preview, ask unless `agreed` says it already, commit."""
    run.upload(file, source, chosen)
    found, preview = run.preview()
    facts = f"{view.of_rows(preview['total'])}, {view.size(file.stat().st_size)}"
    run.console.print(f"\n[bold]{view.escaped(file.name)}[/]  {facts}", soft_wrap=True)
    tried = f"Source “{source}”. Read and tried out in {run.seconds['preview']:.1f} s; nothing is written yet."
    run.console.print(view.escaped(tried), style="dim")
    run.console.print()
    view.show(run.console, preview, found["columns"], shown)
    if agreed is None:
        agreed = _asked(run, preview)
    if agreed:
        told = _tell(run, run.commit(), errors or file.with_suffix(".errors.csv"), always=errors is not None)
    else:
        told = _summary(run, run.cancel())
        run.console.print("Nothing was written.")
    previewed = {name: preview[name] for name in ("total", "tried", *view.OUTCOMES, "why")}
    return {"file": str(file), "source": source, **told, "preview": previewed, "columns": found["columns"]}


def _go_on(run: Run, *, follow: UUID | None, cancel: UUID | None, undo: UUID | None, errors: Path | None) -> dict[str, Any]:
    """Watch, stop or take back an import that there is."""
    run.import_id = str(follow or cancel or undo)
    if follow:
        return _tell(run, run.follow(), errors)
    found = run.cancel() if cancel else run.undo()
    counts = found["counts"]
    written = counts["created"] + counts["updated"]
    if cancel:
        run.console.print(f"Cancelled with {view.number(counts['done'])} of {view.of_rows(counts['total'])} done.")
        if written:
            run.console.print(f"To take them back: {view.escaped(run.way_back())}", soft_wrap=True)
    else:
        kept = written - counts["undone"]
        run.console.print(f"[bold]Undone[/] in {run.seconds['undo']:.1f} s: {view.of_rows(counts['undone'])} taken back.")
        if kept:
            run.console.print(f"[yellow]{view.of_rows(kept)} kept: somebody has worked on what came of them.[/]")
    return _summary(run, found)


def _asked(run: Run, preview: Mapping[str, Any]) -> bool:
    question = f"Write {view.number(preview['created'])} new and {view.number(preview['updated'])} changed rows?"
    if preview["tried"] < preview["total"]:
        question = f"Import all {view.of_rows(preview['total'])}?"
    try:
        return typer.confirm(question, err=run.console.stderr)
    except typer.Abort:
        # Ctrl-C, or nobody there to answer.
        run.console.print("\nNot confirmed; --yes commits without asking.")
        return False


def _tell(run: Run, found: Mapping[str, Any], errors: Path | None, *, always: bool = True) -> dict[str, Any]:
    """Say how a commit ended, keep the failed rows, and how it is undone."""
    counts, console, kept = found["counts"], run.console, None
    if found["status"] == "completed":
        taken = f" in {run.seconds['commit']:.1f} s" if "commit" in run.seconds else ""
        console.print(f"[bold green]Imported[/]{taken}.")
    else:
        why = f": {view.escaped(found['error'])}" if found["error"] else ""
        place = f"{view.number(counts['done'])} of {view.of_rows(counts['total'])} done"
        style = "red" if found["status"] == "failed" else "yellow"
        console.print(f"[bold {style}]{found['status'].capitalize()}[/] with {place}{why}.")
    console.print(view.outcome(counts))
    if errors is not None and (counts["failed"] or always):
        try:
            errors.write_bytes(run.error_file())
            kept = str(errors)
            what = "The failed rows and why" if counts["failed"] else "No row failed; a file without rows"
            console.print(f"{what}: {view.escaped(kept)}", soft_wrap=True)
        except OSError as problem:
            lost = f"The failed rows could not be written to {errors}: {problem.strerror}."
            console.print(view.escaped(lost), style="red", soft_wrap=True)
    if counts["created"] + counts["updated"] > counts["undone"]:
        console.print(f"[dim]To take it back:[/] {view.escaped(run.way_back())}", soft_wrap=True)
    return {**_summary(run, found), "errors_file": kept}


def _summary(run: Run, found: Mapping[str, Any]) -> dict[str, Any]:
    counts = found["counts"]
    seconds = {what: round(taken, 2) for what, taken in run.seconds.items()}
    rows = {"rows": counts["total"], **{name: counts[name] for name in (*view.OUTCOMES, "undone")}}
    return {"import_id": run.import_id, "status": found["status"], **rows, "seconds": seconds, "error": found["error"]}


def _client(url: str, key: str | None, console: Console) -> Client:
    if key is None and DEMO_KEY.is_file():
        key = DEMO_KEY.read_text()
    if not (key or "").strip():
        raise UsageError(f"There is no API key: give --key, set CLIENTWAY_API_KEY, or go where `clientway dev` has left {DEMO_KEY}.")
    try:
        return Client(url, str(key).strip(), notice=lambda message: console.print(f"[yellow]{view.escaped(message)}[/]"))
    except ValueError as error:
        raise UsageError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _check_file(file: Path, errors: Path | None) -> None:
    """Find out before anything is asked of the server what a file cannot be imported for."""
    try:
        if file.is_dir():
            raise UsageError(f"{file} is a folder, not a CSV file.")
        size = file.stat().st_size
        with file.open("rb") as content:
            head = content.read(len(_ZIP))
    except FileNotFoundError:
        raise UsageError(f"There is no file {file}.") from None
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}.") from None
    if not file.is_file():
        raise UsageError(f"{file} is not a regular file.")
    if not size:
        raise UsageError(f"{file} is empty.")
    if size > MOST_BYTES:
        raise UsageError(f"{file} has {view.size(size)}; an import takes up to {view.size(MOST_BYTES)}. Split it.")
    if head == _ZIP:
        raise UsageError(f"{file} is an Excel workbook or another archive; save the sheet as CSV.")
    if errors is not None and (errors.resolve() == file.resolve() or not errors.resolve().parent.is_dir()):
        raise UsageError(f"The failed rows cannot go to {errors}.")


def _chosen(maps: Sequence[str]) -> dict[str, str | None]:
    chosen: dict[str, str | None] = {}
    for one in maps:
        # From the right: a title may have an equals sign, a field has none.
        column, equals, target = one.rpartition("=")
        if not equals or not column.strip():
            raise UsageError(f"--map takes COLUMN=FIELD, not “{one}”.")
        if column.strip() in chosen:
            raise UsageError(f"--map names the column “{column.strip()}” twice.")
        chosen[column.strip()] = target.strip() or None
    return chosen


def _mapping(run: Run, name: str | None, chosen: dict[str, str | None]) -> dict[str, str | None] | None:
    """The saved mapping with what was chosen over it."""
    if name is None:
        return chosen or None
    saved = run.saved_mappings()
    if name not in saved:
        raise ApiError(f"There is no saved mapping “{name}”; there {'are ' + ', '.join(sorted(saved)) if saved else 'is none at all'}.")
    targets = {target for target in chosen.values() if target}
    kept = {column: None if target in targets else target for column, target in saved[name].items()}
    return {**kept, **chosen}


def _command(url: str) -> str:
    return "clientway import" + ("" if url.rstrip("/") == DEFAULT_URL else f" --url {url}")


@contextmanager
def _left_in_order(run: Run) -> Iterator[None]:
    """However the command ends before the commit, no half-made import stays behind; after it, the user learns the ways on."""
    try:
        yield
    except KeyboardInterrupt:
        if run.committing:
            message = f"No longer watching; the import goes on.\n{run.ways_on()}"
        else:
            _give_up(run)
            message = "Interrupted; nothing was written."
        _fail(message, _INTERRUPTED, style="yellow")
    except ApiError:
        if run.committing:
            Console(stderr=True, highlight=False).print(f"The import may have gone on.\n{view.escaped(run.ways_on())}", soft_wrap=True)
        else:
            _give_up(run)
        raise


def _give_up(run: Run) -> None:
    if run.import_id:
        with suppress(ApiError, KeyboardInterrupt):
            run.cancel()


@contextmanager
def _ended_in_a_line() -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        _fail(str(error), _USAGE)
    except RefusedError as refusal:
        known: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: "The API key was refused: ",
            HTTPStatus.FORBIDDEN: "The API key may not do this: ",
        }
        _fail(known.get(refusal.status, "Refused: ") + str(refusal), _REFUSED)
    except ApiError as error:
        _fail(str(error), _REFUSED)
    except OSError as problem:
        _fail(f"{problem.filename or 'The file'}: {problem.strerror}.", _USAGE)


def _fail(message: str, code: int, *, style: str = "red") -> NoReturn:
    Console(stderr=True, highlight=False, soft_wrap=True).print(view.escaped(message), style=style)
    raise typer.Exit(code) from None
