"""What undo takes back, and what it leaves."""

import pytest

from clientway.integrations.imports import worker
from tests.integrations.importing import ROWS, ask, committed, live, of, run, start


def test_undo_takes_back_what_nobody_touched(invoke, tenant, admin_engine):
    committed(invoke, tenant, start(invoke, tenant, ROWS[:1]))
    [first] = invoke("lifecycle/organizations").json["data"]
    places = invoke("lifecycle/organization_locations", method="GET", path={"organization_id": first["id"]})
    second = start(invoke, tenant, ROWS)
    committed(invoke, tenant, second)
    assert live(admin_engine, tenant) == 2

    assert ask(invoke, second, "undo").status == 202
    run(tenant, second, "undo", "undo")

    assert live(admin_engine, tenant) == 1
    [kept] = invoke("lifecycle/organizations").json["data"]
    assert kept["primary_location"]["website_url"] is None
    assert of(invoke, second)["status"] == "undone"
    # And what follows from it: its completeness, and what it lacks.
    left_out = {"updated_at", "version"}
    then, now = (
        [{name: value for name, value in place.items() if name not in left_out} for place in answer.json["data"]]
        for answer in (places, invoke("lifecycle/organization_locations", method="GET", path={"organization_id": first["id"]}))
    )
    assert now == then


def test_undo_leaves_what_somebody_changed_since(invoke, tenant, admin_engine):
    one = start(invoke, tenant, ROWS[:1])
    committed(invoke, tenant, one)
    [found] = invoke("lifecycle/organizations").json["data"]
    path = {"organization_id": found["id"]}
    changed = invoke(
        "lifecycle/organization", method="PATCH", path=path, body={"notes": "Called"}, headers={"If-Match": f'"{found["version"]}"'}
    )
    assert changed.status == 200

    ask(invoke, one, "undo")
    run(tenant, one, "undo")

    assert (live(admin_engine, tenant), live(admin_engine, tenant, "locations")) == (1, 1)


def test_tags_are_added_to_what_is_there_and_taken_back(invoke, tenant, monkeypatch):
    monkeypatch.setattr(worker, "CHUNK", 1)
    made = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Blue Bistro", "tags": ["vip", "a"]}).json
    place = {"name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX"}
    path = {"organization_id": made["id"]}
    place_of = {"name": "Downtown", "address_line1": "1 Main Street", "city": "Austin", "state": "TX"}
    assert invoke("lifecycle/organization_locations", method="POST", path=path, body=place_of).status == 201
    many = "; ".join(f"t{number}" for number in range(60))
    rows = [
        {**place, "tags": "A; b"},
        {**place, "tags": "b; c", "website": "bistro.example"},
        {"business_id": "9", "name": "New Bistro", "tags": "x; y"},
        {"business_id": "9", "name": "New Bistro", "website": "new.example", "tags": f"z; {many}"},
    ]

    def tags():
        found = invoke("lifecycle/organizations").json["data"]
        return {one["legal_name"]: one["tags"] for one in found}

    before = invoke("lifecycle/organization", path=path).json
    one = start(invoke, tenant, rows)
    counts = committed(invoke, tenant, one)

    assert (counts["created"], counts["updated"]) == (1, 3)
    assert sorted(tags()["Blue Bistro"]) == ["a", "b", "c", "vip"]
    assert len(tags()["New Bistro"]) == 50
    assert {"x", "y", "z"} <= set(tags()["New Bistro"])
    assert invoke("lifecycle/organization", path=path).json["version"] > before["version"]
    assert committed(invoke, tenant, start(invoke, tenant, rows[:3]))["updated"] == 0

    ask(invoke, one, "undo")
    run(tenant, one, "undo")

    assert of(invoke, one)["counts"]["undone"] == 4
    assert list(tags()) == ["Blue Bistro"]
    assert sorted(tags()["Blue Bistro"]) == ["a", "vip"]


@pytest.mark.parametrize("worked_on", [False, True])
def test_undone_in_turn_nothing_is_left_but_what_somebody_worked_on(invoke, tenant, admin_engine, worked_on):
    first = start(invoke, tenant, [{"business_id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin"}])
    committed(invoke, tenant, first)
    [one] = invoke("lifecycle/organizations").json["data"]
    more = {
        "name": "Blue Bistro",
        "address": "1 Main Street",
        "city": "Austin",
        "tags": "a",
        "website": "b.example",
        "phone": "512-472-1234",
    }
    second = start(invoke, tenant, [more], source="other")
    assert committed(invoke, tenant, second)["updated"] == 1
    if worked_on:
        path, headers = {"organization_id": one["id"]}, {"If-Match": f'"{one["version"] + 1}"'}
        note = invoke("lifecycle/organization", method="PATCH", path=path, body={"notes": "They called"}, headers=headers)
        assert note.status == 200, note.body

    for import_id in (second, first):
        ask(invoke, import_id, "undo")
        run(tenant, import_id, "undo")

    assert of(invoke, first)["counts"]["undone"] == (0 if worked_on else 1)
    assert live(admin_engine, tenant) == int(worked_on)
    assert live(admin_engine, tenant, "locations") == int(worked_on)
