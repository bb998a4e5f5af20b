"""Suggestions of duplicates: found by a look at what changed, listed, dismissed, opened again."""

import importlib
import json

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.duplicates import service
from clientway.lifecycle.duplicates.schemas import DuplicateScanned, DuplicateSuggestion
from clientway.schemas import Page
from tests.fixtures import EVENTS, LambdaContext
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)


@pytest.fixture
def add(admin_engine, tenant):
    """Insert a contact, as an import would."""
    count = iter(range(10_000))

    def call(first, last, *, owner=tenant, address=None, **columns):
        contact_id, n = uuid7(), next(count)
        given = {"first_name": first, "last_name": last, **columns}
        given |= {"email_norm": columns["email"]} if "email" in columns else {}
        given |= {"phone_e164": columns["phone"]} if "phone" in columns else {}
        with admin_engine.connect() as connection:
            connection.execute(
                text(
                    f"insert into contacts (tenant_id, id, slug, name_norm, search_text, {', '.join(given)})"
                    f" values (:t, :id, :slug, '', '', {', '.join(f':{name}' for name in given)})"
                ),
                {"t": owner.id, "id": contact_id, "slug": f"c-{n}", **given},
            )
            if address:
                connection.execute(
                    text(
                        "insert into contact_addresses (tenant_id, id, contact_id, address1, city, postal, address_key)"
                        " values (:t, :id, :c, :line, 'Miami', '33101', :key)"
                    ),
                    {"t": owner.id, "id": uuid7(), "c": contact_id, "line": address, "key": address.lower()},
                )
        return contact_id

    return call


@pytest.fixture
def scan(invoke):
    def call(**how):
        body = how.pop("body", {})
        return invoke("lifecycle/duplicates_scan", method="POST", body=body, **how)

    return call


@pytest.fixture
def listed(invoke):
    def call(**query):
        answer = invoke("lifecycle/duplicates", query=query)
        assert answer.status == 200, answer.body
        return Page[DuplicateSuggestion].model_validate_json(answer.body).data

    return call


def pairs(found):
    return {frozenset((one.contact.id, one.other.id)) for one in found}


def test_a_look_finds_who_may_be_one_person(add, scan, listed):
    ana = add("Ana", "Ruiz", phone="+13055550123")
    again = add("Ann", "Ruiz", phone="+13055550123")
    add("Zoe", "Miller", phone="+13055550199")

    answer = scan()

    assert DuplicateScanned.model_validate_json(answer.body) == DuplicateScanned(scanned=3, suggested=1, complete=True)
    [found] = listed()
    assert pairs([found]) == {frozenset((ana, again))}
    assert sum(reason.points for reason in found.reasons) == found.score
    assert (found.status, found.match) == ("open", "suggestion" if found.score < 70 else "automatic")
    assert scan().json["scanned"] == 0


def test_what_changes_is_looked_at_again(add, scan, listed, invoke):
    ana, other = add("Ana", "Ruiz"), add("Ana", "Ruiz")
    scan()
    assert listed() == []

    for one in (ana, other):
        row = invoke("lifecycle/contact", path={"contact_id": one})
        invoke(
            "lifecycle/contact", method="PATCH", path={"contact_id": one}, body={"phone": "+13055550123"}, headers={"If-Match": row.etag}
        )
    assert scan().json["scanned"] == 2

    assert pairs(listed()) == {frozenset((ana, other))}


def test_a_new_address_counts_as_a_change(add, scan, listed, admin_engine, tenant):
    ana = add("Ana", "Ruiz", address="12 Oak St")
    other = add("Ana", "Ruiz")
    scan()
    assert listed() == []

    with admin_engine.connect() as connection:
        connection.execute(
            text(
                "insert into contact_addresses (tenant_id, id, contact_id, address1, city, postal)"
                " values (:t, :id, :c, '12 Oak Street', 'Miami', '33101')"
            ),
            {"t": tenant.id, "id": uuid7(), "c": other},
        )
    assert scan().json["scanned"] == 1

    assert pairs(listed()) == {frozenset((ana, other))}


def test_one_contact_is_looked_at_at_once(add, flights, listed):  # noqa: F811
    assert listed() == []
    add("Ana", "Ruiz", email="ana@home.example")
    other = add("Ana", "Ruiz", email="ana+shop@home.example")
    add("Bob", "Ray", phone="+13055550123")
    add("Bob", "Ray", phone="+13055550123")

    count, answer = flights("duplicates_scan", method="POST", body={"contact_id": str(other)})
    assert answer.json == {"scanned": 4, "suggested": 1, "complete": True}
    assert count <= 6
    assert len(listed()) == 2
    assert len(listed(contact_id=other)) == 1


def test_a_phone_of_three_is_nobodys(add, scan, listed):
    for name in ("Ana", "Bo", "Cy"):
        add(name, None, phone="+13055550123")
    scan()

    assert listed() == []


def test_deleted_contacts_and_other_tenants_are_left_out(add, scan, listed, invoke, other_tenant):
    add("Ana", "Ruiz", phone="+13055550123")
    add("Ana", "Ruiz", phone="+13055550123", owner=other_tenant)
    gone = add("Ana", "Ruiz", phone="+13055550123")
    row = invoke("lifecycle/contact", path={"contact_id": gone})
    assert invoke("lifecycle/contact", method="DELETE", path={"contact_id": gone}, headers={"If-Match": row.etag}).status == 204
    scan()

    assert listed() == []


def test_a_suggestion_of_a_contact_that_is_deleted_is_no_longer_shown(add, scan, listed, invoke):
    add("Ana", "Ruiz", phone="+13055550123")
    gone = add("Ana", "Ruiz", phone="+13055550123")
    scan()
    assert len(listed()) == 1
    row = invoke("lifecycle/contact", path={"contact_id": gone})
    invoke("lifecycle/contact", method="DELETE", path={"contact_id": gone}, headers={"If-Match": row.etag})

    assert listed() == []


@pytest.fixture
def suggestion(add, scan, listed):
    add("Ana", "Ruiz", phone="+13055550123")
    add("Ana", "Ruiz", phone="+13055550123")
    scan()
    return listed()[0]


def patch(invoke, suggestion, status, *, version=None, **how):
    headers = {"If-Match": f'"{version or suggestion.version}"'}
    path = {"suggestion_id": suggestion.id}
    return invoke("lifecycle/duplicate", method="PATCH", path=path, body={"status": status}, headers=headers, **how)


def test_a_dismissed_pair_stays_dismissed(suggestion, invoke, listed, scan, run_audit):
    answer = patch(invoke, suggestion, "dismissed")

    assert DuplicateSuggestion.model_validate_json(answer.body).status == "dismissed"
    assert run_audit("duplicate.updated") == 1
    assert listed() == []
    assert len(listed(status="dismissed")) == 1
    scan(body={"contact_id": str(suggestion.contact.id)})
    assert listed() == []
    again = patch(invoke, suggestion, "open", version=answer.json["version"])
    assert again.json["status"] == "open"
    assert len(listed()) == 1


@pytest.fixture
def run_audit(admin_engine, tenant):
    def count(action):
        with admin_engine.connect() as connection:
            return connection.execute(
                text("select count(*) from audit_log where tenant_id = :t and action = :a"), {"t": tenant.id, "a": action}
            ).scalar()

    return count


def test_dismissing_is_refused(suggestion, invoke, tenant, other_tenant, listed, admin_engine):
    assert patch(invoke, suggestion, "dismissed", token=tenant.viewer).status == 403
    assert patch(invoke, suggestion, "dismissed", token=other_tenant.admin).status == 404
    assert patch(invoke, suggestion, "dismissed", version=9).status == 412
    wrong = patch(invoke, suggestion, "merged")
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "#/status")
    assert len(listed()) == 1
    with admin_engine.connect() as connection:
        connection.execute(text("update duplicate_suggestions set status = 'merged' where id = :id"), {"id": suggestion.id})
    refused = patch(invoke, suggestion, "open")
    assert (refused.status, refused.json["code"]) == (409, "suggestion_merged")


def test_scanning_is_refused(scan, tenant, other_tenant, add):
    theirs = add("Ana", "Ruiz", owner=other_tenant)

    assert scan(token=tenant.viewer).status == 403
    assert scan(body={"contact_id": str(theirs)}).status == 404
    assert scan(body={"contact_id": "x"}).json["errors"][0]["pointer"] == "#/contact_id"


def test_the_list_pages_by_score(add, scan, invoke, listed):
    for n in range(4):
        add("Ana", f"R{chr(97 + n) * 4}", phone=f"+1305555012{n}")
        add("Ana" if n % 2 else "Ann", f"R{chr(97 + n) * 4}", phone=f"+1305555012{n}")
    scan()
    whole = listed()
    assert [one.score for one in whole] == sorted((one.score for one in whole), reverse=True)

    seen, cursor = [], None
    for _ in range(4):
        answer = invoke("lifecycle/duplicates", query={"limit": 1, **({"cursor": cursor} if cursor else {})})
        seen += [one["id"] for one in answer.json["data"]]
        cursor = answer.json["next_cursor"]
    assert seen == [str(one.id) for one in whole]
    assert cursor is None
    assert len(listed(min_score=whole[0].score)) < 4


def test_a_request_looks_at_so_many_and_says_so(add, scan, monkeypatch):
    monkeypatch.setattr(service, "AT_ONCE", 2)
    for n in range(3):
        add(f"N{n}", "X")

    assert scan().json == {"scanned": 2, "suggested": 0, "complete": False}
    assert scan().json == {"scanned": 1, "suggested": 0, "complete": True}


def test_the_schedule_looks_at_every_tenant_batch_by_batch(add, listed, monkeypatch, ours_alone, other_tenant):
    monkeypatch.setattr(service, "BATCH", 2)
    wanted = set()
    for n in range(3):
        ids = [add("Ana", f"N{chr(97 + n) * 4}", phone=f"+1305555012{n}") for _ in range(2)]
        wanted.add(frozenset(ids))
    add("Ana", "Ruiz", owner=other_tenant)
    event = json.loads((EVENTS / "lifecycle/find_duplicates.json").read_text())

    done = importlib.import_module("lifecycle.find_duplicates").handler(event, Patient())

    assert done["contacts"] >= 7
    assert pairs(listed()) == wanted
    assert importlib.import_module("lifecycle.find_duplicates").handler(event, Patient()) == {"contacts": 0}


class Patient(LambdaContext):
    """A context with all the time that the function has."""

    def get_remaining_time_in_millis(self):
        return 300_000
