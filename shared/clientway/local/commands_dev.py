"""`clientway dev`: the whole system on this machine until Ctrl-C."""

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

DEFAULT_PORT = 3000


def register(cli: typer.Typer) -> None:
    """Add `dev`."""
    cli.command()(dev)


def dev(
    port: Annotated[int, typer.Option(envvar="PORT", help="Port of the HTTP API on 127.0.0.1.")] = DEFAULT_PORT,
    template: Annotated[Path, typer.Option(help="The SAM template to run.", exists=True, dir_okay=False)] = Path("template.yaml"),
) -> None:
    """Run the whole system on this machine: API, database, queues, schedules and mail. Ctrl-C ends it."""
    console = Console(stderr=True, highlight=False)
    log = logging.getLogger("clientway.local")
    log.addHandler(logging.StreamHandler())
    log.setLevel(logging.INFO)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        # Imported here: boto3 and moto take a second that the other commands need not wait for.
        from clientway.local.postgres import PostgresError  # noqa: PLC0415
        from clientway.local.stack import StackError, running  # noqa: PLC0415
        from clientway.local.template import TemplateError  # noqa: PLC0415

        try:
            with running(Path.cwd(), template, port) as stack:
                console.print(f"[bold green]Clientway is running[/]  {stack.url}")
                console.print(f"  API reference  {stack.url}/docs")
                console.print(f"  demo API key   {stack.demo_key_file}  (Authorization: Bearer …)")
                console.print(f"  database       {stack.database_url.rpartition('@')[2]}")
                console.print(f"  local AWS      {stack.endpoint}")
                console.print(f"  mail, texts    {stack.url}/mailbox  (also shown here and kept in {stack.mailbox_file})")
                if stack.stripe_url:
                    console.print(
                        f"  payments       {stack.stripe_url}/dashboard  (a stand-in for Stripe; pages to pay: {stack.stripe_url}/pay/…)"
                    )
                console.print("  [dim]Ctrl-C stops everything.[/]")
                threading.Event().wait()
        except (StackError, PostgresError, TemplateError) as error:
            console.print(f"[bold red]{type(error).__name__}[/] {error}", soft_wrap=True)
            raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("Stopped.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Further signals would interrupt the cleaning up.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
