"""`clientway import` as its user meets it: the real command against a running stack."""

import csv
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from clientway.local import commands_import
from clientway.local.cli import app
from clientway.local.client import Client
from tests.data import shared_data
from tests.served import Served, eventually, served

COMMAND = [sys.executable, "-c", "from clientway.local.cli import app; app()"]

AWKWARD = """Business ID;Name;Address;City;State;ZIP;Phone;Owner Mail
1;Café Rouge;1 Main Street;Austin;TX;78701;(512) 472-1111;ana@rouge.example
2;Blue [Bistro]; 2 Main Street ;Austin;TX;78701;NOT AVAILABLE;
1;Café Rouge;1 Main Street;Austin;TX;78701;(512) 472-1111;ana@rouge.example
3;;nowhere;;;;;
4;Too Long;4 Main Street;Austin;TX;78701;;;one cell more
5;cafe rouge, inc.;1 Main St.;Austin;TX;78701;;
"""


class Server:
    """A running `clientway dev`."""

    def __init__(self, stack: Served) -> None:
        self.stack, self.url, self.key = stack, stack.url, stack.key
        self.api = Client(stack.url, stack.key)

    def status(self, import_id: str) -> str:
        return self.api.get(f"/api/imports/{import_id}").json["status"]

    def newest(self) -> dict:
        return next(iter(self.api.get("/api/imports?limit=1").json["data"]), {"id": None, "status": None})

    def names(self, query: str) -> list[str]:
        return [one["legal_name"] for one in self.api.get(f"/api/organizations?q={query}").json["data"]]


@pytest.fixture(scope="module")
def server():
    with served(CLIENTWAY_WORKERS="3", CLIENTWAY_SCHEDULE_SECONDS="RelayOutbox=0.1") as stack:
        yield Server(stack)


@pytest.fixture
def run(server, tmp_path, monkeypatch):
    """Run `clientway import …` in a folder of its own, on a terminal 100 columns wide."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"CLIENTWAY_URL": server.url, "CLIENTWAY_API_KEY": server.key, "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments, **more: CliRunner().invoke(app, ["import", *map(str, arguments)], **more)


@pytest.fixture
def awkward(tmp_path):
    """A list in Windows-1252 with a repeat, a nameless row, one too long, and one spelled otherwise."""
    file = tmp_path / f"list-{uuid4().hex[:6]}.csv"
    file.write_bytes(AWKWARD.encode("cp1252"))
    return file


def counts(summary):
    return {name: summary[name] for name in ("rows", "created", "updated", "skipped", "failed")}


def test_a_preview_shows_everything_and_writes_nothing(run, awkward, server):
    result = run(awkward, "--preview", "--rows", "4")

    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert f"{awkward.name} 6 rows" in shown
    assert re.search(r"created 2 .*skipped 2 the same as an earlier row 1 3.*failed 2 no name", shown)
    assert "Name Café Rouge organization.legal_name titled “Name”" in shown
    assert "Left out: Owner Mail" in shown
    assert "The first 4 of 6 rows" in shown
    assert "Blue [Bistro]" in shown
    assert "Too Long" not in shown
    assert shown.endswith("Nothing was written.")
    assert server.newest()["status"] == "cancelled"
    assert server.names("rouge") == []


def test_a_list_goes_in_with_its_error_file_and_comes_out_again(run, awkward, server):
    result = run(awkward, "--json", "--yes", "--map", "Owner Mail=contact.email", "--source", "chamber")

    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert counts(summary) == {"rows": 6, "created": 2, "updated": 0, "skipped": 2, "failed": 2}
    assert (summary["status"], summary["source"]) == ("completed", "chamber")
    assert {"upload", "preview", "commit"} == set(summary["seconds"])
    assert "Imported" in result.stderr
    assert {"name": "Owner Mail", "target": "contact.email", "confidence": 1.0, "reason": "chosen"} in summary["columns"]
    errors = awkward.with_suffix(".errors.csv")
    assert summary["errors_file"] == str(errors)
    table = list(csv.DictReader(errors.read_text(encoding="utf-8").splitlines()))
    assert [(row["row_number"], row["Business ID"]) for row in table] == [("4", "3"), ("5", "4")]
    assert server.names("rouge") == ["Café Rouge"]

    undone = run("--undo", summary["import_id"])

    assert undone.exit_code == 0, undone.output
    assert "2 rows taken back" in undone.output
    assert server.names("rouge") == []
    again = run("--undo", summary["import_id"])
    assert (again.exit_code, again.stderr.splitlines()[0]) == (1, "Refused: This cannot be done (undo) while the import is undone.")


def test_it_asks_and_without_an_answer_writes_nothing(run, awkward, server):
    asked = run(awkward, input="n\n")
    assert "Write 2 new and 0 changed rows? [y/N]" in asked.output
    unanswered = run(awkward, input="")

    assert (asked.exit_code, unanswered.exit_code) == (0, 0)
    assert "--yes commits without asking" in unanswered.output
    assert server.names("rouge") == []
    assert not awkward.with_suffix(".errors.csv").exists()


def test_agreed_it_is_written_and_the_way_back_is_named(run, awkward, server):
    result = run(awkward, "--rows", "0", input="y\n")

    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert "created 2 · updated 0 · skipped 2 · failed 2 = 6 rows in" in shown
    way_back = re.search(r"To take it back: clientway import --url (\S+) --undo (\S+)", shown)
    assert way_back
    assert way_back[1] == server.url
    assert run("--undo", way_back[2], "--json").exit_code == 0


def test_a_saved_mapping_is_used_and_overruled(run, server, tmp_path):
    server.api.post("/api/import-mappings", {"name": "chamber", "mapping": {"A": "organization.legal_name", "B": "organization.dba_name"}})
    (tmp_path / "odd.csv").write_text("A,B,C\nNorth Mapped,x,South Mapped\n")

    result = run("odd.csv", "--preview", "--json", "--mapping", "chamber", "--map", "C=organization.legal_name")

    found = {column["name"]: column["target"] for column in json.loads(result.stdout)["columns"]}
    assert found == {"A": None, "B": "organization.dba_name", "C": "organization.legal_name"}
    unknown = run("odd.csv", "--mapping", "nope")
    assert (unknown.exit_code, unknown.stderr) == (1, "There is no saved mapping “nope”; there are chamber.\n")


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        (["Name=organization.legal"], "mapping/Name: organization.legal is no target; perhaps organization.legal_name"),
        (
            ["Nix=location.zip"],
            "The file cannot be imported: The mapping does not fit the table; mapping/Nix: the columns are Business ID, Name",
        ),
    ],
)
def test_a_wrong_mapping_is_refused_by_the_server_in_words(run, awkward, maps, said):
    result = run(awkward, "--yes", *(part for one in maps for part in ("--map", one)))

    assert (result.exit_code, said in result.stderr) == (1, True), result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name one thing: a FILE to import, or an import to --follow, --cancel or --undo."),
        (["full.csv", "--undo", str(uuid4())], "Name one thing"),
        (["absent.csv"], "There is no file absent.csv."),
        (["empty.csv"], "empty.csv is empty."),
        (["folder"], "folder is a folder, not a CSV file."),
        (["large.csv"], "large.csv has 52.4 MB; an import takes up to 52.4 MB. Split it."),
        (["book.csv"], "book.csv is an Excel workbook or another archive; save the sheet as CSV."),
        (["full.csv", "--errors", "full.csv"], "The failed rows cannot go to full.csv."),
        (["full.csv", "--errors", "nowhere/errors.csv"], "The failed rows cannot go to nowhere/errors.csv."),
        (["full.csv", "--map", "Name"], "--map takes COLUMN=FIELD, not “Name”."),
        (["full.csv", "--map", "a=b", "--map", "a="], "--map names the column “a” twice."),
        (["full.csv", "--url", "127.0.0.1:3000"], "“127.0.0.1:3000” is not a server's address"),
        (["full.csv", "--key", "two words"], "The API key has characters that no key has."),
    ],
)
def test_what_cannot_be_meant_ends_with_one_line(run, tmp_path, arguments, said):
    (tmp_path / "folder").mkdir()
    for name, content in {"empty.csv": b"", "full.csv": b"name\nx\n", "book.csv": b"PK\x03\x04..."}.items():
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "large.csv").open("wb") as large:
        large.truncate(50 * 1024 * 1024 + 1)

    result = run(*arguments)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(said)


def test_refusals_end_with_one_line(run, awkward, server, monkeypatch):
    wrong_key = run(awkward, "--key", "cw_key_wrong")
    assert (wrong_key.exit_code, wrong_key.stderr) == (1, "The API key was refused: No valid credential was sent.\n")
    nobody = run(awkward, "--url", "http://127.0.0.1:9")
    assert (nobody.exit_code, nobody.stderr) == (1, "No server answers at http://127.0.0.1:9: connection refused.\n")
    unknown = run("--cancel", uuid4())
    assert (unknown.exit_code, unknown.stderr) == (1, "Refused: There is no such import.\n")
    monkeypatch.delenv("CLIENTWAY_API_KEY")
    keyless = run(awkward)
    assert (keyless.exit_code, keyless.stderr.startswith("There is no API key: give --key")) == (2, True)
    key_file = Path(".clientway") / "demo-api-key"
    key_file.parent.mkdir()
    key_file.write_text(f"{server.key}\n")
    assert key_file == commands_import.DEMO_KEY
    assert "There is no such import" in run("--undo", uuid4()).stderr


def test_interrupted_it_leaves_nothing_half_made_or_says_how_to_go_on(run, server, tmp_path):
    rows = "".join(f"Interrupted {n},{n} Long Street,Austin,TX,787{n % 90 + 10}\n" for n in range(1800))
    (tmp_path / "many.csv").write_text("name,address,city,state,zip\n" + rows)

    def interrupted_while(*statuses, asked):
        before = server.newest()["id"]
        process = subprocess.Popen(
            [*COMMAND, "import", "many.csv", "--yes"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        newest = eventually(lambda: (one := server.newest())["id"] != before and one["status"] in statuses and one["id"], seconds=120)
        # The command learns of what it asked for with the answer.
        eventually(lambda: f"POST /api/imports/{newest}/{asked} 202" in server.stack.output())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        return newest, process.wait(60), process.communicate()[1]

    first, code, said = interrupted_while("previewing", asked="preview")
    assert (code, said) == (130, "Interrupted; nothing was written.\n")
    assert server.status(first) == "cancelled"

    second, code, said = interrupted_while("queued", "running", asked="commit")
    assert (code, said.splitlines()[0]) == (130, "No longer watching; the import goes on.")
    for option in ("--follow", "--cancel", "--undo"):
        assert f"clientway import --url {server.url} {option} {second}" in said
    followed = run("--follow", second, "--json")
    assert counts(json.loads(followed.stdout))["created"] == 1800
    assert "1,800 rows taken back" in run("--undo", second).output


def test_a_real_list_without_a_header_goes_in_and_comes_out(run, server):
    file = shared_data("listings/louisville_lives_businesses_a.csv")

    preview = run(file, "--preview")
    result = run(file, "--yes", "--json", "--errors", "failed.csv")

    assert "The file has no header: its columns are numbered." in preview.output
    summary = json.loads(result.stdout)
    assert summary["rows"] == summary["created"] + summary["updated"] + summary["skipped"] + summary["failed"] == 587
    assert Path("failed.csv").read_text().count("\n") == summary["failed"] + 1
    undone = json.loads(run("--undo", summary["import_id"], "--json").stdout)
    assert undone["undone"] == summary["created"] + summary["updated"]
