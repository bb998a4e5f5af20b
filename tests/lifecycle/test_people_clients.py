"""Private clients: what is known of them, the tenant's own fields, and the list."""

from typing import Any

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.contacts.schemas import Contact, ContactWithOrganization
from clientway.lifecycle.custom_fields import service as custom_fields
from clientway.lifecycle.custom_fields.schemas import CustomField
from clientway.schemas import Page

CLIENT = {
    "first_name": "Ann", "last_name": "Lee", "email": "ann@example.com", "tags": ["vip", "vip", "north"], "birth_date": "1980-02-29",
    "time_zone": "America/Denver", "pricing_tier": "gold", "tax_rate_bps": 825, "status": "active",
}  # fmt: skip


@pytest.fixture
def add(invoke):
    """Add a private client."""

    def call(expect=201, **body):
        answer = invoke("lifecycle/clients", method="POST", body=body)
        assert answer.status == expect, answer.body
        return answer.json

    return call


@pytest.fixture
def define(invoke):
    """Define a custom field."""

    def call(expect=201, **body):
        answer = invoke("lifecycle/custom_fields", method="POST", body={"label": body["key"].title(), **body})
        assert answer.status == expect, answer.body
        return answer.json

    return call


@pytest.fixture
def change(invoke):
    """Change a contact; the answer is what reading it says."""

    def call(row, expect=200, **body):
        headers = {"If-Match": f'"{row["version"]}"'}
        answer = invoke("lifecycle/contact", method="PATCH", path={"contact_id": row["id"]}, body=body, headers=headers)
        assert answer.status == expect, answer.body
        if expect == 200:
            assert answer.json == invoke("lifecycle/contact", path={"contact_id": row["id"]}).json
        return answer.json

    return call


@pytest.fixture
def listed(invoke):
    """The first names that the list finds."""

    def call(expect=200, **query):
        answer = invoke("lifecycle/clients", query=query)
        assert answer.status == expect, answer.body
        return sorted(one["first_name"] for one in answer.json["data"]) if expect == 200 else answer.json

    return call


def test_a_private_client_has_no_organization_yet(invoke):
    answer = invoke("lifecycle/clients", method="POST", body=CLIENT)
    assert (answer.status, answer.etag) == (201, '"1"')
    client = Contact.model_validate_json(answer.body)
    assert (client.organization_id, client.tags, client.tax_rate_bps, client.ltv_cents) == (None, ["north", "vip"], 825, 0)
    assert str(client.birth_date) == "1980-02-29"
    assert answer.json == invoke("lifecycle/contact", path={"contact_id": client.id}).json
    Page[ContactWithOrganization].model_validate_json(invoke("lifecycle/clients").body)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/first_name"), ({"email": "x"}, "#/email"), ({"first_name": "A", "time_zone": "Mars/Olympus"}, "#/time_zone"),
        ({"first_name": "A", "birth_date": "2999-01-01"}, "#/birth_date"), ({"first_name": "A", "tax_rate_bps": 10_001}, "#/tax_rate_bps"),
        ({"first_name": "A", "tags": [""]}, "#/tags/0"), ({"first_name": "A", "status": "client"}, "#/status"),
        ({"first_name": "A", "location_id": "x"}, "#/location_id"), ({"first_name": "A", "custom_fields": {"x": 1}}, "#/custom_fields/x"),
        ({"first_name": "A", "custom_fields": {"x": [1]}}, "#/custom_fields/x"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(invoke, body, pointer):
    answer = invoke("lifecycle/clients", method="POST", body=body)
    assert answer.status == 422
    assert any(one["pointer"].startswith(pointer) for one in answer.json["errors"]), answer.body
    assert invoke("lifecycle/clients").json["data"] == []


def test_who_may(invoke, tenant, other_tenant, add):
    client = add(**CLIENT)
    assert invoke("lifecycle/clients", method="POST", body=CLIENT, token=tenant.viewer).status == 403
    assert invoke("lifecycle/clients", token=other_tenant.admin).json["data"] == []
    taken = invoke("lifecycle/clients", method="POST", body={"email": "ANN@example.com"})
    assert (taken.status, taken.json["existing_id"]) == (409, client["id"])


def test_tags_and_fields_change_together(add, define, change, invoke):
    define(key="tier", kind="select", options=["gold", "tin"], position=2)
    define(key="size", kind="integer", position=1)
    client = add(**CLIENT, custom_fields={"tier": "tin"})
    assert client["custom_fields"] == {"tier": "tin"}
    changed = change(client, tags=["north", "south"], custom_fields={"size": 3, "tier": "gold"}, pricing_tier=None)
    assert (changed["tags"], changed["custom_fields"], changed["pricing_tier"]) == (["north", "south"], {"size": 3, "tier": "gold"}, None)
    assert list(changed["custom_fields"]) == ["size", "tier"]
    changed = change(changed, custom_fields={"tier": None})
    assert (changed["custom_fields"], changed["tags"]) == ({"size": 3}, ["north", "south"])
    assert change(changed, 422, custom_fields={"size": "3"})["errors"][0]["pointer"] == "#/custom_fields/size"
    assert change(changed, 422, default_address_id=str(uuid7()))["errors"][0]["code"] == "unknown_address"


def test_a_required_field_has_to_be_given_by_staff(add, define, change, invoke):
    before = add(first_name="Before")
    define(key="source", kind="text", required=True)
    assert add(422, first_name="Ann")["errors"][0] == {
        "pointer": "#/custom_fields/source", "code": "required", "message": "has to be given",
    }  # fmt: skip
    organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": "A"}).json
    path = {"organization_id": organization["id"]}
    assert invoke("lifecycle/organization_contacts", method="POST", path=path, body={"first_name": "Al"}).status == 422
    client = add(first_name="Ann", custom_fields={"source": "fair"})
    assert change(client, 422, custom_fields={"source": None})["errors"][0]["code"] == "required"
    assert change(before, first_name="Bea")["first_name"] == "Bea"
    # Machines that only know an e-mail are not asked.
    assert invoke("lifecycle/upsert_person", body={"email": "x@example.com"}).status == 201


def test_an_archived_field_is_neither_shown_nor_taken_and_comes_back(define, invoke, add, change):
    field = define(key="size", kind="integer")
    client = add(first_name="Ann", custom_fields={"size": 3})
    path = {"field_id": field["id"]}
    assert invoke("lifecycle/custom_field", method="DELETE", path=path, headers={"If-Match": '"1"'}).status == 204
    assert invoke("lifecycle/contact", path={"contact_id": client["id"]}).json["custom_fields"] == {}
    assert change(client, 422, custom_fields={"size": 4})["errors"][0]["code"] == "unknown_field"
    assert invoke("lifecycle/custom_fields").json["data"] == []
    assert [one["id"] for one in invoke("lifecycle/custom_fields", query={"include_archived": "true"}).json["data"]] == [field["id"]]
    taken_back: dict[str, Any] = {"path": path, "body": {"archived": False}, "headers": {"If-Match": '"2"'}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custom_fields, "MOST", 0)
        refused = invoke("lifecycle/custom_field", method="PATCH", **taken_back)
    assert (refused.status, refused.json["code"]) == (409, "too_many_custom_fields")
    again = invoke("lifecycle/custom_field", method="PATCH", **taken_back)
    assert (again.status, again.json["archived_at"], again.etag) == (200, None, '"3"')
    assert invoke("lifecycle/contact", path={"contact_id": client["id"]}).json["custom_fields"] == {"size": 3}


def test_a_field_is_defined_and_changed(define, invoke, tenant, other_tenant):
    field = define(key="tier", kind="select", options=["gold", "tin"], required=True)
    path = {"field_id": field["id"]}
    read = invoke("lifecycle/custom_field", path=path)
    assert read.json == field
    CustomField.model_validate_json(read.body)
    body, match = {"options": ["tin"], "label": "Level"}, {"If-Match": '"1"'}
    for token, status in ((tenant.viewer, 403), (tenant.editor, 403), (other_tenant.admin, 404)):
        assert invoke("lifecycle/custom_field", method="PATCH", path=path, body=body, headers=match, token=token).status == status
    assert invoke("lifecycle/custom_field", method="PATCH", path=path, body=body).status == 428
    changed = invoke("lifecycle/custom_field", method="PATCH", path=path, body=body, headers=match)
    assert (changed.json["options"], changed.json["label"], changed.json["required"]) == (["tin"], "Level", True)
    assert invoke("lifecycle/custom_field", method="PATCH", path=path, body=body, headers=match).status == 412
    assert invoke("lifecycle/custom_field", method="PATCH", path=path, body={"kind": "text"}, headers={"If-Match": '"2"'}).status == 422
    assert define(409, key="tier", kind="text")["existing_id"] == field["id"]
    number = define(key="size", kind="number")
    refused = invoke(
        "lifecycle/custom_field", method="PATCH", path={"field_id": number["id"]}, body={"options": ["x"]}, headers={"If-Match": '"1"'}
    )
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "no_select")


@pytest.mark.parametrize(
    "body",
    [
        {"key": "Tier", "kind": "text"}, {"key": "tier", "kind": "select"}, {"key": "tier", "kind": "text", "options": ["a"]},
        {"key": "tier", "kind": "select", "options": ["a", "a"]}, {"key": "tier", "kind": "select", "options": []}, {"key": "tier", "kind": "json"},
    ],
)  # fmt: skip
def test_a_field_that_is_none_is_refused(define, body):
    define(422, **body)


def test_custom_fields_have_pages(define, invoke):
    for number in range(5):
        define(key=f"f{number}", kind="text", position=4 - number)
    first = invoke("lifecycle/custom_fields", query={"limit": 3}).json
    rest = invoke("lifecycle/custom_fields", query={"limit": 3, "cursor": first["next_cursor"]}).json
    assert [one["key"] for one in first["data"] + rest["data"]] == ["f4", "f3", "f2", "f1", "f0"]


def test_the_list_filters(add, define, listed, tenant):
    for key, kind in (("size", "integer"), ("rate", "number"), ("vip", "boolean"), ("since", "date"), ("city", "text")):
        define(key=key, kind=kind)
    add(first_name="Ann", tags=["north"], pricing_tier="gold", status="lead", custom_fields={"size": 3, "vip": True, "city": "York, NY"})
    add(first_name="Bob", tags=["north", "vip"], custom_fields={"size": 5, "since": "2026-01-02", "rate": 1.5})
    add(first_name="Cid", pricing_tier="tin", custom_fields={"vip": False, "since": "2026-03-01"})
    assert listed() == ["Ann", "Bob", "Cid"]
    for query, found in (
        ({"tag": "north"}, ["Ann", "Bob"]), ({"tag": "vip"}, ["Bob"]), ({"pricing_tier": "gold"}, ["Ann"]), ({"status": "lead"}, ["Ann"]),
        ({"custom": "size:3"}, ["Ann"]), ({"custom": "size>=3"}, ["Ann", "Bob"]), ({"custom": "size>3"}, ["Bob"]), ({"custom": "size<5"}, ["Ann"]),
        ({"custom": "rate<=1.5"}, ["Bob"]), ({"custom": "vip:true"}, ["Ann"]), ({"custom": "vip:false"}, ["Cid"]),
        ({"custom": "since>=2026-02-01"}, ["Cid"]), ({"custom": "city:York, NY"}, ["Ann"]), ({"q": "bob"}, ["Bob"]),
    ):  # fmt: skip
        assert listed(**query) == found, query


def test_several_conditions_all_have_to_hold(add, define, invoke):
    define(key="size", kind="integer")
    define(key="vip", kind="boolean")
    for name, size, vip in (("Ann", 3, True), ("Bob", 5, True), ("Cid", 5, False)):
        add(first_name=name, custom_fields={"size": size, "vip": vip})
    answer = invoke("lifecycle/clients", query={"custom": "size>=4"})
    assert len(answer.json["data"]) == 2
    answer = invoke("lifecycle/clients", query={"custom": ["size>=4", "vip:true"]})
    assert [one["first_name"] for one in answer.json["data"]] == ["Bob"]


@pytest.mark.parametrize(
    "condition", ["", "size", "size:x", "shoe:1", "vip>=true", "size:9223372036854775808", "vip:yes", "since:tomorrow", "rate:x"]
)
def test_a_condition_that_is_none_is_refused(define, listed, condition):
    for key, kind in (("size", "integer"), ("vip", "boolean"), ("since", "date"), ("rate", "number")):
        define(key=key, kind=kind)
    assert listed(400, custom=condition)["errors"][0]["pointer"] == "#/query/custom"


def test_the_list_has_pages_bound_to_its_filters(add, define, invoke):
    define(key="size", kind="integer")
    for number in range(5):
        add(first_name=f"C{number}", custom_fields={"size": number})
    query = {"custom": "size>=1", "sort": "name", "limit": 3}
    first = invoke("lifecycle/clients", query=query).json
    rest = invoke("lifecycle/clients", query=query | {"cursor": first["next_cursor"]}).json
    assert [one["first_name"] for one in first["data"] + rest["data"]] == ["C1", "C2", "C3", "C4"]
    assert invoke("lifecycle/clients", query=query | {"custom": "size>=2", "cursor": first["next_cursor"]}).status == 400


def test_a_merged_contact_is_answered_with_the_survivor(add, change, invoke, admin_engine):
    one, other, last = (add(first_name=name) for name in ("One", "Other", "Last"))
    statement = text("update contacts set deleted_at = now(), merged_into = :into where id = :id")
    with admin_engine.connect() as connection:
        for gone, into in ((one, other), (other, last)):
            connection.execute(statement, {"id": gone["id"], "into": into["id"]})
    answer = invoke("lifecycle/contact", path={"contact_id": one["id"]})
    assert (answer.status, answer.json["id"], answer.json["merged_into"], answer.etag) == (200, last["id"], last["id"], '"1"')
    Contact.model_validate_json(answer.body)
    assert invoke("lifecycle/contact", path={"contact_id": last["id"]}).json["merged_into"] is None
    raw = invoke("lifecycle/contact", path={"contact_id": one["id"]}, query={"include_deleted": "true"}).json
    assert (raw["id"], raw["merged_into"]) == (one["id"], other["id"])
    refused = change(one, 409, first_name="Two")
    assert (refused["code"], refused["merged_into"]) == ("contact_merged", other["id"])
    path = {"contact_id": one["id"]}
    assert invoke("lifecycle/contact_restore", method="POST", path=path).json["code"] == "contact_merged"
    assert invoke("lifecycle/contact", method="DELETE", path=path, headers={"If-Match": '"1"'}).json["code"] == "contact_merged"
    for function, body in (
        ("contact_notes", {"body": "x"}),
        ("contact_addresses", {"address1": "x"}),
        ("contact_emails", {"email": "a@b.example"}),
    ):
        answer = invoke(f"lifecycle/{function}", method="POST", path=path, body=body)
        assert (answer.status, answer.json["code"]) == (409, "contact_merged")
