"""`clientway migrate-legacy` through the real command line."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from clientway.config import settings
from clientway.integrations.legacy import service
from clientway.local import commands_admin
from clientway.local.cli import app
from tests.integrations.legacy import CLIENT, LEAD, PERSON, build


@pytest.fixture
def old(tmp_path):
    return tmp_path / "legacy.sqlite"


@pytest.fixture
def run(admin_url, database_url, tenant, old, monkeypatch):
    """Run the command against this worker's database."""
    monkeypatch.setenv("ADMIN_DATABASE_URL", admin_url)

    def call(*arguments, file=old, slug=tenant.slug):
        return CliRunner().invoke(app, ["migrate-legacy", str(file), "--tenant", slug, *arguments])

    yield call
    settings.cache_clear()


def table(output):
    """The numbers of the tables that were printed, by their first cell."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in output.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_it_prints_what_went_in_and_what_the_tenant_has(run, old):
    build(old, clients=[CLIENT], restaurant_leads=[LEAD, {"id": "l2", "address": "nobody's"}], hubspot_contacts=[PERSON])

    done = run()

    assert done.exit_code == 0, done.output
    shown = table(done.output)
    assert shown["clients"] == ["1", "1", "0", "0", "0"]
    assert shown["restaurant_leads"] == ["2", "0", "1", "0", "1"]
    assert (shown["organizations"], shown["client accounts"]) == (["0", "1", "+1"], ["0", "1", "+1"])
    assert "1 failed: no name" in done.output
    again = table(run().output)
    assert again["clients"] == ["1", "0", "0", "1", "0"]
    assert again["organizations"] == ["1", "1", "+0"]


def test_a_dry_run_prints_the_same_and_keeps_nothing(run, old, admin_engine, tenant):
    build(old, clients=[CLIENT], restaurant_leads=[LEAD])

    dry = run("--dry-run")

    assert "dry run: nothing was kept" in dry.output
    with admin_engine.connect() as connection:
        assert connection.execute(text("select count(*) from organizations where tenant_id = :t"), {"t": tenant.id}).scalar() == 0
    assert table(run().output) == table(dry.output)


def test_failed_rows_are_kept_beside_the_file_defused(run, old, tmp_path):
    build(old, restaurant_leads=[{"id": "=1+1", "address": "@SUM(A1)", "notes": "a\nb", "phone": "+1 512 472 1234"}, LEAD])

    done = run()

    kept = tmp_path / "legacy-failed.csv"
    assert str(kept) in done.output.replace("\n", "")
    with kept.open(newline="") as stream:
        [row] = csv.DictReader(stream)
    assert (row["legacy_table"], row["legacy_id"], row["address"], row["notes"], row["phone"]) == (
        "restaurant_leads", "'=1+1", "'@SUM(A1)", "a\nb", "+1 512 472 1234",
    )  # fmt: skip
    assert row["reason"].startswith("no name")
    build(old, restaurant_leads=[LEAD])
    run()
    assert kept.read_text().strip() == "legacy_table,legacy_id,reason"


def test_where_failed_rows_cannot_be_kept_it_says_so(run, old, tmp_path):
    build(old, restaurant_leads=[{"id": "1"}])

    done = run("--failed", str(tmp_path / "nowhere" / "failed.csv"))

    assert (done.exit_code, "cannot be written" in done.output) == (1, True)


def corrupted(path: Path) -> Path:
    """A database whose later pages are nonsense."""
    build(path, restaurant_leads=[{**LEAD, "id": str(n), "notes": "x" * 900} for n in range(200)])
    content = bytearray(path.read_bytes())
    content[-60_000:-20_000] = b"\xff" * 40_000
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be opened"),
        (b"", "is no SQLite database"),
        (b"PK\x03\x04 something else", "is no SQLite database"),
        (b"PRAGMA defer_foreign_keys=TRUE;\nCREATE TABLE clients (id)", "is an SQL dump"),
        (b"SQLite format 3\x00" + b"\xff" * 5000, "cannot be read as a SQLite database"),
        ("others", "has none of the tables clients, restaurant_leads"),
        ("corrupted", "cannot be read"),
    ],
)
def test_a_file_that_is_none_ends_with_one_line(run, old, content, said):
    if content == "others":
        build(old, "create table something_else (id)")
    elif content == "corrupted":
        corrupted(old)
    elif content is not None:
        old.write_bytes(content)

    done = run()

    assert (done.exit_code, said in done.output) == (1, True), done.output
    assert len(done.output.strip().splitlines()) == 1
    assert "Traceback" not in done.output


def test_an_unknown_tenant_ends_with_one_line(run, old):
    build(old, clients=[CLIENT])

    done = run(slug="no-such-tenant")

    assert (done.exit_code, done.output.strip()) == (1, "There is no tenant 'no-such-tenant'.")


def test_a_missing_key_is_named(run, old, monkeypatch):
    build(old, clients=[CLIENT])
    monkeypatch.delenv("CLIENTWAY_IDENTITY_KEY")

    done = run()

    assert (done.exit_code, done.output.strip()) == (1, "CLIENTWAY_IDENTITY_KEY is not set")


def test_an_interruption_says_how_to_go_on(run, old, monkeypatch):
    build(old, clients=[CLIENT])

    def interrupt(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(service, "migrate", interrupt)

    done = run()

    assert (done.exit_code, "run again to go on" in done.output) == (130, True)


def test_without_any_database_the_command_says_what_to_do(old, monkeypatch, tmp_path):
    monkeypatch.delenv("ADMIN_DATABASE_URL", raising=False)
    monkeypatch.setattr(commands_admin, "STATE", tmp_path / ".clientway")
    build(old, clients=[CLIENT])

    done = CliRunner().invoke(app, ["migrate-legacy", str(old), "--tenant", "t"])

    assert (done.exit_code, "ADMIN_DATABASE_URL" in done.output) == (1, True)


def test_as_a_process_of_its_own_with_nothing_but_the_administrators_url(old, admin_url, database_url, tenant):
    build(old, clients=[CLIENT], restaurant_leads=[LEAD])
    keys = {name: os.environ[name] for name in ("CLIENTWAY_SIGNING_KEY", "CLIENTWAY_IDENTITY_KEY")}
    program = "import sys; from clientway.local.cli import app; sys.argv = ['clientway', *sys.argv[1:]]; app()"

    done = subprocess.run(
        [sys.executable, "-c", program, "migrate-legacy", str(old), "--tenant", tenant.slug],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "ADMIN_DATABASE_URL": admin_url, **keys},
        capture_output=True,
        text=True,
        check=True,
    )

    assert table(done.stdout)["organizations"] == ["0", "1", "+1"]
    assert not re.search(r"\x1b\[", done.stdout)
