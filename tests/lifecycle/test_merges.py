"""Two contacts become one, and two again: by their endpoints, on the real database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.merges.schemas import ContactMerge, MergePreview, MergeUndone
from clientway.schemas import Page
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)


@pytest.fixture
def run(admin_engine, tenant):
    """Run a statement outside row security; `:t` is the tenant."""

    def call(statement, **given):
        with admin_engine.connect() as connection:
            result = connection.execute(text(statement), {"t": tenant.id, **given})
            return result.all() if result.returns_rows else []

    return call


@pytest.fixture
def client(run):
    """A private client, by default with an organization of their own."""
    count = iter(range(1000))

    def make(*, own=True, stage="lead", **columns):
        contact_id, organization_id, n = uuid7(), uuid7(), next(count)
        if own:
            run(
                "insert into organizations (tenant_id, id, legal_name, slug, entity_type, lifecycle_stage, name_norm, search_text)"
                " values (:t, :o, 'Own', :slug, 'individual', :stage, 'own', 'own')", o=organization_id, slug=f"own-{n}", stage=stage,
            )  # fmt: skip
        given = {"first_name": "Ana", "name_norm": "ana", "search_text": "ana", **columns}
        given |= {"organization_id": organization_id} if own else {}
        names = ", ".join(given)
        run(
            f"insert into contacts (tenant_id, id, slug, is_primary, {names})"
            f" values (:t, :id, :slug, :own, {', '.join(f':{name}' for name in given)})",
            id=contact_id, slug=f"ana-{n}", own=own and "organization_id" in given, **given,
        )  # fmt: skip
        return contact_id

    return make


@pytest.fixture
def merge(invoke):
    def call(survivor, merged, *, preview=False, token=None, headers=None, **body):
        how = {"token": token} if token else {}
        function = "lifecycle/contact_merge_preview" if preview else "lifecycle/contact_merge"
        body = {"merged_id": str(merged), **body}
        return invoke(function, method="POST", path={"contact_id": survivor}, body=body, headers=headers, **how)

    return call


@pytest.fixture
def undo(invoke):
    def call(merge_id, **how):
        return invoke("lifecycle/merge_undo", method="POST", path={"merge_id": merge_id}, **how)

    return call


@pytest.fixture
def contact(run):
    def read(contact_id):
        [row] = run("select to_jsonb(c) from contacts c where tenant_id = :t and id = :id", id=contact_id)
        return row[0]

    return read


def code(answer):
    return answer.status, answer.json.get("code")


def test_a_merge_fills_what_is_missing_and_takes_what_is_chosen(merge, client, contact, invoke, run):
    survivor = client(first_name="Ana", last_name="Ruiz", email="ana@home.example", email_norm="ana@home.example")
    merged = client(first_name="Anna", phone="305 555 0123", phone_e164="+13055550123", birth_date="1980-03-12", title="Chef")

    shown = merge(survivor, merged, preview=True, choices={"first_name": "merged"})
    preview = MergePreview.model_validate_json(shown.body)
    assert {field.name: field.value for field in preview.fields if field.name in ("first_name", "last_name", "title")} == {
        "first_name": "Anna", "last_name": "Ruiz", "title": "Chef"}  # fmt: skip
    assert contact(merged)["merged_into"] is None

    answer = merge(survivor, merged, choices={"first_name": "merged"}, reason="Twice in the book")

    assert answer.status == 201, answer.body
    done = ContactMerge.model_validate_json(answer.body)
    now = contact(survivor)
    assert (now["first_name"], now["last_name"], now["birth_date"], now["phone_e164"]) == ("Anna", "Ruiz", "1980-03-12", "+13055550123")
    assert (now["name_norm"], "3055550123" in now["search_text"]) == ("anna ruiz", True)
    gone = contact(merged)
    assert (gone["merged_into"], gone["deleted_at"] is not None) == (str(survivor), True)
    read = invoke("lifecycle/merge", path={"merge_id": done.id})
    assert ContactMerge.model_validate_json(read.body) == done
    [(activity, organization)] = run("select activity_type, organization_id from activities where tenant_id = :t and contact_id = :c", c=survivor)
    assert (activity, str(organization)) == ("contact_merged", now["organization_id"])
    assert run("select 1 from audit_log where tenant_id = :t and action = 'contact.merged' and object_id = :c", c=survivor)
    assert run("select 1 from outbox where tenant_id = :t and topic = 'contact.merged'")


def test_undo(merge, client, contact, undo, run):
    survivor = client(first_name="Ana", email="ana@home.example", email_norm="ana@home.example")
    merged = client(first_name="Anna", email="anna@work.example", email_norm="anna@work.example", title="Chef")
    before = contact(survivor), contact(merged)
    done = merge(survivor, merged, choices={"email": "merged"}).json
    assert contact(survivor)["email"] == "anna@work.example"

    answer = undo(done["id"])

    assert answer.status == 200, answer.body
    told = MergeUndone.model_validate_json(answer.body)
    assert (told.kept, told.kept_fields, told.lost_fields) == ({}, [], [])
    assert told.given_back == {"contact_emails": 1}
    for one, former in zip((survivor, merged), before, strict=True):
        now = contact(one)
        assert {name: value for name, value in now.items() if name not in ("version", "updated_at", "search_text", "name_norm")} == {
            name: value for name, value in former.items() if name not in ("version", "updated_at", "search_text", "name_norm")}  # fmt: skip
