"""Contacts' several e-mails and phones: their endpoints, and that they follow the contact whoever writes it."""

import json
import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from clientway import access, db, effects, tokens
from clientway.ids import uuid7
from clientway.lifecycle.contacts.schemas import Contact, ContactEmail, ContactPhone
from clientway.lifecycle.contacts.service import ContactExists
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.lifecycle.reach import service as reach
from clientway.lifecycle.reach.schemas import ContactEmailCreate
from clientway.schemas import Page


@pytest.fixture
def ann(invoke):
    """A private client with an e-mail and a phone."""
    body = {"first_name": "Ann", "email": "Ann@One.example", "phone": "305 555 0101"}
    return invoke("lifecycle/clients", method="POST", body=body).json


@pytest.fixture
def read(invoke):
    """Read a contact, and see that the answer says what the lists say."""

    def call(contact_id):
        answer = invoke("lifecycle/contact", path={"contact_id": contact_id})
        Contact.model_validate_json(answer.body)
        for kind in ("emails", "phones"):
            rows = invoke(f"lifecycle/contact_{kind}", path={"contact_id": contact_id}).json["data"]
            assert sorted(rows, key=lambda row: row["id"]) == sorted(answer.json[kind], key=lambda row: row["id"])
        return answer.json

    return call


@pytest.fixture
def send(invoke, read):
    """POST, PATCH or DELETE an e-mail or a phone with the contact's version."""

    def call(method, kind, contact_id, row_id=None, body=None, **how):
        if method == "POST":
            return invoke(f"lifecycle/contact_{kind}s", method="POST", path={"contact_id": contact_id}, body=body, **how)
        how.setdefault("headers", {"If-Match": f'"{read(contact_id)["version"]}"'})
        path = {"contact_id": contact_id, f"{kind}_id": row_id}
        return invoke(f"lifecycle/contact_{kind}", method=method, path=path, body=body, **how)

    return call


def test_a_second_e_mail_becomes_primary_and_the_first_stays(ann, send, read, invoke):
    added = send("POST", "email", ann["id"], body={"email": "Ann@Two.example", "label": "work"})
    assert (added.status, added.json["is_primary"], added.etag) == (201, False, '"2"')
    ContactEmail.model_validate_json(added.body)
    changed = send("PATCH", "email", ann["id"], added.json["id"], {"is_primary": True})
    assert (changed.status, changed.json["is_primary"]) == (200, True)
    row = read(ann["id"])
    assert (row["email"], f'"{row["version"]}"') == ("Ann@Two.example", changed.etag)
    assert [(one["email"], one["is_primary"], one["label"]) for one in row["emails"]] == [
        ("Ann@Two.example", True, "work"), ("Ann@One.example", False, None),
    ]  # fmt: skip
    assert [one["id"] for one in invoke("lifecycle/clients", query={"q": "ann@one"}).json["data"]] == [ann["id"]]


def test_adding_a_primary_phone(ann, send, read):
    added = send("POST", "phone", ann["id"], body={"phone": "(305) 555-0102", "is_primary": True})
    ContactPhone.model_validate_json(added.body)
    row = read(ann["id"])
    assert (row["phone"], row["phone_e164"]) == ("(305) 555-0102", "+13055550102")
    assert [one["is_primary"] for one in row["phones"]] == [True, False]
    assert added.json in row["phones"]


def test_the_first_phone_is_primary_anyway(invoke, send, read):
    contact = invoke("lifecycle/clients", method="POST", body={"first_name": "Bo"}).json
    assert send("POST", "phone", contact["id"], body={"phone": "call the porter"}).json["is_primary"] is True
    row = read(contact["id"])
    assert (row["phone"], row["phone_e164"]) == ("call the porter", None)


def test_when_the_primary_goes_the_oldest_that_stays_follows(ann, send, read, invoke):
    for number in (2, 3):
        send("POST", "email", ann["id"], body={"email": f"ann{number}@x.example"})
    primary = read(ann["id"])["emails"][0]
    assert send("DELETE", "email", ann["id"], primary["id"]).status == 204
    row = read(ann["id"])
    assert (row["email"], [one["email"] for one in row["emails"]]) == ("ann2@x.example", ["ann2@x.example", "ann3@x.example"])
    for one in reversed(row["emails"]):
        assert send("DELETE", "email", ann["id"], one["id"]).status == 204
    assert (read(ann["id"])["email"], read(ann["id"])["emails"]) == (None, [])
    assert invoke("lifecycle/clients", query={"q": "ann3@x"}).json["data"] == []


def test_the_last_way_to_know_somebody_stays(invoke, send, read):
    contact = invoke("lifecycle/clients", method="POST", body={"phone": "305 555 0101"}).json
    answer = send("DELETE", "phone", contact["id"], read(contact["id"])["phones"][0]["id"])
    assert (answer.status, answer.json["code"]) == (409, "last_reach")
    assert read(contact["id"])["phone"] == "305 555 0101"


def test_an_e_mail_belongs_to_one(ann, send, invoke, read):
    bob = invoke("lifecycle/clients", method="POST", body={"first_name": "Bob"}).json
    send("POST", "email", ann["id"], body={"email": "ann@two.example"})
    for attempt in (
        send("POST", "email", bob["id"], body={"email": "ANN@two.example"}),
        invoke("lifecycle/clients", method="POST", body={"email": "ann@Two.example"}),
        invoke(
            "lifecycle/contact",
            method="PATCH",
            path={"contact_id": bob["id"]},
            body={"email": "ann@two.example"},
            headers={"If-Match": '"1"'},
        ),
    ):
        assert (attempt.status, attempt.json["code"], attempt.json["existing_id"]) == (409, "contact_exists", ann["id"])
    again = send("POST", "email", ann["id"], body={"email": "ann@two.example"})
    assert (again.status, again.json["code"]) == (409, "email_exists")
    # Their own second one may become the first by a change of the contact, too.
    patched = invoke(
        "lifecycle/contact", method="PATCH", path={"contact_id": ann["id"]}, body={"email": "ann@two.example"}, headers={"If-Match": '"2"'}
    )
    assert patched.status == 200
    assert json.loads(patched.body)["emails"] == read(ann["id"])["emails"]
    assert [one["is_primary"] for one in patched.json["emails"]] == [True, False]


def test_a_phone_may_be_of_several(ann, send, invoke, read):
    for name in ("Bo", "Cy"):
        invoke("lifecycle/clients", method="POST", body={"first_name": name, "phone": "+1 305 555 0101"})
    assert read(ann["id"])["phones"][0]["shared"] is True
    other = send("POST", "phone", ann["id"], body={"phone": "305 555 0102"})
    assert other.json["shared"] is False
    again = send("POST", "phone", ann["id"], body={"phone": "+1 (305) 555 0102"})
    assert (again.status, again.json["code"], again.json["existing_id"]) == (409, "phone_exists", other.json["id"])


@pytest.mark.parametrize("kind", ["email", "phone"])
def test_five_at_most(ann, send, kind):
    value = {"email": "ann{}@x.example", "phone": "305 555 011{}"}[kind]
    statuses = [send("POST", kind, ann["id"], body={kind: value.format(number)}).status for number in range(5)]
    assert statuses == [201, 201, 201, 201, 409]


@pytest.mark.parametrize("kind", ["email", "phone"])
def test_refusals(ann, send, read, invoke, tenant, other_tenant, kind):
    row = read(ann["id"])[f"{kind}s"][0]
    path = {"contact_id": ann["id"], f"{kind}_id": row["id"]}
    body = {"label": "home"}
    assert send("PATCH", kind, ann["id"], row["id"], body, headers={}).status == 428
    assert send("PATCH", kind, ann["id"], row["id"], body, headers={"If-Match": '"9"'}).status == 412
    assert send("DELETE", kind, ann["id"], row["id"], headers={"If-Match": '"9"'}).status == 412
    assert send("PATCH", kind, ann["id"], uuid7(), body).status == 404
    assert send("PATCH", kind, ann["id"], row["id"], {"is_primary": False}).status == 422
    for token, status in ((tenant.viewer, 403), (other_tenant.admin, 404)):
        assert send("POST", kind, ann["id"], body={kind: "ann@new.example"}, token=token).status == status
        assert send("PATCH", kind, ann["id"], row["id"], body, token=token).status == status
        assert send("DELETE", kind, ann["id"], row["id"], token=token).status == status
    assert invoke(f"lifecycle/contact_{kind}s", path=path, token=other_tenant.admin).status == 404
    assert read(ann["id"])["version"] == 1
    if kind == "email":
        answer = send("POST", kind, ann["id"], body={"email": "no"})
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "#/email")


def test_a_list_of_e_mails_has_pages(ann, send, invoke):
    for number in range(3):
        send("POST", "email", ann["id"], body={"email": f"a{number}@x.example"})
    seen, cursor = [], None
    while True:
        answer = invoke(
            "lifecycle/contact_emails", path={"contact_id": ann["id"]}, query={"limit": 2} | ({"cursor": cursor} if cursor else {})
        )
        page = Page[ContactEmail].model_validate_json(answer.body)
        seen += [one.email for one in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["Ann@One.example", "a0@x.example", "a1@x.example", "a2@x.example"]


def test_a_deleted_contacts_e_mails_are_free_and_may_keep_it_from_coming_back(ann, send, read, invoke):
    send("POST", "email", ann["id"], body={"email": "ann@two.example"})
    version = read(ann["id"])["version"]
    invoke("lifecycle/contact", method="DELETE", path={"contact_id": ann["id"]}, headers={"If-Match": f'"{version}"'})
    bob = invoke("lifecycle/clients", method="POST", body={"email": "ann@two.example"})
    assert bob.status == 201
    answer = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": ann["id"]})
    assert (answer.status, answer.json["code"], answer.json["existing_id"]) == (409, "contact_exists", bob.json["id"])
    invoke("lifecycle/contact", method="DELETE", path={"contact_id": bob.json["id"]}, headers={"If-Match": '"1"'})
    assert invoke("lifecycle/contact_restore", method="POST", path={"contact_id": ann["id"]}).status == 200
    assert len(read(ann["id"])["emails"]) == 2


def test_an_organizations_people_stay_away_if_any_e_mail_of_theirs_is_taken(invoke, send):
    organization = invoke("lifecycle/organizations", method="POST", body={"legal_name": "A"}).json
    path = {"organization_id": organization["id"]}
    contact = invoke("lifecycle/organization_contacts", method="POST", path=path, body={"email": "a@a.example"}).json
    send("POST", "email", contact["id"], body={"email": "b@a.example"})
    current = invoke("lifecycle/organization", path=path)
    assert invoke("lifecycle/organization", method="DELETE", path=path, headers={"If-Match": current.etag}).status == 204
    other = invoke("lifecycle/clients", method="POST", body={"email": "b@a.example"}).json
    answer = invoke("lifecycle/organization_restore", method="POST", path=path)
    assert (answer.status, answer.json["existing_id"]) == (409, other["id"])


def test_the_list_finds_by_any_e_mail(ann, send, invoke):
    send("POST", "email", ann["id"], body={"email": "ann@two.example"})
    for function in ("lifecycle/clients", "lifecycle/admin_contacts"):
        for query in ({"email": "ANN@two.example"}, {"email": "ann@two.example", "include_deleted": "true"}):
            assert [one["id"] for one in invoke(function, query=query).json["data"]] == [ann["id"]]


VALUES = st.sampled_from([None, "a@x.example", "b@x.example", "c@x.example"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(VALUES, st.sampled_from([None, "305 555 0101", "305 555 0102", "call"]), st.booleans()), min_size=1, max_size=6))
def test_the_rows_follow_the_contact_whatever_is_written(tx, steps):
    """Each step changes e-mail and phone, and perhaps deletes or restores; the copies always agree, and one row is primary."""
    one = uuid7()
    insert = text("insert into contacts (tenant_id, id, slug, name_norm, search_text) values (app.tenant(), :id, :slug, '', '')")
    tx.execute(insert, {"id": one, "slug": str(one)})
    change = text("""update contacts set email = :email, email_norm = :email, phone = :phone, phone_e164 = :e164, version = version + 1,
                            deleted_at = case when :gone then now() end where tenant_id = app.tenant() and id = :id""")
    for email, phone, gone in steps:
        e164 = None if phone in (None, "call") else "+1" + phone.replace(" ", "")
        tx.execute(change, {"email": email, "phone": phone, "e164": e164, "gone": gone, "id": one})
        for kind, value in (("email", email), ("phone", phone)):
            rows = tx.execute(
                text(f"select {kind}, is_primary, live from contact_{kind}s where tenant_id = app.tenant() and contact_id = :id"),
                {"id": one},
            ).all()
            assert [row[0] for row in rows if row.is_primary] == ([value] if value else [])
            assert all(row.live is not gone for row in rows)
            # Nothing but a further address of their own stays behind.
            assert len(rows) == (1 if value else 0)
    tx.execute(
        text("update contacts set deleted_at = now(), email_norm = null, email = null where tenant_id = app.tenant() and id = :id"),
        {"id": one},
    )


def test_many_contacts_change_in_one_statement(tx):
    tx.execute(
        text("""insert into contacts (tenant_id, id, slug, name_norm, search_text, email, email_norm, phone)
                select app.tenant(), gen_random_uuid(), 's' || n, '', '', 'p' || n || '@x.example', 'p' || n || '@x.example', n::text
                  from generate_series(1, 500) n where app.tenant() is not null""")
    )
    tx.execute(
        text("""update contacts set email = 'q' || email, email_norm = 'q' || email_norm, phone = null, version = version + 1
                 where tenant_id = app.tenant() and slug <> 's7'""")
    )
    left = tx.execute(
        text("""select count(*) filter (where email ^@ 'qp'), count(*) filter (where email ^@ 'p'), count(*) from contact_emails
                 where tenant_id = app.tenant() and is_primary and live""")
    ).one()
    assert tuple(left) == (499, 1, 500)
    assert tx.scalar(text("select count(*) from contact_phones where tenant_id = app.tenant()")) == 1


@pytest.mark.parametrize("second", ["add", "upsert", "upsert another"])
def test_who_takes_an_e_mail_while_another_does_is_told_so(tenant, invoke, second):
    """The first has it as a further e-mail, not yet committed; the other has looked and found nobody."""
    first, other = (UUID(invoke("lifecycle/clients", method="POST", body={"email": f"{name}@x.example"}).json["id"]) for name in "ab")

    def begin():
        return db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))

    holding, waiting, refusals = begin(), begin(), []
    reach.add_email(holding, first, ContactEmailCreate(email="new@x.example"))

    def take():
        try:
            if second == "add":
                reach.add_email(waiting, other, ContactEmailCreate(email="new@x.example"))
            else:
                known = {"upsert": {"email": "new@x.example"}, "upsert another": {"email": "new@x.example", "phone": "+13055550101"}}[
                    second
                ]
                people.upsert(waiting, PersonInput(**known))
        except ContactExists as refusal:
            refusals.append(refusal)
        finally:
            db.rollback(waiting)

    taking = threading.Thread(target=take)
    taking.start()
    taking.join(0.5)
    assert taking.is_alive()
    db.commit(holding, effects.pending(holding))
    taking.join(10)
    assert [refusal.errors[0].pointer for refusal in refusals] == ["#/email"]


def test_two_e_mails_added_at_once_are_both_found(tenant, invoke, ann):
    begin = [db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC)) for _ in range(2)]
    reach.add_email(begin[0], UUID(ann["id"]), ContactEmailCreate(email="one@x.example"))

    def add():
        reach.add_email(begin[1], UUID(ann["id"]), ContactEmailCreate(email="two@x.example"))
        db.commit(begin[1], effects.pending(begin[1]))

    adding = threading.Thread(target=add)
    adding.start()
    adding.join(0.3)
    assert adding.is_alive()
    db.commit(begin[0], effects.pending(begin[0]))
    adding.join(10)
    for q in ("one@x", "two@x"):
        assert [one["id"] for one in invoke("lifecycle/clients", query={"q": q}).json["data"]] == [ann["id"]]
