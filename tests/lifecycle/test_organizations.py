"""Organizations: created, found, changed, hidden and brought back."""

import json
import threading

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.ids import uuid7
from clientway.lifecycle.organizations import service
from clientway.lifecycle.organizations.schemas import Organization, OrganizationCreate
from clientway.schemas import Page


@pytest.fixture
def create(invoke):
    """Create an organization through its handler."""

    def call(legal_name="Blue Door Bistro", **fields):
        answer = invoke("lifecycle/organizations", method="POST", body={"legal_name": legal_name, **fields})
        assert answer.status == 201, answer.body
        return answer.json

    return call


def patch(invoke, organization, body, *, version=None, **how):
    etag = f'"{version or organization["version"]}"'
    return invoke(
        "lifecycle/organization", method="PATCH", path={"organization_id": organization["id"]}, body=body, headers={"If-Match": etag}, **how
    )


def read(invoke, organization_id, **how):
    return invoke("lifecycle/organization", path={"organization_id": organization_id}, **how)


def remove(invoke, organization, version=None):
    etag = f'"{version or organization["version"]}"'
    return invoke("lifecycle/organization", method="DELETE", path={"organization_id": organization["id"]}, headers={"If-Match": etag})


def names(answer):
    assert answer.status == 200, answer.body
    return [one["legal_name"] for one in answer.json["data"]]


def test_a_new_organization_is_a_lead_with_everything_known_of_it(invoke):
    body = {
        "legal_name": "Blue Door Foods LLC", "dba_name": "Blue Door", "entity_type": "single_location", "source": "builtwith", "source_id": "b-1",
        "tags": ["vip", "pizza", "vip"], "notes": "met at the fair",
    }  # fmt: skip
    answer = invoke("lifecycle/organizations", method="POST", body=body)

    assert (answer.status, answer.etag) == (201, '"1"')
    created = Organization.model_validate_json(answer.body)
    assert (created.slug, created.lifecycle_stage, created.tags) == ("blue-door-foods-llc", "lead", ["pizza", "vip"])
    assert created.data_completeness == 28
    assert created.missing_fields[0] == "contact.email"
    again = read(invoke, created.id)
    assert (again.json, again.etag) == (answer.json, '"1"')


def test_a_second_of_the_name_gets_a_numbered_slug_and_keeps_it_when_renamed(create, invoke):
    assert [create("Joe's Diner")["slug"] for _ in range(3)] == ["joes-diner", "joes-diner-2", "joes-diner-3"]
    one = create("Joe's Diner")

    renamed = patch(invoke, one, {"legal_name": "Ann's Diner"})

    assert (renamed.status, renamed.json["legal_name"], renamed.json["slug"]) == (200, "Ann's Diner", "joes-diner-4")


def test_two_of_one_name_at_once_get_slugs_of_their_own(tenant):
    """The second waits for the first, sees that the slug is gone, and takes the next."""
    first, second = (db.begin(db.Credential(tokens.digest(tenant.admin), access.EDITORS)) for _ in range(2))
    made = json.loads(service.create(first, OrganizationCreate(legal_name="Same Name")))
    found = []
    waiting = threading.Thread(target=lambda: found.append(json.loads(service.create(second, OrganizationCreate(legal_name="Same Name")))))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    db.commit(first)
    waiting.join()
    db.commit(second)

    assert [made["slug"], found[0]["slug"]] == ["same-name", "same-name-2"]


def test_the_same_record_of_a_source_is_not_created_twice(create, invoke):
    first = create(source="hubspot", source_id="77")

    answer = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Other", "source": "hubspot", "source_id": "77"})

    assert (answer.status, answer.json["code"], answer.json["existing_id"]) == (409, "organization_exists", first["id"])
    assert answer.json["errors"][0]["pointer"] == "#/source_id"


def test_a_deleted_organization_stands_in_nobodys_way(create, invoke):
    first = create(source="hubspot", source_id="77", hubspot_company_id="h")
    assert remove(invoke, first).status == 204

    second = create(source="hubspot", source_id="77", hubspot_company_id="h")

    assert second["slug"] == "blue-door-bistro-2"
    refused = invoke("lifecycle/organization_restore", method="POST", path={"organization_id": first["id"]})
    assert (refused.status, refused.json["existing_id"]) == (409, second["id"])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/legal_name"),
        ({"legal_name": " "}, "#/legal_name"),
        ({"legal_name": "A", "lifecycle_stage": "client"}, "#/lifecycle_stage"),
        ({"legal_name": "A", "entity_type": "shop"}, "#/entity_type"),
        ({"legal_name": "A", "tags": ["x" * 61]}, "#/tags/0"),
        ({"legal_name": "A\x00"}, "#/legal_name"),
        ({"legal_name": "A", "assigned_rep_id": str(uuid7())}, "#/assigned_rep_id"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_with_the_place(invoke, body, pointer):
    answer = invoke("lifecycle/organizations", method="POST", body=body)

    assert answer.status == 422, answer.body
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_viewer_reads_but_does_not_write(create, invoke, tenant):
    one = create()

    assert read(invoke, one["id"], token=tenant.viewer).status == 200
    assert invoke("lifecycle/organizations", method="POST", body={"legal_name": "X"}, token=tenant.viewer).status == 403
    assert patch(invoke, one, {"notes": "x"}, token=tenant.viewer).status == 403


def test_another_tenant_neither_sees_nor_changes_it(create, invoke, other_tenant):
    one = create()

    assert read(invoke, one["id"], token=other_tenant.admin).status == 404
    assert patch(invoke, one, {"notes": "mine"}, token=other_tenant.admin).status == 404
    assert names(invoke("lifecycle/organizations", token=other_tenant.admin)) == []
    assert read(invoke, one["id"]).json == one


def test_a_change_needs_the_version_that_was_read(create, invoke):
    one = create()

    assert invoke("lifecycle/organization", method="PATCH", path={"organization_id": one["id"]}, body={"notes": "x"}).status == 428
    changed = patch(invoke, one, {"notes": "x", "tags": ["new"], "dba_name": "Door"})
    assert (changed.status, changed.etag, changed.json["tags"]) == (200, '"2"', ["new"])
    stale = patch(invoke, one, {"notes": "y"})
    assert (stale.status, stale.etag) == (412, '"2"')
    assert patch(invoke, one, {"tags": ["b", "new"]}, version=2).json["tags"] == ["b", "new"]
    assert read(invoke, one["id"]).json["tags"] == ["b", "new"]
    assert patch(invoke, one, {"tags": [], "dba_name": None}, version=3).json["tags"] == []


def test_a_required_field_cannot_be_cleared(create, invoke):
    assert patch(invoke, create(), {"legal_name": None}).status == 422


def test_taking_anothers_external_id_is_a_conflict(create, invoke):
    first = create(hubspot_company_id="h-1")
    other = create(source="hubspot", source_id="1")

    answer = patch(invoke, other, {"hubspot_company_id": "h-1"})

    assert (answer.status, answer.json["errors"][0]["pointer"], answer.json["existing_id"]) == (409, "#/hubspot_company_id", first["id"])
    assert read(invoke, other["id"]).json == other


def test_the_same_key_answers_the_same_and_creates_once(invoke):
    first, second = (
        invoke("lifecycle/organizations", method="POST", body={"legal_name": "Once"}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )

    assert (first.status, second.status, first.body) == (201, 201, second.body)
    assert names(invoke("lifecycle/organizations")) == ["Once"]


def test_deleting_hides_it_with_all_that_belongs_to_it_and_restoring_brings_that_back(create, invoke):
    one = create()
    path = {"organization_id": one["id"]}
    location = invoke("lifecycle/organization_locations", method="POST", path=path, body={"name": "Main"}).json
    gone = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"email": "gone@x.example"}).json
    contact = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"email": "ann@x.example"}).json
    assert invoke("lifecycle/contact", method="DELETE", path={"contact_id": gone["id"]}, headers={"If-Match": '"1"'}).status == 204

    assert remove(invoke, one).status == 204
    assert read(invoke, one["id"]).status == 404
    assert read(invoke, one["id"], query={"include_deleted": "true"}).json["deleted_at"] is not None
    assert names(invoke("lifecycle/organizations")) == []
    assert names(invoke("lifecycle/organizations", query={"include_deleted": "true"})) == [one["legal_name"]]
    assert invoke("lifecycle/location", path={"location_id": location["id"]}).status == 404
    assert invoke("lifecycle/admin_contacts").json["data"] == []
    assert invoke("lifecycle/organization_contacts", method="POST", path=path, body={"email": "new@x.example"}).status == 404
    assert remove(invoke, one).status == 404

    restored = invoke("lifecycle/organization_restore", method="POST", path=path)
    assert (restored.status, restored.json["primary_contact"]["id"], restored.json["primary_location"]["id"]) == (
        200,
        contact["id"],
        location["id"],
    )
    assert [found["id"] for found in invoke("lifecycle/admin_contacts").json["data"]] == [contact["id"]]


def test_restoring_does_not_bring_back_an_email_that_somebody_else_has_by_now(create, invoke):
    one, other = create(), create("Other")
    invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": one["id"]}, body={"email": "ann@x.example"})
    remove(invoke, one)
    taker = invoke("lifecycle/organization_contacts", method="POST", path={"organization_id": other["id"]}, body={"email": "Ann@X.example"})
    assert taker.status == 201

    answer = invoke("lifecycle/organization_restore", method="POST", path={"organization_id": one["id"]})

    assert (answer.status, answer.json["existing_id"]) == (409, taker.json["id"])


def test_pages_follow_one_another_without_gap_or_repeat(create, invoke):
    created = [create(f"Place {number}")["id"] for number in range(7)]
    for sort in ("created_at", "-created_at", "name", "-name", "updated_at", "-updated_at"):
        found, cursor = [], None
        while True:
            query = {"limit": 3, "sort": sort} | ({"cursor": cursor} if cursor else {})
            answer = invoke("lifecycle/organizations", query=query)
            Page[Organization].model_validate_json(answer.body)
            found += [one["id"] for one in answer.json["data"]]
            cursor = answer.json["next_cursor"]
            if cursor is None:
                break
        assert found == (created[::-1] if sort.startswith("-") else created), sort


def test_every_filter_finds_its_own(create, invoke):
    rep = invoke("lifecycle/reps", method="POST", body={"name": "Ada Rep"}).json
    path = {"organization_id": create("Alpha", source="builtwith", tags=["vip"], assigned_rep_id=rep["id"])["id"]}
    create("Beta", source="hubspot", tags=["cold"])
    location = {"name": "Main", "state": "florida", "pos_system": "Toast", "phone": "(305) 555-0123", "email": "Hi@Alpha.example"}
    assert invoke("lifecycle/organization_locations", method="POST", path=path, body=location).status == 201
    contact = {"first_name": "Zoë", "last_name": "O'Brien", "email": "zoe@people.example", "phone": "+1 212 555 0188"}
    assert invoke("lifecycle/organization_contacts", method="POST", path=path, body=contact).status == 201

    for query in (
        {"source": "builtwith"}, {"tag": "vip"}, {"rep": rep["id"]}, {"rep": rep["slug"]}, {"state": "FL"}, {"state": "Florida"},
        {"pos_system": "Toast"}, {"state": "FL", "pos_system": "Toast"}, {"lifecycle_stage": "prospect"}, {"q": "alph"}, {"q": "AL"},
        {"q": "305-555"}, {"q": "hi@alpha"}, {"q": "zoe o'b"}, {"q": "2125550188"}, {"q": "people.example"},
    ):  # fmt: skip
        assert names(invoke("lifecycle/organizations", query=query)) == ["Alpha"], query
    for query in (
        {"tag": "none"},
        {"rep": "nobody"},
        {"rep": str(uuid7())},
        {"state": "TX"},
        {"q": "100%"},
        {"q": "a_p"},
        {"q": "zz"},
        {"lifecycle_stage": "client"},
    ):
        assert names(invoke("lifecycle/organizations", query=query)) == [], query
    assert names(invoke("lifecycle/organizations", query={"created_before": "2020-01-01T00:00:00Z"})) == []
    assert len(names(invoke("lifecycle/organizations", query={"updated_since": "2020-01-01T00:00:00Z"}))) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"lifecycle_stage": "boss"},
        {"unknown": "1"},
        {"sort": "notes"},
        {"limit": "0"},
        {"cursor": "nonsense"},
        {"updated_since": "yesterday"},
        {"q": ""},
    ],
)
def test_a_query_that_says_nothing_is_malformed(invoke, query):
    assert invoke("lifecycle/organizations", query=query).status == 400


def test_every_change_is_written_down(create, invoke, tenant, admin_engine):
    one = create()
    patch(invoke, one, {"notes": "x", "industry": one["industry"]})
    remove(invoke, one, version=2)
    invoke("lifecycle/organization_restore", method="POST", path={"organization_id": one["id"]})

    with admin_engine.connect() as connection:
        rows = connection.execute(text("select action, changes from audit_log where tenant_id = :t order by id"), {"t": tenant.id}).all()

    assert [row.action for row in rows] == [f"organization.{what}" for what in ("created", "updated", "deleted", "restored")]
    assert rows[1].changes == {"notes": "x"}


def test_only_an_active_rep_of_the_tenant_is_assigned(create, invoke, other_tenant):
    theirs = invoke("lifecycle/reps", method="POST", body={"name": "Theirs"}, token=other_tenant.admin).json
    rep = invoke("lifecycle/reps", method="POST", body={"name": "Ours"}).json
    one = create()

    assert patch(invoke, one, {"assigned_rep_id": theirs["id"]}).status == 422
    assigned = patch(invoke, one, {"assigned_rep_id": rep["id"]})
    assert assigned.json["assigned_rep"] == {"id": rep["id"], "slug": "ours", "name": "Ours"}
    invoke("lifecycle/rep", method="PATCH", path={"rep_id": rep["id"]}, body={"active": False}, headers={"If-Match": '"1"'})
    assert patch(invoke, create("Two"), {"assigned_rep_id": rep["id"]}).status == 422
    assert patch(invoke, assigned.json, {"assigned_rep_id": rep["id"], "notes": "stays"}).status == 200
    assert patch(invoke, assigned.json, {"assigned_rep_id": None}, version=3).json["assigned_rep"] is None
