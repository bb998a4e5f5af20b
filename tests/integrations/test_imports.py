"""Imports through handlers and worker, on real PostgreSQL and real lists."""

import csv
import io
import json
from collections import Counter

import pytest
from sqlalchemy import text

from clientway.integrations.imports import queries, worker
from clientway.integrations.imports.schemas import Import, ImportPreview, ImportRow
from clientway.schemas import Page
from tests.data import shared_data
from tests.fixtures import EVENTS
from tests.integrations.importing import ROWS, ask, committed, import_file, live, of, run, start


def test_rows_become_organizations_and_every_row_is_accounted_for(invoke, tenant, admin_engine):
    one = start(invoke, tenant)
    preview = ImportPreview.model_validate_json(invoke("integrations/import_preview", method="GET", path={"import_id": one}).body)
    assert (preview.total, preview.created, preview.updated, preview.skipped, preview.failed) == (5, 2, 1, 1, 1)
    assert live(admin_engine, tenant) == 0

    counts = committed(invoke, tenant, one)

    assert counts == {"total": 5, "done": 5, "created": 2, "updated": 1, "skipped": 1, "failed": 1, "undone": 0}
    rows = Page[ImportRow].model_validate_json(invoke("integrations/import_rows", path={"import_id": one}).body).data
    assert [row.outcome for row in rows] == ["created", "updated", "skipped", "failed", "created"]
    assert rows[2].reason == "the same as row 1"
    [found] = invoke("lifecycle/organizations", query={"q": "472-1234"}).json["data"]
    assert "industry" not in found["missing_fields"], "a default is known"
    assert (found["legal_name"], found["lifecycle_stage"], found["primary_location"]["website_url"]) == (
        "Blue Bistro",
        "prospect",
        "https://bistro.example",
    )


def test_the_error_file_holds_the_failed_rows_defused(invoke, tenant):
    rows = [{"name": "", "notes": "=1+1", "extra": "+15125550100"}, {"name": "", "notes": "@SUM(A1)", "extra": "-"}]
    one = start(invoke, tenant, rows)
    committed(invoke, tenant, one)

    answer = invoke("integrations/import_errors", path={"import_id": one})

    table = list(csv.reader(io.StringIO(answer.body)))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert [row[3:] for row in table[1:]] == [["'=1+1", "+15125550100"], ["'@SUM(A1)", "'-"]]


def test_the_same_list_again_changes_nothing(invoke, tenant, admin_engine):
    committed(invoke, tenant, start(invoke, tenant))
    with admin_engine.connect() as connection:
        before = connection.execute(
            text("select id, version, updated_at from organizations where tenant_id = :t order by id"), {"t": tenant.id}
        ).all()

    counts = committed(invoke, tenant, start(invoke, tenant))

    assert (counts["created"], counts["updated"], counts["skipped"], counts["failed"]) == (0, 0, 4, 1)
    with admin_engine.connect() as connection:
        assert (
            connection.execute(
                text("select id, version, updated_at from organizations where tenant_id = :t order by id"), {"t": tenant.id}
            ).all()
            == before
        )


def test_a_mapping_names_columns_as_the_file_has_them(invoke, tenant, admin_engine):
    titles = {"  Biz\x00 Name ": "organization.legal_name", "Wo  ": None}
    uploaded = invoke("integrations/imports", method="POST", body={"source": "list"}).json
    headers, path = {"If-Match": f'"{uploaded["version"]}"'}, {"import_id": uploaded["id"]}
    patched = invoke("integrations/import_one", method="PATCH", path=path, body={"mapping": titles}, headers=headers)
    assert (patched.status, patched.json["mapping"]) == (200, {"Biz Name": "organization.legal_name", "Wo": None})
    saved = invoke("integrations/import_mappings", method="POST", body={"name": "m", "mapping": titles})
    assert (saved.status, saved.json["mapping"]) == (201, patched.json["mapping"])
    nowhere = {"mapping": {"Wo": "\x00"}}
    assert (
        invoke("integrations/import_mappings", method="POST", body={"name": "n", **nowhere}).json["errors"][0]["code"] == "unknown_target"
    )

    one = import_file(admin_engine, tenant, b"  Biz\x00 Name ,Wo  \nBlue Bistro,Aus\x00tin\n")
    run(tenant, one, "preview")
    found = invoke("integrations/import_one", path={"import_id": one}).json
    assert (found["status"], [column["name"] for column in found["columns"]]) == ("previewed", ["Biz Name", "Wo"])
    headers, path = {"If-Match": f'"{found["version"]}"'}, {"import_id": one}
    patched = invoke("integrations/import_one", method="PATCH", path=path, body={"mapping": titles}, headers=headers)
    assert patched.status == 200, patched.body


def test_a_killed_worker_loses_and_doubles_nothing(invoke, tenant, admin_engine, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 2)
    rows = [{"business_id": str(n), "name": f"Place {n}", "address": f"{n} Elm Street", "city": "Austin"} for n in range(9)]
    one = start(invoke, tenant, [*rows, rows[0]])
    ask(invoke, one, "commit")
    for step in ("write_rows", "lock"):
        calls = Counter()
        real = getattr(queries, step)

        def dies(*args, real=real, calls=calls, **more):
            calls["n"] += 1
            if calls["n"] == 3:
                raise KeyboardInterrupt
            return real(*args, **more)

        monkeypatch.setattr(queries, step, dies)
        with pytest.raises(KeyboardInterrupt):
            run(tenant, one, "commit")
        monkeypatch.setattr(queries, step, real)
    run(tenant, one, "commit")

    counts = of(invoke, one)["counts"]
    assert (counts["created"], counts["skipped"], counts["total"], live(admin_engine, tenant)) == (9, 1, 10, 9)


def test_a_cancelled_import_stops(invoke, tenant, admin_engine):
    one = start(invoke, tenant)
    ask(invoke, one, "commit")
    assert ask(invoke, one, "cancel").json["status"] == "cancelled"

    run(tenant, one, "commit")

    assert live(admin_engine, tenant) == 0
    refused = ask(invoke, one, "commit")
    assert (refused.status, refused.json["legal"]) == (409, ["undo"])


def test_a_mapping_is_corrected_before_the_commit(invoke, tenant):
    one = start(invoke, tenant, [{"name": "Blue Bistro", "nick": "The Blue"}])
    now = invoke("integrations/import_one", path={"import_id": one})

    def patch(mapping):
        return invoke(
            "integrations/import_one", method="PATCH", path={"import_id": one}, body={"mapping": mapping}, headers={"If-Match": now.etag}
        )

    assert patch({"nick": "organization.shoe_size"}).json["errors"][0]["code"] == "unknown_target"
    assert patch({"colour": None}).json["errors"][0]["code"] == "unknown_column"
    assert patch({"nick": "organization.dba_name"}).status == 200
    run(tenant, one, "preview")
    committed(invoke, tenant, one)

    assert invoke("lifecycle/organizations").json["data"][0]["dba_name"] == "The Blue"


def test_a_phone_of_many_matches_nobody(invoke, tenant):
    rows = [{"name": f"Stand {n % 4}", "address": f"{n} Ballpark Way", "city": "Austin", "phone": "512-472-1234"} for n in range(8)]
    counts = committed(invoke, tenant, start(invoke, tenant, rows))

    # Four names: once three hold the number, it says nothing of who calls, not even for the same name elsewhere.
    assert (counts["created"], counts["updated"]) == (8, 0)


def test_another_tenants_import_is_404(invoke, tenant, other_tenant):
    one = start(invoke, tenant)
    for function, method in (
        ("import_one", "GET"),
        ("import_preview", "GET"),
        ("import_rows", "GET"),
        ("import_errors", "GET"),
        ("import_commit", "POST"),
        ("import_undo", "POST"),
    ):
        answer = invoke(f"integrations/{function}", method=method, path={"import_id": one}, token=other_tenant.admin)
        assert answer.status == 404, function


def test_mappings_are_saved_and_used(invoke, tenant):
    saved = invoke("integrations/import_mappings", method="POST", body={"name": "ours", "mapping": {"nick": "organization.dba_name"}})
    assert saved.status == 201
    one = start(invoke, tenant, [{"name": "Blue Bistro", "nick": "The Blue"}], mapping_id=saved.json["id"])

    assert Import.model_validate(of(invoke, one), strict=False).mapping == {
        "name": "organization.legal_name",
        "nick": "organization.dba_name",
    }
    assert invoke("integrations/import_mapping", method="DELETE", path={"import_mapping_id": saved.json["id"]}).status == 204
    assert invoke("integrations/import_mappings", method="GET").json["data"] == []


def test_an_upload_is_offered(invoke, tenant):
    answer = invoke("integrations/imports", method="POST", body={"source": "list", "filename": "list.csv"})

    assert (answer.status, answer.json["status"], answer.json["upload"]["method"]) == (201, "awaiting_upload", "PUT")
    assert str(tenant.id) in answer.json["upload"]["url"]


def test_the_queue_reports_the_one_that_failed(tenant, invoke):
    from integrations import run_import
    from tests.fixtures import LambdaContext

    one = invoke("integrations/imports", method="POST", body={"source": "list", "rows": ROWS}).json["id"]
    event = json.loads((EVENTS / "integrations/run_import.json").read_text())
    record = event["Records"][0]
    good = {**record, "messageId": "good", "body": json.dumps({"tenant_id": str(tenant.id), "import_id": one, "action": "preview"})}
    bad = {**record, "messageId": "bad", "body": json.dumps({"tenant_id": str(tenant.id), "import_id": one, "action": "dance"})}

    answer = run_import.handler({"Records": [good, bad]}, LambdaContext())

    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert of(invoke, one)["status"] == "previewed"


@pytest.mark.parametrize(
    "name", ["comma_in_quotes", "empty", "empty_crlf", "escaped_quotes", "newlines", "quotes_and_newlines", "simple", "simple_crlf"]
)
def test_csv_is_read_as_its_truth_says(name):
    from clientway.integrations.imports.reading import open_table

    with shared_data(f"torture/csv_spectrum/{name}.csv").open("rb") as stream:
        table = open_table(stream)
        found = [dict(zip(table.columns, row.cells, strict=True)) for row in table.rows()]

    def plain(rows):
        return [[cell.replace("\r\n", "\n") for cell in row.values()] for row in rows]

    truth = json.loads(shared_data(f"torture/csv_spectrum/{name}.json").read_text())
    # Where the titles are numbers the first row is held for data: the values are there all the same.
    assert plain(found) == plain(truth) or plain(found)[1:] == plain(truth)


@pytest.mark.parametrize(
    ("name", "rows"), [("sf_lives_businesses", 6359), ("hifld_hospitals_a", 4744), ("louisville_lives_businesses_a", 587)]
)
def test_a_real_list_goes_in_and_comes_out_again(invoke, tenant, admin_engine, name, rows):
    content = shared_data(f"listings/{name}.csv").read_bytes()
    one = import_file(admin_engine, tenant, content, source=name)
    run(tenant, one, "preview")
    preview = invoke("integrations/import_preview", method="GET", path={"import_id": one}).json

    counts = committed(invoke, tenant, one)

    assert counts["total"] == counts["done"] == counts["created"] + counts["updated"] + counts["skipped"] + counts["failed"] == rows
    assert {key: preview[key] for key in ("created", "updated", "skipped", "failed")} == {
        key: counts[key] for key in ("created", "updated", "skipped", "failed")
    }
    assert live(admin_engine, tenant) == counts["created"]
    ask(invoke, one, "undo")
    run(tenant, one, "undo")
    assert live(admin_engine, tenant) == live(admin_engine, tenant, "locations") == 0
