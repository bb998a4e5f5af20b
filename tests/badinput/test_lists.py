"""Lists nobody should send, through the real endpoints of imports and their worker: every row accounted for, no formula let out."""

import csv
import io
import json
import re
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import normalise
from clientway.ids import uuid7
from clientway.integrations.imports import worker
from tests import routes
from tests.data import shared_data

RUNS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    '=HYPERLINK("http://x")',
    "＝1+1",
    "\n=1",
    "'=1",
    "-",
    "+",
    "=",
    "@",
]
FILES = {
    "nothing": b"", "blanks": b"\n\n \n", "a mark alone": b"\xef\xbb\xbf", "one word": b"name", "a header alone": b"name,phone\n", "NUL": b"name,phone\nBlue\x00Bistro,1\n\x00,\x00\n",
    "an open quote": b'name,phone\n"Blue Bistro,1\nRed Bistro,2\n', "quotes inside": b'name,phone\nBlue "The" Bistro,1\n"a"b,2\n', "too many cells": b"name\na,b,c\nd\n",
    "too few cells": b"name,phone,email\na\nb,1\n", "lone returns": b"name,phone\rBlue,1\rRed,2\r", "mixed line ends": b"name\nA\r\nB\rC\n",
    "UTF-16": "name,phone\nBlüe,1\n".encode("utf-16"), "half of UTF-16": b"\xff\xfen", "Latin-1": "name\nCafé Ñ\n".encode("latin-1"), "bytes that are nothing": bytes(range(256)) * 4,
    "half of a character": b"name\nCaf\xc3", "a very long cell": b"name\n" + b"x" * 200_000 + b"\nBlue\n", "many columns": b",".join(b"c%d" % n for n in range(2000)) + b"\n" + b"," * 1999 + b"\n",
    "the same column twice": b"name,name,name\na,b,c\n", "a column without a name": b"name,,\na,b,c\n", "semicolons": b"name;phone\nBlue;1\n", "one delimiter": b",\n,\n", "quotes alone": b'""\n"\n',
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(200), "a zip": b"PK\x03\x04" + bytes(100), "JSON": b'[{"name": "Blue"}]', "HTML": b"<html><table><tr><td>a,b</td></tr></table></html>",
    "a huge number": b"name,latitude,zip,mrr\nBlue," + b"9" * 400 + b",1e999,NaN\n", "names of objects": b"__proto__,constructor,name\n1,2,Blue\n",
    "controls": "name,city\nBl\x1bue,\x07\nA\u202eB,\u2028\n\ufffe,\U000e0001\n".encode(), "names beyond": ("name,city,email,phone,website\n" + "x" * 5000 + ",y,a@b,1,http://\n").encode(),
}  # fmt: skip


def file_of(admin_engine, tenant, content):
    """An import whose file lies in the database, as inline rows' does."""
    one = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "insert into imports (tenant_id, id, status, source, filename, inline_content) values (:t, :i, 'previewing', 'list', 'f.csv', :c)"
            ),
            {"t": tenant.id, "i": one, "c": content},
        )
    return one


def ask(tenant, method, path, body=None):
    return routes.send(method, f"/api/imports{path}", body, token=tenant.admin)


def through(tenant, one):
    """Preview, commit, and read everything there is to read of an import; returns its end."""
    worker.work(tenant.id, UUID(str(one)), "preview")
    state = ask(tenant, "GET", f"/{one}").json
    preview = ask(tenant, "GET", f"/{one}/preview")
    if state["status"] == "failed":
        assert state["error"]
        assert preview.status == 409
        return state, []
    assert state["status"] == "previewed"
    committing = ask(tenant, "POST", f"/{one}/commit")
    assert committing.status == 202, committing
    worker.work(tenant.id, UUID(str(one)), "commit")
    state = ask(tenant, "GET", f"/{one}").json
    counts = state["counts"]
    assert state["status"] == "completed"
    assert counts["total"] == counts["done"] == counts["created"] + counts["updated"] + counts["skipped"] + counts["failed"]
    assert {name: preview.json[name] for name in ("created", "updated", "skipped", "failed")} == {
        name: counts[name] for name in ("created", "updated", "skipped", "failed")
    }
    rows, cursor = [], ""
    while True:
        answer = ask(tenant, "GET", f"/{one}/rows?limit=100{cursor}").json
        rows += answer["data"]
        if not answer["has_more"]:
            break
        cursor = f"&cursor={answer['next_cursor']}"
    assert [row["row_number"] for row in sorted(rows, key=lambda row: row["row_number"])] == list(range(1, counts["total"] + 1))
    file = ask(tenant, "GET", f"/{one}/errors.csv")
    table = list(csv.reader(io.StringIO(file.content.decode(), newline="")))
    assert len(table) == counts["failed"] + 1
    assert not [cell for row in table[1:] for cell in row[1:] if runs(cell)]
    assert not [cell for cell in table[0] if runs(cell)]
    return state, rows


def runs(cell):
    """Whether a spreadsheet would take a cell for a formula: a number and a phone are none."""
    return cell.lstrip(" \n").startswith(RUNS) and not re.fullmatch(r"[+-]?[0-9.]+", cell)


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_none(name, tenant, admin_engine):
    one = file_of(admin_engine, tenant, FILES[name])
    state, rows = through(tenant, one)

    assert state["status"] in {"completed", "failed"}
    listing = routes.send("GET", "/api/organizations?limit=100", token=tenant.admin)
    assert len(listing.json["data"]) == sum(row["outcome"] == "created" for row in rows)


@pytest.mark.parametrize(
    "name", ["comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "newlines", "quotes_and_newlines", "simple", "simple_crlf"]
)
def test_the_spectrum_goes_through_whole(name, tenant, admin_engine):
    truth = json.loads(shared_data(f"torture/csv_spectrum/{name}.json").read_text())
    state, rows = through(tenant, file_of(admin_engine, tenant, shared_data(f"torture/csv_spectrum/{name}.csv").read_bytes()))
    # Where the titles are numbers or all the same the first row is held for data; a blank line is no row.
    lines = [list(row.values()) for row in truth if any(row.values())]

    assert state["counts"]["total"] in {len(lines), len(lines) + 1}
    found = [
        [cell.replace("\r\n", "\n") for cell in row["cells"]] for row in sorted(rows, key=lambda row: row["row_number"]) if row["cells"]
    ]
    assert all(line in found for line in lines if found)


def test_formulas_never_leave(tenant, admin_engine):
    cells = [*shared_data("torture/csv_injection_cells.txt").read_text().splitlines(), *FORMULAS]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["name", "notes", "=1+1", "@x", "city"])
    for cell in cells:
        writer.writerow(["", cell, cell, cell, cell])
        writer.writerow([cell, "", "", "", "Austin"])
    state, _ = through(tenant, file_of(admin_engine, tenant, out.getvalue().encode()))
    file = ask(tenant, "GET", f"/{state['id']}/errors.csv")

    assert state["counts"]["failed"] >= len(cells)
    assert file.headers["content-type"].startswith("text/csv")
    assert "attachment" in file.headers["content-disposition"]
    # What is kept is what was written: defusing is for the way out alone.
    names = {one["legal_name"] for one in routes.send("GET", "/api/organizations?limit=100", token=tenant.admin).json["data"]}
    assert "=cmd|' /C notepad'!'A1'" in names
    table = list(csv.reader(io.StringIO(file.content.decode(), newline="")))
    for cell in cells:
        assert any(cell in given for row in table[1:] for given in row), cell


def test_cells_of_naughty_strings_are_kept(tenant, admin_engine):
    strings = [one for one in json.loads(shared_data("torture/blns_a.json").read_text()) if one.strip()]
    rows = [
        {"name": f"Place {number}", "notes": one, "city": "Austin", "address": f"{number} Elm St"} for number, one in enumerate(strings)
    ]
    started = ask(tenant, "POST", "", {"source": "list", "rows": rows, "mapping": {"notes": "organization.notes"}})
    assert started.status == 201, started
    state, _ = through(tenant, started.json["id"])
    assert (state["counts"]["created"], state["counts"]["total"]) == (len(strings), len(strings))

    with admin_engine.connect() as connection:
        kept = {
            row[0]: row[1]
            for row in connection.execute(text("select legal_name, notes from organizations where tenant_id = :t"), {"t": tenant.id})
        }
    # Trimmed, in NFC, without controls; a cell that only says that there is nothing, as "--" does, is nothing.
    expected = {f"Place {number}": None if normalise.sentinel(one) else normalise.text(one) for number, one in enumerate(strings)}
    assert kept == expected
    assert sum(expected[f"Place {number}"] == one for number, one in enumerate(strings)) > 0.9 * len(strings)


@pytest.mark.parametrize(
    "rows",
    [[{}], [{"": ""}], [{"name": None}], [{"name": 1e308, "a": True}], [{"name": -0.0}], [{"name": 10**30}], [{"name": "x"}, {"other": "y"}], [{"\u0000": "x"}], [{"name": "a\u0000b"}],
     [{"name": "x" * 100_000}], [{f"c{n}": "x" for n in range(600)}], [{"name": "\n"}], [{"name": "x", "name ": "y", "NAME": "z"}], [{"name": "Blue", "2026": "5", "ana@bistro.example": "x"}, {"name": "Red"}], [{"name": 'a,b"c\nd'}]],
)  # fmt: skip
def test_inline_rows_hold_out(tenant, rows):
    answer = ask(tenant, "POST", "", {"source": "list", "rows": rows})
    if answer.status != 201:
        assert routes.refused_in_form(answer), answer
        assert answer.json["errors"][0]["pointer"].startswith("#/rows")
        return
    state, found = through(tenant, answer.json["id"])
    # As in a file, what is blank throughout is no row.
    written = [row for row in rows if any(cell is not None and str(cell).strip() for cell in row.values())]
    assert state["status"] == "failed" or len(found) == len(written)
    assert {one["name"] for one in state["columns"] or ()} >= {
        " ".join(name.split()) for row in written for name in row if name.strip("\x00 ")
    }
