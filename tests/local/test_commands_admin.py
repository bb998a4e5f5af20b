"""The operator's commands, through the real command line."""

from uuid import uuid4

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from clientway.local import commands_admin
from clientway.local.cli import app


@pytest.fixture
def run(admin_url, database_url, monkeypatch):
    """Run `clientway …` against this worker's database."""
    monkeypatch.setenv("ADMIN_DATABASE_URL", admin_url)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def slug(run):
    """A tenant made by the command."""
    name = f"cli-{uuid4().hex[:8]}"
    result = run(
        "tenant", "create", "--name", "Cli", "--slug", name, "--admin-email", f"{name}@Staff.example", "--time-zone", "America/Chicago"
    )
    assert result.exit_code == 0, result.output
    return name


def test_a_new_tenants_administrator_can_sign_in(slug, invoke, admin_engine):
    answer = invoke("identity/sign_in_email", body={"email": f"{slug}@staff.example"}, token=None)

    assert answer.status == 202
    with admin_engine.connect() as connection:
        query = "select t.time_zone, o.payload ->> 'to' as mailed from outbox o join tenants t using (tenant_id) where t.slug = :s"
        assert connection.execute(text(query), {"s": slug}).one() == ("America/Chicago", f"{slug}@Staff.example")


def test_a_remote_database_wants_its_authorities_named(run, monkeypatch):
    monkeypatch.setenv("ADMIN_DATABASE_URL", "postgresql://admin@db.example/clientway")
    monkeypatch.delenv("DATABASE_CA_FILE", raising=False)
    result = run("migrate")

    assert (result.exit_code, result.output) == (1, "set DATABASE_CA_FILE to verify the certificate of the remote host db.example\n")


def test_a_slug_is_given_once(run, slug):
    result = run("tenant", "create", "--name", "Again", "--slug", slug, "--admin-email", "a@b.example")

    assert (result.exit_code, "There is already a tenant" in result.output) == (1, True)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--time-zone", "Mars/Olympus"),
        ("--time-zone", "UTC'; drop table tenants"),
        ("--currency", "usd"),
        ("--slug", "Has Space"),
        ("--admin-email", "nobody"),
    ],
)
def test_faulty_fields_make_no_tenant(run, wrong):
    given = {"--name": "N", "--slug": f"x-{uuid4().hex[:8]}", "--admin-email": "a@b.example"} | dict([wrong])

    result = run("tenant", "create", *(part for pair in given.items() for part in pair))

    assert (result.exit_code, result.output.startswith("Not valid: ")) == (1, True)


def test_a_key_is_printed_alone_works_and_is_revoked_by_its_secret(run, slug, invoke):
    result = run("api-key", "create", "--tenant", slug, "--name", "n8n", "--role", "editor", "--days", "30")
    token = result.stdout.strip()
    assert invoke("identity/me", token=token).json["role"] == "editor"

    assert run("api-key", "revoke", token).exit_code == 0
    assert invoke("identity/me", token=token).status == 401
    assert run("api-key", "revoke", token).exit_code == 1


def test_an_invited_user_gets_mail_and_role_and_a_second_invitation_changes_it(run, slug, admin_engine):
    for role in ("viewer", "admin"):
        assert run("user", "invite", "--tenant", slug, "--email", "new@example.com", "--role", role).exit_code == 0

    with admin_engine.connect() as connection:
        roles = connection.execute(
            text(
                "select m.role, m.version from memberships m join tenants t using (tenant_id) join users u on u.id = m.user_id where t.slug = :s and u.email_norm = 'new@example.com'"
            ),
            {"s": slug},
        ).all()
        mails = connection.execute(
            text(
                "select o.payload ->> 'template', o.payload ->> 'tenant_name' from outbox o join tenants t using (tenant_id) where t.slug = :s"
            ),
            {"s": slug},
        ).all()
    assert [tuple(row) for row in roles] == [("admin", 2)]
    assert [tuple(row) for row in mails] == [("invitation", "Cli")] * 2


@pytest.mark.parametrize("command", [("user", "invite", "--email", "a@b.example"), ("api-key", "create", "--name", "k")])
def test_an_unknown_tenant_ends_with_one_line(run, command):
    result = run(*command, "--tenant", "no-such-tenant")

    assert (result.exit_code, result.output.strip()) == (1, "There is no tenant 'no-such-tenant'.")


def test_migrating_again_changes_nothing(run):
    assert run("migrate").exit_code == 0


def test_without_any_database_the_command_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("ADMIN_DATABASE_URL", raising=False)
    monkeypatch.setattr(commands_admin, "STATE", tmp_path / ".clientway")

    result = CliRunner().invoke(app, ["migrate"])

    assert (result.exit_code, "ADMIN_DATABASE_URL" in result.output) == (1, True)
