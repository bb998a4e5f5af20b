"""`clientway migrate`, `tenant`, `user` and `api-key`: what an operator does, with an administrator's database URL.

The URL is ADMIN_DATABASE_URL; without it, the embedded server of `clientway dev` in ./.clientway is used, running or not.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from clientway.config import ConfigurationError
from clientway.errors import Problem
from clientway.identity.tenants import service
from clientway.local import postgres

DATABASE = "clientway"
STATE = Path(".clientway")

tenant_app = typer.Typer(no_args_is_help=True, help="Tenants: the businesses that use this installation.")
user_app = typer.Typer(no_args_is_help=True, help="People who work for a tenant.")
api_key_app = typer.Typer(no_args_is_help=True, help="Machines that act for a tenant.")

_Role = Annotated[str, typer.Option(help="admin, editor or viewer.")]
_Tenant = Annotated[str, typer.Option(help="The tenant's slug.")]


def register(cli: typer.Typer) -> None:
    """Add the commands."""
    cli.command()(migrate)
    cli.add_typer(tenant_app, name="tenant")
    cli.add_typer(user_app, name="user")
    cli.add_typer(api_key_app, name="api-key")


def migrate() -> None:
    """Bring the database to the newest revision; it is created if it is missing. Safe to repeat."""
    # Imported here: Alembic takes a moment that the other commands need not wait for.
    from clientway.migrations.run import migrate as upgrade  # noqa: PLC0415

    with administrator() as url:
        upgrade(url)
    typer.echo("The database is at the newest revision.")


@tenant_app.command("create")
def create_tenant(
    name: Annotated[str, typer.Option(help="The business's name.")],
    slug: Annotated[str, typer.Option(help="Short name in links: a-z, 0-9 and hyphens.")],
    admin_email: Annotated[str, typer.Option(help="Its first administrator, who signs in with this address.")],
    time_zone: Annotated[str, typer.Option(help="IANA time zone.")] = "UTC",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    phone_region: Annotated[str, typer.Option(help="Country of phone numbers without a prefix, ISO 3166.")] = "US",
) -> None:
    """Make a tenant with its first administrator."""
    with administrator() as url:
        made = service.create(
            url, name=name, slug=slug, admin_email=admin_email, time_zone=time_zone, currency=currency, phone_region=phone_region
        )
    typer.echo(f"tenant {made.tenant_id}\n{admin_email} can sign in at {_sign_in_url()}")


@tenant_app.command("sms-sender")
def assign_sms_sender(
    tenant: _Tenant,
    sender: Annotated[str | None, typer.Option(help="Number (+1…), pool or sender id; without it, the installation's.")] = None,
) -> None:
    """Say which number a tenant texts from."""
    with administrator() as url:
        service.assign_sms_sender(url, tenant=tenant, sender=sender)
    typer.echo(f"{tenant} texts from {sender or 'the number of the installation'}")


@user_app.command("invite")
def invite_user(
    tenant: _Tenant, email: Annotated[str, typer.Option(help="Whom to invite; an address that can receive mail.")], role: _Role = "viewer"
) -> None:
    """Give somebody a role at a tenant, or change it, and send them an invitation."""
    with administrator() as url:
        service.add_member(url, tenant=tenant, email=email, role=role, sign_in_url=_sign_in_url())
    typer.echo(f"{email} is {role} at {tenant} and signs in at {_sign_in_url()}")


@api_key_app.command("create")
def create_api_key(
    tenant: _Tenant,
    name: Annotated[str, typer.Option(help="What it is for.")],
    role: _Role = "viewer",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; without it, it does not.")] = None,
) -> None:
    """Make an API key and print its secret, which is kept nowhere else."""
    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    with administrator() as url:
        issued = service.issue_api_key(url, tenant_id=service.find(url, tenant), name=name, role=role, expires_at=expires_at)
    typer.echo(f"key {issued.id}", err=True)
    # Alone on standard output, to be piped into a secret store.
    typer.echo(issued.token)


@api_key_app.command("revoke")
def revoke_api_key(key: Annotated[str, typer.Argument(help="The key's id, or the secret itself of a leaked one.")]) -> None:
    """Revoke an API key at once."""
    with administrator() as url:
        typer.echo(f"revoked {service.revoke_api_key(url, key=key)}")


@contextmanager
def administrator() -> Iterator[str]:
    """The administrator's URL; an embedded server that was not running is stopped again afterwards.

    Ends the command with one line when something is refused or no database is found.
    """
    try:
        if url := os.environ.get("ADMIN_DATABASE_URL"):
            yield url
            return
        with _embedded() as url:
            yield url
    except (Problem, postgres.PostgresError, ConfigurationError) as error:
        typer.secho(str(error), fg="red", err=True)
        raise typer.Exit(1) from None


@contextmanager
def _embedded() -> Iterator[str]:
    data = STATE / "postgres"
    if not (data / "cluster").is_dir():
        raise postgres.PostgresError(
            f"There is no database: set ADMIN_DATABASE_URL, or run `clientway dev` here first ({data} is missing)."
        )
    with (STATE / "lock").open("a") as lock:
        try:
            # `clientway dev` holds this lock while it runs; holding it here keeps one from starting in between.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield postgres.start(data).url(DATABASE)
            return
        try:
            yield postgres.start(data).url(DATABASE)
        finally:
            postgres.stop(data)


def _sign_in_url() -> str:
    return os.environ.get("PUBLIC_URL", "http://127.0.0.1:3000").rstrip("/") + "/sign-in"
