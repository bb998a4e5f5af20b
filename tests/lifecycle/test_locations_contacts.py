"""Locations and contacts: what is known of an organization follows them."""

import json
import threading
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.identity.people.service import Reachable, link
from clientway.ids import uuid7
from clientway.lifecycle.contacts import service as contacts
from clientway.lifecycle.contacts.schemas import Contact, ContactCreate, ContactPatch, ContactWithOrganization
from clientway.lifecycle.locations.schemas import Location
from clientway.schemas import Page

PLACE = {
    "name": "Downtown", "address_line1": "1 Main St", "city": "Miami", "state": "Florida", "zip": "33101", "phone": "(305) 555-0123",
    "email": "Hello@Bistro.example", "website_url": "bistro.example", "cuisine_primary": "french", "pos_system": "Toast", "seating_capacity": 40,
    "estimated_annual_revenue_cents": 90_000_000, "latitude": 25.77, "longitude": -80.19, "employee_count": 12,
}  # fmt: skip
PERSON = {"first_name": "Zoë", "last_name": "O'Brien", "email": "Zoe@Bistro.example", "phone": "212-555-0188", "role_type": "owner"}


@pytest.fixture
def organization(invoke):
    """An organization with nothing but a name."""
    return invoke("lifecycle/organizations", method="POST", body={"legal_name": "Bistro"}).json


@pytest.fixture
def add(invoke, organization):
    """Add a location or a contact to it."""

    def call(kind, expect=201, **body):
        answer = invoke(f"lifecycle/organization_{kind}s", method="POST", path={"organization_id": organization["id"]}, body=body)
        assert answer.status == expect, answer.body
        return answer.json

    return call


@pytest.fixture
def send(invoke):
    """Change or delete a location or a contact."""

    def call(kind, row, body=None, *, version=None, **how):
        etag = f'"{version or row["version"]}"'
        method = "PATCH" if body is not None else "DELETE"
        return invoke(f"lifecycle/{kind}", method=method, path={f"{kind}_id": row["id"]}, body=body, headers={"If-Match": etag}, **how)

    return call


@pytest.fixture
def now(invoke, organization):
    """The organization as it is by now."""
    return lambda: invoke("lifecycle/organization", path={"organization_id": organization["id"]}).json


def test_a_location_is_kept_normalised_and_becomes_primary(invoke, add, now, organization):
    made = add("location", **PLACE)

    location = Location.model_validate_json(json.dumps(made))
    assert (location.state, location.phone, location.phone_e164) == ("FL", "(305) 555-0123", "+13055550123")
    assert (location.website_url, location.is_primary, location.slug, location.currency) == (
        "https://bistro.example",
        True,
        "downtown",
        "USD",
    )
    assert (location.data_completeness, location.missing_fields) == (95, ["service_style"])
    assert invoke("lifecycle/location", path={"location_id": made["id"]}).json == made
    after = now()
    assert after["primary_location"] == {
        name: made[name] for name in ("id", "name", "city", "state", "phone", "email", "website_url", "pos_system")
    }
    assert after["data_completeness"] == organization["data_completeness"] + 50


def test_a_reachable_organization_becomes_a_prospect_by_itself(add, now):
    add("location", name="Main", phone="305 555 0123")
    assert (now()["lifecycle_stage"], now()["version"]) == ("lead", 1)
    add("contact", email="ann@bistro.example")
    assert now()["lifecycle_stage"] == "prospect"


def test_a_change_of_facts_moves_the_stage_too(add, send, now):
    location = add("location", name="Main")
    contact = add("contact", first_name="Ann")
    assert send("location", location, {"website_url": "bistro.example"}).status == 200
    assert now()["lifecycle_stage"] == "lead"
    assert send("contact", contact, {"email": "ann@bistro.example"}).status == 200
    assert now()["lifecycle_stage"] == "prospect"


@pytest.mark.parametrize("kind", ["location", "contact"])
def test_there_is_always_exactly_one_primary(add, send, now, kind, invoke, organization):
    first, second, third = (add(kind, **({"name": f"Place {n}"} if kind == "location" else {"first_name": f"Ann {n}"})) for n in range(3))
    assert [one["is_primary"] for one in (first, second, third)] == [True, False, False]

    moved = send(kind, second, {"is_primary": True})
    assert (moved.status, moved.json["is_primary"], now()[f"primary_{kind}"]["id"]) == (200, True, second["id"])
    refused = send(kind, moved.json, {"is_primary": False})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/is_primary")
    taken = add(kind, is_primary=True, **({"name": "New"} if kind == "location" else {"first_name": "New"}))
    assert now()[f"primary_{kind}"]["id"] == taken["id"]
    assert send(kind, taken).status == 204
    assert now()[f"primary_{kind}"]["id"] == first["id"]
    listed = invoke(f"lifecycle/organization_{kind}s", path={"organization_id": organization["id"]}).json["data"]
    assert [(one["id"], one["is_primary"]) for one in listed] == [(first["id"], True), (second["id"], False), (third["id"], False)]


def test_completeness_and_search_follow_a_location_out_and_back(add, send, now, invoke, organization):
    location = add("location", **PLACE)
    full = now()["data_completeness"]
    assert found(invoke, "3055550123") == [organization["id"]]

    changed = send("location", location, {"phone": "786 555 0144", "email": None})
    assert (found(invoke, "3055550123"), found(invoke, "7865550144"), found(invoke, "hello@bistro")) == ([], [organization["id"]], [])
    cleared = send("location", changed.json, {"phone": None, "city": None})
    assert now()["data_completeness"] == full - 18
    assert send("location", cleared.json).status == 204
    assert (now()["data_completeness"], now()["primary_location"]) == (organization["data_completeness"], None)


def people(admin_engine, tenant):
    """Who the tenant's contacts are."""
    with admin_engine.connect() as connection:
        statement = text("select contact_id::text, person_id from identity.contact_person where tenant_id = :t")
        return {row[0]: row[1] for row in connection.execute(statement, {"t": tenant.id})}


def found(invoke, q):
    return [one["id"] for one in invoke("lifecycle/organizations", query={"q": q}).json["data"]]


def test_a_contact_is_kept_normalised_and_linked_to_a_person_without_a_readable_trace(invoke, add, tenant, admin_engine):
    made = add("contact", **PERSON)

    contact = Contact.model_validate_json(json.dumps(made))
    assert (contact.email, contact.phone_e164, contact.slug, contact.is_primary) == (
        "Zoe@Bistro.example",
        "+12125550188",
        "zoe-obrien",
        True,
    )
    assert invoke("lifecycle/contact", path={"contact_id": made["id"]}).json == made
    assert set(people(admin_engine, tenant)) == {made["id"]}


def test_a_person_is_the_same_to_all_tenants_and_goes_with_the_address(invoke, add, send, tenant, other_tenant, admin_engine):
    ours, stranger = add("contact", **PERSON), add("contact", first_name="Ann", email="ann@bistro.example")
    theirs = invoke("lifecycle/organizations", method="POST", body={"legal_name": "X"}, token=other_tenant.admin).json
    path = {"organization_id": theirs["id"]}
    known = invoke("lifecycle/organization_contacts", method="POST", path=path, body=PERSON, token=other_tenant.admin).json["id"]

    persons = people(admin_engine, tenant)
    assert people(admin_engine, other_tenant) == {known: persons[ours["id"]]}
    assert persons[ours["id"]] != persons[stranger["id"]]

    moved = send("contact", stranger, {"email": "bo@bistro.example"}).json
    assert people(admin_engine, tenant)[stranger["id"]] not in persons.values()
    assert send("contact", moved, {"email": None}).status == 200
    assert set(people(admin_engine, tenant)) == {ours["id"]}


def test_nobody_waits_for_another_tenant_that_writes_the_same_address(add, other_tenant):
    address = f"{uuid4().hex}@bistro.example"  # nobody knew it before
    tx = db.begin(db.Job(other_tenant.id))
    link(tx, [Reachable(uuid4(), address)])

    add("contact", email=address)

    db.rollback(tx)


def test_one_email_is_one_contact_of_the_tenant(invoke, add, send, other_tenant):
    first = add("contact", **PERSON)
    refused = add("contact", expect=409, email="zoe@bistro.EXAMPLE")
    assert (refused["code"], refused["existing_id"], refused["errors"][0]["pointer"]) == ("contact_exists", first["id"], "#/email")
    second = add("contact", email="ann@bistro.example")
    patched = send("contact", second, {"email": PERSON["email"]})
    assert (patched.status, patched.json["existing_id"]) == (409, first["id"])
    assert send("contact", first, {"email": "ZOE@bistro.example"}).status == 200

    theirs = invoke("lifecycle/organizations", method="POST", body={"legal_name": "X"}, token=other_tenant.admin).json
    path = {"organization_id": theirs["id"]}
    assert invoke("lifecycle/organization_contacts", method="POST", path=path, body=PERSON, token=other_tenant.admin).status == 201


def test_a_deleted_contact_stands_in_nobodys_way(add, send, invoke):
    first = add("contact", **PERSON)
    assert send("contact", first).status == 204
    assert invoke("lifecycle/contact", path={"contact_id": first["id"]}).status == 404

    second = add("contact", **PERSON)

    assert (second["slug"], second["is_primary"]) == ("zoe-obrien-2", True)
    refused = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": first["id"]})
    assert (refused.status, refused.json["existing_id"]) == (409, second["id"])
    assert send("contact", second, {"email": None}).status == 200
    restored = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": first["id"]})
    assert (restored.status, restored.json["is_primary"], restored.json["deleted_at"]) == (200, False, None)
    again = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": first["id"]})
    assert again.json == restored.json


def test_a_contact_does_not_come_back_before_its_organization(add, invoke, organization, now):
    contact = add("contact", **PERSON)
    etag = {"If-Match": f'"{now()["version"]}"'}
    assert invoke("lifecycle/organization", method="DELETE", path={"organization_id": organization["id"]}, headers=etag).status == 204

    answer = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": contact["id"]})

    assert (answer.status, answer.json["code"]) == (409, "organization_deleted")


@pytest.mark.parametrize(
    ("kind", "body", "pointer"),
    [
        ("location", {"name": "A", "email": "nobody"}, "#/email"),
        ("location", {"name": "A", "website_url": "no site"}, "#/website_url"),
        ("location", {"name": "A", "latitude": 91}, "#/latitude"),
        ("location", {"name": "A", "seating_capacity": "5"}, "#/seating_capacity"),
        ("location", {}, "#/name"),
        ("contact", {}, "#/first_name"),
        ("contact", {"email": "nobody"}, "#/email"),
        ("contact", {"first_name": "A", "role_type": "boss"}, "#/role_type"),
        ("contact", {"first_name": "A", "location_id": str(uuid7())}, "#/location_id"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_with_the_place(add, kind, body, pointer):
    assert add(kind, expect=422, **body)["errors"][0]["pointer"] == pointer


def test_an_invalid_phone_is_kept_as_written_and_found_by_its_digits(add, invoke, organization):
    made = add("location", name="A", phone="555-0123")
    assert (made["phone"], made["phone_e164"]) == ("555-0123", None)
    assert found(invoke, "5550123") == [organization["id"]]


def test_a_contact_stands_at_a_location_of_its_own_organization(add, invoke, send):
    location = add("location", name="A")
    other = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Other"}).json
    elsewhere = invoke("lifecycle/organization_locations", method="POST", path={"organization_id": other["id"]}, body={"name": "B"}).json
    contact = add("contact", first_name="Ann", location_id=location["id"])
    refused = send("contact", contact, {"location_id": elsewhere["id"]})
    assert (contact["location_id"], refused.status, refused.json["errors"][0]["pointer"]) == (location["id"], 422, "#/location_id")
    assert send("contact", contact, {"location_id": None}).json["location_id"] is None


@pytest.mark.parametrize("kind", ["location", "contact"])
def test_roles_tenants_and_versions_are_kept(add, send, invoke, kind, tenant, other_tenant, organization):
    row = add(kind, **({"name": "A"} if kind == "location" else {"first_name": "A"}))
    body = {"phone": "305 555 0199"}
    path = {"organization_id": organization["id"]}

    assert send(kind, row, body, token=tenant.viewer).status == 403
    assert send(kind, row, body, token=other_tenant.admin).status == 404
    assert send(kind, row, token=other_tenant.admin).status == 404
    assert invoke(f"lifecycle/organization_{kind}s", path=path, token=other_tenant.admin).status == 404
    assert invoke(f"lifecycle/organization_{kind}s", method="POST", path=path, body={"name": "B"}, token=tenant.viewer).status in {403, 422}
    assert invoke(f"lifecycle/{kind}", method="PATCH", path={f"{kind}_id": row["id"]}, body=body).status == 428
    assert invoke(f"lifecycle/{kind}", path={f"{kind}_id": row["id"]}).json == row
    assert send(kind, row, body, token=tenant.editor).json["version"] == 2
    stale = send(kind, row, body)
    assert (stale.status, stale.etag) == (412, '"2"')


@pytest.mark.parametrize("kind", ["location", "contact"])
def test_pages_of_an_organization_follow_one_another(add, invoke, kind, organization):
    made = [add(kind, **({"name": f"P {n}"} if kind == "location" else {"first_name": f"P {n}"}))["id"] for n in range(5)]
    path, seen, cursor = {"organization_id": organization["id"]}, [], None
    while True:
        answer = invoke(f"lifecycle/organization_{kind}s", path=path, query={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        Page[Location if kind == "location" else Contact].model_validate_json(answer.body)
        seen += [one["id"] for one in answer.json["data"]]
        cursor = answer.json["next_cursor"]
        if cursor is None:
            break
    assert seen == made


def test_all_contacts_come_with_their_organization_and_every_filter_finds_its_own(add, invoke, organization, tenant):
    zoe = add("contact", **PERSON, is_decision_maker=True, source="fair")
    add("contact", first_name="Bob", portal_enabled=True, do_not_contact=True, status="inactive")
    add("location", name="Main", phone="3055550123")

    answer = invoke("lifecycle/admin_contacts", token=tenant.viewer)
    Page[ContactWithOrganization].model_validate_json(answer.body)
    assert answer.json["data"][0]["organization"] == {"id": organization["id"], "name": "Bistro", "lifecycle_stage": "prospect"}
    for query in (
        {"q": "obrien"}, {"q": "o'b"}, {"q": "zo"}, {"q": "212 555"}, {"q": "zoe@"}, {"email": "ZOE@bistro.example"}, {"role_type": "owner"},
        {"is_primary": "true"}, {"is_decision_maker": "true"}, {"portal_enabled": "false"}, {"do_not_contact": "false"}, {"status": "active"},
        {"source": "fair"}, {"organization_id": organization["id"], "q": "zoe"}, {"lifecycle_stage": "prospect", "is_primary": "true"},
    ):  # fmt: skip
        assert [one["id"] for one in invoke("lifecycle/admin_contacts", query=query).json["data"]] == [zoe["id"]], query
    for query in ({"lifecycle_stage": "client"}, {"organization_id": str(uuid7())}, {"email": "no@x.example"}, {"q": "%%%"}):
        assert invoke("lifecycle/admin_contacts", query=query).json["data"] == [], query


def test_two_first_contacts_at_once_make_one_primary(tenant, organization):
    """The second waits for the organization's row and must then see what the first has written."""
    first, second = (db.begin(db.Credential(tokens.digest(tenant.admin), access.EDITORS)) for _ in range(2))
    one = json.loads(contacts.create(first, organization["id"], ContactCreate(first_name="One")))
    made = []
    waiting = threading.Thread(
        target=lambda: made.append(json.loads(contacts.create(second, organization["id"], ContactCreate(first_name="Two"))))
    )
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    db.commit(first)
    waiting.join()
    db.commit(second)

    assert (one["is_primary"], made[0]["is_primary"]) == (True, False)


def test_an_email_taken_between_the_look_and_the_write_is_a_conflict_too(invoke, add, tenant):
    second_organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": "Second"}).json
    ann = add("contact", first_name="Ann")
    first, second = (db.begin(db.Credential(tokens.digest(tenant.admin), access.EDITORS)) for _ in range(2))
    contacts.create(first, second_organization["id"], ContactCreate(email="same@x.example"))
    refused = []

    def change():
        try:
            contacts.change(second, ann["id"], ContactPatch(email="same@x.example"), version=1)
        except contacts.ContactExists as problem:
            refused.append(problem.errors[0].pointer)
        finally:
            db.rollback(second)

    waiting = threading.Thread(target=change)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    db.commit(first)
    waiting.join()

    assert refused == ["#/email"]


def test_a_private_client_has_no_organization_to_keep_in_line(invoke, send, admin_engine, tenant):
    private = {"id": str(uuid7()), "version": 1}
    with admin_engine.connect() as connection:
        statement = (
            "insert into contacts (tenant_id, id, first_name, slug, name_norm, search_text) values (:t, :i, 'Pat', 'pat', 'pat', 'pat')"
        )
        connection.execute(text(statement), {"t": tenant.id, "i": private["id"]})

    changed = send("contact", private, {"email": "pat@home.example", "last_name": "Lee"})

    assert (changed.status, changed.json["organization_id"], changed.json["version"]) == (200, None, 2)
    assert invoke("lifecycle/admin_contacts", query={"q": "pat lee"}).json["data"][0]["organization"] is None
    assert send("contact", changed.json).status == 204
    assert invoke("lifecycle/contact_restore", method="POST", path={"contact_id": private["id"]}).status == 200
