"""Addresses, notes and consents of contacts."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.addresses import service as addresses
from clientway.lifecycle.addresses.schemas import AddressInput, ContactAddress
from clientway.lifecycle.consents.schemas import ConsentEvent
from clientway.lifecycle.notes.schemas import ContactNote
from clientway.schemas import Page
from tests.lifecycle.merging import at_once  # noqa: F401  (fixture)

HOME = {
    "label": "home",
    "address1": "12 Main Street",
    "city": "Austin",
    "state": "Texas",
    "postal": "78701-1234",
    "time_zone": "America/Chicago",
}


@pytest.fixture
def ann(invoke):
    """A private client."""
    return invoke("lifecycle/clients", method="POST", body={"first_name": "Ann", "email": "ann@example.com"}).json


@pytest.fixture
def default_of(invoke):
    """The id of a contact's default address by now."""
    return lambda contact: invoke("lifecycle/contact", path={"contact_id": contact["id"]}).json["default_address_id"]


@pytest.fixture
def add(invoke, ann):
    """Add an address, a note or a consent."""

    def call(kind, expect=201, **body):
        answer = invoke(f"lifecycle/contact_{kind}", method="POST", path={"contact_id": ann["id"]}, body=body)
        assert answer.status == expect, answer.body
        return answer.json

    return call


@pytest.fixture
def send(invoke):
    """Change or delete an address or a note."""

    def call(kind, row, body=None, *, version=None, **how):
        how.setdefault("headers", {"If-Match": f'"{version or row["version"]}"'})
        method = "DELETE" if body is None else "PATCH"
        return invoke(f"lifecycle/contact_{kind}", method=method, path={f"{kind}_id": row["id"]}, body=body, **how)

    return call


def test_no_contact_has_more_than_fifty_addresses_even_by_two_at_once(ann, at_once, invoke, admin_engine, tenant):  # noqa: F811
    with admin_engine.connect() as connection:
        statement = "insert into contact_addresses (tenant_id, id, contact_id, address1) select :t, gen_random_uuid(), :c, n::text from generate_series(1, 48) n"
        connection.execute(text(statement), {"t": tenant.id, "c": ann["id"]})
    one = partial(addresses.create, contact_id=UUID(ann["id"]), address=AddressInput(address1="1 Main St"))

    assert at_once(*[one] * 4) == {None, "limit_reached"}
    listed = invoke("lifecycle/contact_addresses", path={"contact_id": ann["id"]}, query={"limit": 100}).json
    assert len(listed["data"]) == 50


def test_the_first_address_is_the_default(ann, add, default_of, invoke, admin_engine):
    home = add("addresses", **HOME)
    assert (home["state"], home["country"], home["is_default"], home["version"]) == ("TX", "US", True, 1)
    assert default_of(ann) == home["id"]
    answer = invoke("lifecycle/contact_address", path={"address_id": home["id"]})
    assert answer.json == home
    ContactAddress.model_validate_json(answer.body)
    with admin_engine.connect() as connection:
        key = connection.execute(text("select address_key from contact_addresses where id = :i"), {"i": home["id"]}).scalar_one()
    assert key == "12 main st|78701|TX"


def test_another_default_takes_over_and_hands_on(ann, add, send, default_of, invoke):
    home, work = add("addresses", **HOME), add("addresses", address1="1 Work Rd", is_default=True)
    shop = add("addresses", address1="3 Shop Ln")
    assert (default_of(ann), shop["is_default"]) == (work["id"], False)
    changed = send("address", shop, {"is_default": True, "label": "shop"})
    assert (changed.status, changed.json["is_default"], changed.json["label"], changed.etag) == (200, True, "shop", '"2"')
    assert changed.json == invoke("lifecycle/contact_address", path={"address_id": shop["id"]}).json
    assert send("address", changed.json).status == 204
    assert default_of(ann) == home["id"]
    assert send("address", home).status == 204
    assert default_of(ann) == work["id"]
    assert send("address", work).status == 204
    assert default_of(ann) is None
    assert invoke("lifecycle/contact_addresses", path={"contact_id": ann["id"]}).json["data"] == []
    deleted = invoke("lifecycle/contact_addresses", path={"contact_id": ann["id"]}, query={"include_deleted": "true"}).json["data"]
    assert [one["id"] for one in deleted] == [home["id"], work["id"], shop["id"]]


def test_an_address_chosen_by_a_change_of_the_contact(ann, add, invoke, default_of):
    add("addresses", **HOME)
    work = add("addresses", address1="1 Work Rd")
    body, headers = {"default_address_id": work["id"]}, {"If-Match": '"2"'}
    assert invoke("lifecycle/contact", method="PATCH", path={"contact_id": ann["id"]}, body=body, headers=headers).status == 200
    assert default_of(ann) == work["id"]
    other = invoke("lifecycle/clients", method="POST", body={"first_name": "Bo"}).json
    refused = invoke("lifecycle/contact", method="PATCH", path={"contact_id": other["id"]}, body=body, headers={"If-Match": '"1"'})
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "unknown_address")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "#/address1", "missing"), ({"address1": "x", "postal": "123"}, "#/postal", "invalid_postal"),
        ({"address1": "x", "time_zone": "localtime"}, "#/time_zone", "unknown_time_zone"), ({"address1": "x", "latitude": 91}, "#/latitude", "less_than_equal"),
        ({"address1": "x", "country": "usa"}, "#/country", "string_pattern_mismatch"), ({"address1": " "}, "#/address1", "string_too_short"),
    ],
)  # fmt: skip
def test_an_address_that_breaks_a_rule_is_refused(add, body, pointer, code):
    errors = add("addresses", 422, **body)["errors"]
    assert (pointer, code) in [(one["pointer"], one["code"]) for one in errors]


def test_a_note_stands_on_the_timeline(ann, add, send, invoke, admin_engine):
    note = add("notes", body="Likes it early.\nHas a dog.", pinned=True)
    ContactNote.model_validate(note, strict=False)
    with admin_engine.connect() as connection:
        line = connection.execute(
            text("select activity_type, title, description, metadata from activities where contact_id = :c"), {"c": ann["id"]}
        ).one()
    assert tuple(line) == ("note_added", "Likes it early.", "Likes it early.\nHas a dog.", {"note_id": note["id"]})
    changed = send("note", note, {"pinned": False})
    assert (changed.json["pinned"], changed.json["body"], changed.etag) == (False, note["body"], '"2"')
    assert changed.json == invoke("lifecycle/contact_note", path={"note_id": note["id"]}).json
    assert invoke("lifecycle/contact_notes", path={"contact_id": ann["id"]}, query={"pinned": "true"}).json["data"] == []
    assert send("note", changed.json).status == 204
    assert invoke("lifecycle/contact_note", path={"note_id": note["id"]}).status == 404
    assert send("note", note, {"pinned": True}, version=3).status == 404


@pytest.mark.parametrize(("kind", "body"), [("address", {"address1": "x"}), ("note", {"body": "x"})])
def test_refusals(ann, add, send, invoke, tenant, other_tenant, kind, body):
    many = {"address": "addresses", "note": "notes"}[kind]
    row = add(many, **body)
    assert send(kind, row, body, headers={}).status == 428
    assert send(kind, row, body, version=9).status == 412
    assert send(kind, row, version=9).status == 412
    assert send(kind, {**row, "id": str(uuid7())}, body).status == 404
    for token, status in ((tenant.viewer, 403), (other_tenant.admin, 404)):
        assert invoke(f"lifecycle/contact_{many}", method="POST", path={"contact_id": ann["id"]}, body=body, token=token).status == status
        assert send(kind, row, body, token=token).status == status
        assert send(kind, row, token=token).status == status
    assert invoke(f"lifecycle/contact_{many}", path={"contact_id": ann["id"]}, token=other_tenant.admin).status == 404
    assert invoke(f"lifecycle/contact_{kind}", path={f"{kind}_id": row["id"]}, token=other_tenant.admin).status == 404
    assert invoke(f"lifecycle/contact_{kind}", path={f"{kind}_id": row["id"]}).json["version"] == 1


def test_lists_have_pages(ann, add, invoke):
    for number in range(3):
        add("addresses", address1=f"{number} Main St")
        add("notes", body=str(number))
        add("consents", channel="sms", purpose="marketing", state="granted", source=str(number))
    for kind, model in (("addresses", ContactAddress), ("notes", ContactNote), ("consents", ConsentEvent)):
        path = {"contact_id": ann["id"]}
        first = invoke(f"lifecycle/contact_{kind}", path=path, query={"limit": 2})
        page = Page[model].model_validate_json(first.body)
        rest = Page[model].model_validate_json(
            invoke(f"lifecycle/contact_{kind}", path=path, query={"limit": 2, "cursor": page.next_cursor}).body
        )
        assert (len({one.id for one in page.data + rest.data}), rest.has_more) == (3, False)


GRANT = {"channel": "email", "purpose": "marketing", "state": "granted", "source": "web_form"}


def test_the_latest_that_occurred_counts_whenever_it_was_written(ann, add, invoke):
    now = datetime.now(UTC)
    path = {"contact_id": ann["id"]}
    granted = add(
        "consents", **GRANT, text_shown="May we write?", evidence={"form": 7, "ok": True}, occurred_at=str(now - timedelta(days=2))
    )
    assert (granted["is_current"], granted["evidence"], granted["actor_type"]) == (True, {"form": 7, "ok": True}, "api_key")
    denied = add("consents", **{**GRANT, "state": "denied"}, occurred_at=str(now - timedelta(days=1)))
    assert denied["is_current"] is True
    late = add("consents", **GRANT, occurred_at=str(now - timedelta(days=3)))
    assert late["is_current"] is False
    add("consents", **{**GRANT, "channel": "sms"})
    ledger = invoke("lifecycle/contact_consents", path=path, query={"channel": "email"}).json["data"]
    assert [(one["id"], one["is_current"]) for one in ledger] == [(denied["id"], True), (granted["id"], False), (late["id"], False)]
    current = invoke("lifecycle/contact_consents", path=path, query={"current": "true"}).json["data"]
    assert sorted((one["channel"], one["state"]) for one in current) == [("email", "denied"), ("sms", "granted")]


def test_who_denies_marketing_e_mails_is_unsubscribed_until_they_allow_them(ann, add, invoke):
    def unsubscribed():
        return invoke("lifecycle/contact", path={"contact_id": ann["id"]}).json["unsubscribed_at"]

    add("consents", **{**GRANT, "channel": "sms", "state": "denied"})
    assert unsubscribed() is None
    denied = add("consents", **{**GRANT, "state": "denied"})
    assert unsubscribed() == denied["occurred_at"]
    add("consents", **GRANT, occurred_at=str(datetime.now(UTC) - timedelta(days=1)))
    assert unsubscribed() == denied["occurred_at"]
    add("consents", **GRANT)
    assert unsubscribed() is None


def test_a_consent_is_told_and_its_ip_is_hashed(ann, add, admin_engine):
    one, same, other = (add("consents", **GRANT, ip=ip)["ip_hash"] for ip in ("2001:db8::1", "2001:0db8:0::1", "203.0.113.7"))
    assert one == same != other
    with admin_engine.connect() as connection:
        lines = connection.execute(text("select title, metadata ->> 'state' from activities where contact_id = :c"), {"c": ann["id"]}).all()
        everything = connection.execute(text("select string_agg(to_jsonb(e)::text, '') from consent_events e")).scalar_one()
    assert [tuple(line) for line in lines] == [("Consent granted: marketing by e-mail", "granted")] * 3
    assert "203.0.113.7" not in everything


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"channel": "fax"}, "#/channel"), ({"ip": "example.com"}, "#/ip"), ({"source": ""}, "#/source"), ({"state": "maybe"}, "#/state"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "#/occurred_at"), ({"evidence": {"a": [1]}}, "#/evidence/a"),
        ({"evidence": {"a": "\x00"}}, "#/evidence/a"), ({"evidence": {"\x00": 1}}, "#/evidence"),
    ],
)  # fmt: skip
def test_a_consent_that_breaks_a_rule_is_refused(add, change, pointer):
    errors = add("consents", 422, **{**GRANT, **change})["errors"]
    assert any(one["pointer"].startswith(pointer) for one in errors), errors


def test_consents_are_of_ones_own_tenant_and_viewers_only_read(ann, invoke, tenant, other_tenant):
    path = {"contact_id": ann["id"]}
    assert invoke("lifecycle/contact_consents", method="POST", path=path, body=GRANT, token=tenant.viewer).status == 403
    assert invoke("lifecycle/contact_consents", method="POST", path=path, body=GRANT, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/contact_consents", path=path, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/contact_consents", path=path, token=tenant.viewer).json["data"] == []
