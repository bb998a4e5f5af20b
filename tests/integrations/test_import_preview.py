"""What an import says before its commit: reasons by kind, columns, and why it cannot be read."""

from urllib.parse import urlsplit
from uuid import UUID

import pytest

from clientway.config import settings
from clientway.integrations.imports import storage, worker
from clientway.integrations.imports.reasons import Tally, kinds
from clientway.integrations.imports.schemas import ImportPreview


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("new", ["new"]),
        ("the same as row 7", ["the same as an earlier row"]),
        ("same id 19; x in this source; nothing new", ["same id in this source; nothing new"]),
        ("same e-mail a@b.example; a new location", ["same e-mail", "a new location"]),
        ("new; perhaps the same as Fish; Chips (same phone)", ["new", "perhaps the same as another (same phone)"]),
        ("new; its phone is shared by 12 organizations", ["new", "its phone is shared by … organizations"]),
        ("new; website “a; b” was left out; phone “-” is kept as it is", ["new", "website “…” was left out", "phone “…” is kept as it is"]),
        (
            "same name and address; a.b@c.example belongs to a contact elsewhere",
            ["same name and address", "its e-mail belongs to a contact elsewhere"],
        ),
        ("the row has 12 cells, the table 9 columns", ["the row has … cells, the table … columns"]),
    ],
)
def test_a_kind_is_what_is_not_the_rows_own(reason, expected):
    assert kinds(reason) == expected


def test_reasons_are_counted_by_outcome_with_the_first_row():
    tally = Tally()
    for number, (outcome, reason) in enumerate(
        [("created", "new"), ("failed", "no name"), ("created", "new"), ("skipped", "the same as row 1")], start=1
    ):
        tally.add(outcome, reason, number)

    assert [(one["outcome"], one["reason"], one["count"], one["first_row"]) for one in tally.found()] == [
        ("created", "new", 2, 1), ("failed", "no name", 1, 2), ("skipped", "the same as an earlier row", 1, 4)
    ]  # fmt: skip


def start(invoke, tenant, rows, **more):
    answer = invoke("integrations/imports", method="POST", body={"source": "list", "rows": rows, **more})
    assert answer.status == 201, answer.body
    worker.work(tenant.id, UUID(answer.json["id"]), "preview")
    return invoke("integrations/import_one", path={"import_id": answer.json["id"]})


def test_the_preview_tells_reasons_apart_by_outcome(invoke, tenant):
    one = start(
        invoke,
        tenant,
        [{"id": "1", "name": "Blue Bistro"}, {"id": "1", "name": "Blue Bistro"}, {"id": "2", "name": ""}, {"id": "1", "name": "The Blue"}],
    )

    preview = ImportPreview.model_validate_json(
        invoke("integrations/import_preview", method="GET", path={"import_id": one.json["id"]}).body
    )

    assert {(why.outcome, why.reason, why.first_row) for why in preview.why} == {
        ("created", "new", 1),
        ("skipped", "the same as an earlier row", 2),
        ("failed", "no name: neither a business, a person nor an e-mail address is named", 3),
        ("skipped", "same id in this source; nothing new", 4),
    }
    assert preview.reasons["same id in this source; nothing new"] == 1


def test_a_preview_whose_time_is_up_counts_the_rest(invoke, tenant, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 2)
    rows = [{"id": str(n), "name": f"Place {n}"} for n in range(7)]
    one = invoke("integrations/imports", method="POST", body={"source": "list", "rows": rows}).json["id"]
    moments = iter([False, False, True, True])

    worker.work(tenant.id, UUID(one), "preview", time_is_up=lambda: next(moments))

    preview = invoke("integrations/import_preview", method="GET", path={"import_id": one}).json
    assert (preview["total"], preview["tried"], preview["created"]) == (7, 4, 4)
    assert invoke("integrations/import_commit", method="POST", path={"import_id": one}).status == 202
    worker.work(tenant.id, UUID(one), "commit")
    assert invoke("integrations/import_one", path={"import_id": one}).json["counts"]["created"] == 7


def test_a_column_says_who_chose_its_target(invoke, tenant):
    one = start(
        invoke,
        tenant,
        [{"name": "Blue Bistro", "nick": "The Blue", "dba": "B", "city": "Austin"}],
        mapping={"nick": "organization.dba_name"},
    )

    said = {column["name"]: (column["target"], column["reason"]) for column in one.json["columns"]}
    assert said["nick"] == ("organization.dba_name", "chosen")
    assert said["dba"] == (None, "left out")
    assert said["city"] == ("location.city", "titled “city”")


@pytest.mark.parametrize(
    ("mapping", "code", "hint"),
    [
        ({"nick": "organization.dba_nam"}, "unknown_target", "perhaps organization.dba_name"),
        ({"a": "location.zip", "b": "location.zip"}, "target_twice", "more than once"),
    ],
)
def test_a_mapping_with_a_wrong_target_is_refused_at_once(invoke, tenant, mapping, code, hint):
    answer = invoke("integrations/imports", method="POST", body={"source": "list", "filename": "f.csv", "mapping": mapping})

    assert (answer.status, answer.json["errors"][0]["code"]) == (422, code)
    assert hint in answer.json["errors"][0]["message"]


def test_a_mapping_that_does_not_fit_the_file_fails_and_says_where(invoke, tenant):
    one = start(invoke, tenant, [{"name": "Blue Bistro"}], mapping={"colour": None})

    assert one.json["status"] == "failed"
    assert one.json["error"] == "The mapping does not fit the table; mapping/colour: the columns are name"


@pytest.mark.parametrize("region", ["us-east-1", "us-west-2", "eu-central-1"])
def test_uploads_go_to_the_regions_own_host_signed_the_new_way(region, monkeypatch, database_url):
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    url = urlsplit(storage.upload("tenant/import").url)

    place = "s3" if region == "us-east-1" else f"s3.{region}"
    assert url.hostname == f"{settings().import_bucket}.{place}.amazonaws.com"
    assert "X-Amz-Algorithm=AWS4-HMAC-SHA256" in url.query
