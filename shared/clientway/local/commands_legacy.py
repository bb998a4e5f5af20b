"""`clientway migrate-legacy`: an old D1 database's clients, leads and HubSpot contacts into one tenant.

The database is found as by the other commands (commands_admin). The rows are written by the job role: its URL is
JOB_DATABASE_URL, else the administrator's with that role; the keys are the installation's own.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import DatabaseError

from clientway import db
from clientway.config import ConfigurationError, settings
from clientway.identity.tenants import service as tenants
from clientway.integrations.legacy import failures, reading, service
from clientway.integrations.legacy.service import OUTCOMES, Report, TableReport
from clientway.local import commands_admin

_KEYS = ("CLIENTWAY_SIGNING_KEY", "CLIENTWAY_IDENTITY_KEY")
_INTERRUPTED = 130
_NO_SUCH_TABLE = "42P01"
_MOST_REASONS = 8


def register(cli: typer.Typer) -> None:
    """Add `migrate-legacy`."""
    cli.command("migrate-legacy")(migrate_legacy)


def migrate_legacy(
    file: Annotated[Path, typer.Argument(help="The old database: a D1 (SQLite) file with clients, restaurant_leads, hubspot_contacts.")],
    tenant: Annotated[str, typer.Option(help="The tenant's slug.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do it all, show what it comes to, and roll it back.")] = False,
    failed: Annotated[Path | None, typer.Option(help="Where failed rows go; beside FILE unless given.")] = None,
) -> None:
    """Bring an old client database into a tenant. Run it again after a crash, or when the old database has changed."""
    console = Console(highlight=False)
    errors = failed or file.with_name(f"{file.stem}-failed.csv")
    with commands_admin.administrator() as url:
        tenant_id = tenants.find(url, tenant)
        try:
            with _installation(url):
                report = _run(tenant_id, file, dry_run=dry_run)
        except (reading.UnreadableFile, ConfigurationError) as error:
            typer.secho(str(error), fg="red", err=True)
            raise typer.Exit(1) from None
        except DatabaseError as error:
            if db.sqlstate(error) != _NO_SUCH_TABLE:
                raise
            typer.secho("The database is not at the newest revision: run `clientway migrate` first.", fg="red", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            done = "Nothing was kept." if dry_run else "What was done stays; run again to go on."
            typer.secho(f"Interrupted. {done}", fg="red", err=True)
            raise typer.Exit(_INTERRUPTED) from None
    _show(console, report, dry_run=dry_run)
    _keep_failures(errors, report)


def _run(tenant_id: UUID, file: Path, *, dry_run: bool) -> Report:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with reading.opened(file) as found:
        rows = {table.name: table.rows for table in found.tables}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {name: bar.add_task(name, total=total, start=False) for name, total in rows.items()}

        def advance(table: str, done: int) -> None:
            bar.start_task(tasks[table])
            bar.advance(tasks[table], done)

        return service.migrate(tenant_id, file, dry_run=dry_run, progress=advance)


@contextmanager
def _installation(admin_url: str) -> Iterator[None]:
    """The settings that the services read, where the environment lacks them; the embedded server's are its folder's."""
    embedded = not os.environ.get("ADMIN_DATABASE_URL")
    wanted = {"JOB_DATABASE_URL": _as_role(admin_url, "clientway_job"), "DATABASE_URL": _as_role(admin_url, "clientway_app")}
    if embedded:
        for name in _KEYS:
            with suppress(FileNotFoundError):
                wanted[name] = (commands_admin.STATE / name.lower().replace("_", "-")).read_text().strip()
    before = dict(os.environ)
    os.environ.update(wanted if embedded else {name: value for name, value in wanted.items() if not os.environ.get(name)})
    settings.cache_clear()
    try:
        settings()
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


def _as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    credentials, _, place = parts.netloc.rpartition("@")
    _, colon, password = credentials.partition(":")
    return urlunsplit(parts._replace(netloc=f"{role}{colon}{password}@{place}"))


def _show(console: Console, report: Report, *, dry_run: bool) -> None:
    rows = Table(title="Rows" + (" (dry run: nothing was kept)" if dry_run else ""), title_justify="left")
    for heading in ("table", "in", *OUTCOMES):
        rows.add_column(heading, justify="left" if heading == "table" else "right")
    for table in report.tables:
        rows.add_row(table.name, *(str(number) for number in (table.rows, *(table.counts[one] for one in OUTCOMES))))
    console.print(rows)
    counts = Table(title="Tenant", title_justify="left")
    for heading in ("", "before", "after", "new"):
        counts.add_column(heading, justify="right" if heading else "left")
    for name, before in report.before.items():
        after = report.after[name]
        counts.add_row(name.replace("_", " "), str(before), str(after), f"{after - before:+d}")
    console.print(counts)
    for table in report.tables:
        _explain(console, table)


def _explain(console: Console, table: TableReport) -> None:
    for (outcome, reason), count in table.reasons.most_common():
        if outcome != "created" or reason != "new":
            console.print(f"{table.name}: {count} {outcome}: {reason}", soft_wrap=True, markup=False)
    for note, count in table.notes.most_common(_MOST_REASONS):
        console.print(f"{table.name}: note, {count} times: {note}", soft_wrap=True, markup=False)
    if table.not_taken:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(table.not_taken.items()))
        console.print(f"{table.name}: columns without a place here, and the rows that fill them: {names}", soft_wrap=True, markup=False)


def _keep_failures(path: Path, report: Report) -> None:
    if not report.failures and not path.exists():
        return
    try:
        failures.write(path, report.failures)
    except OSError as error:
        typer.secho(
            f"{path} cannot be written: {error.strerror}. {len(report.failures)} rows failed; name another with --failed.",
            fg="red",
            err=True,
        )
        raise typer.Exit(1) from None
    if report.failures:
        typer.secho(f"{len(report.failures)} rows failed: {path}", fg="yellow", err=True)
