"""Who somebody is to a tenant: upsert-person, and holding a contact for a job or an invoice."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway import access, db, effects, tokens
from clientway.errors import Conflict, NotFound
from clientway.lifecycle.contacts.existence import ContactMerged
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput, UpsertedPerson

JOHN = {"email": "John@Example.com", "phone": "(305) 555-0123", "first_name": "John", "last_name": "Doe"}


@pytest.fixture
def upsert(invoke):
    """Ask who somebody is."""

    def call(expect=None, **body):
        answer = invoke("lifecycle/upsert_person", body=body)
        assert expect is None or answer.status == expect, answer.body
        return answer.json

    return call


@pytest.fixture
def contact(invoke):
    """Read a contact."""
    return lambda contact_id, **query: invoke("lifecycle/contact", path={"contact_id": contact_id}, query=query).json


@pytest.fixture
def begin(tenant):
    """Another transaction of the tenant's admin."""
    begun = []

    def call():
        begun.append(db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC)))
        return begun[-1]

    yield call
    for one in begun:
        db.rollback(one)


def test_somebody_is_made_once_and_found_from_then_on(invoke, upsert, contact):
    answer = invoke("lifecycle/upsert_person", body=JOHN)
    assert answer.status == 201
    made = UpsertedPerson.model_validate_json(answer.body)
    assert (made.is_new, made.person_id, made.matched_by, made.version) == (True, made.contact_id, None, 1)

    known = upsert(200, email="JOHN@example.com")
    assert (known["is_new"], known["contact_id"], known["matched_by"]) == (False, str(made.contact_id), "email")
    row = contact(made.contact_id)
    assert (row["status"], row["organization_id"], row["email"], row["phone_e164"]) == ("lead", None, "John@Example.com", "+13055550123")


def test_a_verified_e_mail_is_what_tells(upsert, admin_engine):
    made = upsert(201, **JOHN)
    with admin_engine.connect() as connection:
        connection.execute(text("update contact_emails set verified_at = now() where contact_id = :c"), {"c": made["contact_id"]})
    assert upsert(200, email=JOHN["email"])["matched_by"] == "verified_email"


@pytest.mark.parametrize("first_name", ["John", "john", "J.", "Jack", "John Paul"])
def test_a_phone_with_a_compatible_first_name_is_the_same_person(upsert, first_name):
    made = upsert(201, **JOHN)
    known = upsert(200, phone="+1 305 555 0123", first_name=first_name)
    assert (known["contact_id"], known["matched_by"]) == (made["contact_id"], "phone_and_name")


@pytest.mark.parametrize("first_name", [None, "Mary"])
def test_a_phone_alone_is_a_suggestion(upsert, admin_engine, first_name):
    made = upsert(201, **JOHN)
    other = upsert(201, phone=JOHN["phone"], **({"first_name": first_name} if first_name else {}))
    assert other["suggested_contact_ids"] == [made["contact_id"]]
    with admin_engine.connect() as connection:
        rows = connection.execute(
            text("select contact_id, other_id, status, reasons from duplicate_suggestions where contact_id = :a or other_id = :a"),
            {"a": made["contact_id"]},
        ).all()
    [row] = rows
    assert (row.contact_id, row.other_id) == tuple(sorted((UUID(made["contact_id"]), UUID(other["contact_id"]))))
    assert row.status == "open"
    assert any(reason["part"] == "phone" for reason in row.reasons)


def test_a_phone_of_three_is_shared_and_tells_nothing(upsert):
    for name in ("Ann", "Bob", "Cid"):
        upsert(201, phone=JOHN["phone"], first_name=name)
    fourth = upsert(201, phone=JOHN["phone"], first_name="Ann")
    assert fourth["suggested_contact_ids"] == []


def test_the_e_mail_wins_over_anothers_phone(upsert, contact):
    ann = upsert(201, email="ann@example.com", first_name="Ann")
    bob = upsert(201, phone="305 555 0199", first_name="Bob")
    known = upsert(200, email="ann@example.com", phone="305 555 0199", first_name="Bob")
    assert known["contact_id"] == ann["contact_id"]
    assert known["suggested_contact_ids"] == [bob["contact_id"]]
    assert contact(ann["contact_id"])["phones"] == []
    assert contact(bob["contact_id"])["phone"] == "305 555 0199"


def test_what_is_new_of_somebody_is_kept(upsert, contact, invoke):
    made = upsert(201, email="ann@example.com")
    upsert(200, email="ann@example.com", phone="305 555 0123", first_name="Ann", last_name="Lee")
    known = upsert(200, email="ann@example.com", phone="305 555 0124", first_name="Hannah")
    row = contact(made["contact_id"])
    assert (row["first_name"], row["last_name"], row["phone"]) == ("Ann", "Lee", "305 555 0123")
    assert [(one["phone_e164"], one["is_primary"]) for one in row["phones"]] == [("+13055550123", True), ("+13055550124", False)]
    assert row["version"] == known["version"] == 3
    assert upsert(200, email="ann2@example.com", phone="305 555 0124", first_name="Ann")["contact_id"] == made["contact_id"]
    assert upsert(200, email="ANN2@example.com")["contact_id"] == made["contact_id"]
    for q in ("5550124", "ann2@"):
        found = invoke("lifecycle/clients", query={"q": q}).json["data"]
        assert [one["id"] for one in found] == [made["contact_id"]]


def test_a_contact_has_five_phones_at_most(upsert, contact):
    for number in range(8):
        made = upsert(email="ann@example.com", phone=f"305 555 010{number}")
    assert len(contact(made["contact_id"])["phones"]) == 5


@pytest.mark.parametrize("email", ["noreply@example.com", "no-reply@shop.example"])
def test_nobodys_mailbox_matches_nobody(upsert, contact, email):
    one, other = (upsert(201, email=email, phone=phone) for phone in ("305 555 0123", "305 555 0124"))
    assert one["ignored"] == other["ignored"] == ["email"]
    assert contact(one["contact_id"])["email"] is None


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "#/email", "missing"),
        ({"first_name": "Ann"}, "#/phone", "missing"),
        ({"email": "ann"}, "#/email", "invalid_email"),
        ({"email": "noreply@example.com"}, "#/email", "nobodys"),
        ({"phone": "000-000-0000"}, "#/phone", "nobodys"),
        ({"phone": "12"}, "#/phone", "invalid_phone"),
        ({"email": "a@b.example", "age": 3}, "#/age", "extra_forbidden"),
    ],
)
def test_what_tells_nothing_is_refused(invoke, body, pointer, code):
    answer = invoke("lifecycle/upsert_person", body=body)
    assert answer.status == 422
    assert (pointer, code) in [(one["pointer"], one["code"]) for one in answer.json["errors"]]


def test_a_deleted_contact_is_not_matched_but_named(upsert, invoke, contact):
    made = upsert(201, **JOHN)
    row = contact(made["contact_id"])
    invoke("lifecycle/contact", method="DELETE", path={"contact_id": row["id"]}, headers={"If-Match": f'"{row["version"]}"'})
    again = upsert(201, **JOHN)
    assert again["contact_id"] != made["contact_id"]
    assert again["deleted_contact_id"] == made["contact_id"]
    restored = invoke("lifecycle/contact_restore", method="POST", path={"contact_id": made["contact_id"]})
    assert (restored.status, restored.json["existing_id"]) == (409, again["contact_id"])


def test_a_viewer_may_not(invoke, tenant):
    assert invoke("lifecycle/upsert_person", body=JOHN, token=tenant.viewer).status == 403


def test_another_tenant_has_its_own(upsert, invoke, other_tenant):
    made = upsert(201, **JOHN)
    theirs = invoke("lifecycle/upsert_person", body=JOHN, token=other_tenant.admin)
    assert (theirs.status, theirs.json["is_new"]) == (201, True)
    assert theirs.json["person_id"] != made["person_id"]
    assert invoke("lifecycle/contact", path={"contact_id": made["contact_id"]}, token=other_tenant.admin).status == 404


def test_a_replay_answers_what_was_answered(invoke):
    first, again = (invoke("lifecycle/upsert_person", body=JOHN, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (201, first.body, "true")


def test_many_at_once_make_one(tenant, begin, admin_engine):
    known, refused, ready = [], [], threading.Barrier(4)

    def ask(tx, number):
        ready.wait()
        try:
            found = people.upsert(tx, PersonInput(email="race@example.com", phone=f"+1305555012{number}"))
            db.commit(tx, effects.pending(tx))
            known.append(found)
        except Conflict as conflict:
            refused.append(conflict)

    threads = [threading.Thread(target=ask, args=(begin(), number)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert refused == []
    assert sorted(one.is_new for one in known) == [False, False, False, True]
    assert len({one.contact_id for one in known}) == 1
    with admin_engine.connect() as connection:
        phones = connection.execute(text("select count(*) from contact_phones where tenant_id = :t"), {"t": tenant.id}).scalar_one()
    assert phones == 4


def test_one_new_phone_told_by_several_at_once_is_written_once(upsert, contact, begin):
    made = upsert(201, email="ann@example.com", phone="305 555 0100")
    first, second = begin(), begin()
    told = PersonInput(email="ann@example.com", phone="+13055550199")
    people.upsert(first, told)
    found = []
    waiting = threading.Thread(target=lambda: found.append(people.upsert(second, told)))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    db.commit(first, effects.pending(first))
    waiting.join(10)
    db.commit(second, effects.pending(second))
    assert (found[0].contact_id, found[0].version) == (UUID(made["contact_id"]), 2)
    assert [one["phone_e164"] for one in contact(made["contact_id"])["phones"]] == ["+13055550100", "+13055550199"]


def test_holding_opens_an_organization_once(tx):
    known = people.upsert(tx, PersonInput(**JOHN))
    held = people.hold(tx, known.contact_id)
    assert (held.name, held.email, held.currency, held.time_zone, held.organization_is_live) == (
        "John Doe",
        "John@Example.com",
        "USD",
        "UTC",
        True,
    )
    told = [one["activity_type"] for one in tx.effects["activities"]]
    assert told == ["stage_changed"]
    effects.flush(tx)
    assert held.opened is not None
    assert people.hold(tx, known.contact_id) == replace(held, opened=None)
    row = tx.execute(
        text("""select o.entity_type, o.legal_name, o.lifecycle_stage, o.lifecycle_sequence, o.data_completeness, c.is_primary,
                       (select count(*) from lifecycle_transitions m where m.tenant_id = app.tenant() and m.organization_id = o.id) as moves
                  from organizations o join contacts c on c.tenant_id = app.tenant() and c.organization_id = o.id
                 where o.tenant_id = app.tenant()""")
    ).one()
    assert tuple(row)[:4] == ("individual", "John Doe", "prospect", 1)
    assert (row.is_primary, row.moves) == (True, 1)
    assert row.data_completeness > 0


def test_somebody_without_a_phone_begins_as_a_lead(tx):
    known = people.upsert(tx, PersonInput(email="ann@example.com"))
    people.hold(tx, known.contact_id)
    stage = tx.scalar(text("select lifecycle_stage from organizations where tenant_id = app.tenant()"))
    assert stage == "lead"
    assert tx.effects["activities"] == []


def test_an_organization_of_ones_own_reads_like_another(invoke, tx):
    made = invoke("lifecycle/upsert_person", body=JOHN).json
    held = people.hold(tx, UUID(made["contact_id"]))
    db.commit(tx, effects.pending(tx))
    answer = invoke("lifecycle/organization", path={"organization_id": held.organization_id})
    assert (answer.status, answer.json["entity_type"], answer.json["primary_contact"]["id"]) == (200, "individual", made["contact_id"])
    transitions = invoke("lifecycle/organization_transitions", path={"organization_id": held.organization_id}).json["data"]
    assert [one["to_stage"] for one in transitions] == ["prospect"]


def test_two_at_once_open_one_organization(invoke, begin):
    made = UUID(invoke("lifecycle/upsert_person", body=JOHN).json["contact_id"])
    first, second = begin(), begin()
    held = people.hold(first, made)
    found = []
    waiting = threading.Thread(target=lambda: found.append(people.hold(second, made)))
    waiting.start()
    waiting.join(0.3)
    assert not found
    db.commit(first, effects.pending(first))
    waiting.join(10)
    assert found[0].organization_id == held.organization_id


def test_who_is_gone_is_not_held(invoke, tx, admin_engine, other_tenant):
    one, other = (UUID(invoke("lifecycle/upsert_person", body={"email": f"{name}@example.com"}).json["contact_id"]) for name in "ab")
    foreign = UUID(invoke("lifecycle/upsert_person", body=JOHN, token=other_tenant.admin).json["contact_id"])
    with admin_engine.connect() as connection:
        connection.execute(text("update contacts set deleted_at = now(), merged_into = :o where id = :c"), {"c": one, "o": other})
    with pytest.raises(ContactMerged) as merged:
        people.hold(tx, one)
    assert merged.value.extensions["merged_into"] == str(other)
    for absent in (foreign, UUID(int=7)):
        with pytest.raises(NotFound):
            people.hold(tx, absent)


def test_nobody_on_the_blacklist_is_held(invoke, tx):
    contact_id = UUID(invoke("lifecycle/upsert_person", body=JOHN).json["contact_id"])
    held = people.hold(tx, contact_id)
    tx.execute(
        text("update organizations set lifecycle_stage = 'blacklist' where tenant_id = app.tenant() and id = :o"),
        {"o": held.organization_id},
    )
    with pytest.raises(people.ContactBlacklisted):
        people.hold(tx, contact_id)
