"""Somebody calls twice under two addresses: the pair is found, merged with their jobs and money, and taken apart again."""

from clientway.ids import uuid7

START = "2030-02-01T10:00:00Z"


def test_a_client_who_was_written_down_twice(invoke):
    def post(function, body=None, path=None, status=201):
        answer = invoke(function, method="POST", body=body, path=path, headers={"Idempotency-Key": str(uuid7())})
        assert answer.status == status, answer.body
        return answer.json

    def timeline(contact_id):
        answer = invoke("lifecycle/client_timeline", path={"contact_id": contact_id})
        assert answer.status == 200, answer.body
        return [line["id"] for line in answer.json["data"]]

    jobs = [
        post("work/create_job_with_client", {"client": client, "start_at": START, "price_cents": 15000})["job"]
        for client in (
            {"first_name": "Jane", "last_name": "Smith", "email": "jane@home.example", "address": _address("123 Main St")},
            {"first_name": "Janet", "last_name": "Smith", "email": "jane+work@home.example", "address": _address("123 Main Street")},
        )
    ]
    survivor, merged = (job["contact_id"] for job in jobs)
    post("billing/payments", {"contact_id": merged, "amount_cents": 5000})
    found = post("lifecycle/duplicates_scan", {}, status=200)
    assert found["suggested"] == 1
    [suggestion] = invoke("lifecycle/duplicates").json["data"]
    assert {suggestion["contact"]["id"], suggestion["other"]["id"]} == {survivor, merged}
    before = timeline(merged)

    done = post("lifecycle/contact_merge", {"merged_id": merged}, {"contact_id": survivor})

    assert done["moved"]["jobs"] == 1
    assert done["moved"]["payments"] == 1
    assert {job["id"] for job in invoke("work/jobs", query={"contact_id": survivor}).json["data"]} == {job["id"] for job in jobs}
    assert set(before) <= set(timeline(survivor))
    assert invoke("lifecycle/duplicates").json["data"] == []
    read = invoke("lifecycle/contact", path={"contact_id": merged}).json
    assert read["id"] == survivor
    refused = invoke(
        "work/create_job_with_client", method="POST", body={"org_client_id": merged, "start_at": START}, headers={"Idempotency-Key": "x"}
    )
    assert (refused.status, refused.json["code"]) == (409, "contact_merged")

    undone = post("lifecycle/merge_undo", None, {"merge_id": done["id"]}, status=200)

    assert undone["kept"] == {}
    assert [job["id"] for job in invoke("work/jobs", query={"contact_id": merged}).json["data"]] == [jobs[1]["id"]]
    assert invoke("lifecycle/contact", path={"contact_id": merged}).json["email"] == "jane+work@home.example"


def _address(line):
    return {"address1": line, "city": "San Francisco", "state": "CA", "postal": "94102"}
