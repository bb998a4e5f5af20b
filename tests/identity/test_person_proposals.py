"""New details of a person: a tenant's own at once, others' when that person says so, and nobody learns of another through it."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from clientway import db, effects, tokens
from clientway.identity.person_account import service
from clientway.identity.person_account.schemas import Proposal, ProposalConfirm, ProposalDecided
from clientway.lifecycle.clients.updates.schemas import ContactUpdatePropagated
from clientway.schemas import Page
from tests.fixtures import make_tenant
from tests.test_db import proxy as _proxy

counting_proxy = _proxy
PROPAGATE = "lifecycle/propagate_contact_update"


@pytest.fixture
def held(persons, email, tenant, other_tenant):
    """One person, known to two tenants: the contact of each."""
    return persons.contact(tenant, email=email), persons.contact(other_tenant, email=email)


def fields(contact):
    return {name: contact[name] for name in ("first_name", "last_name", "email", "phone")}


def test_the_own_contact_changes_at_once_and_no_other(persons, held, tenant, other_tenant):
    ours, theirs = held
    answer = persons.propagate(tenant, ours, first_name="Anna", phone="(305) 555-0123")

    ContactUpdatePropagated.model_validate_json(answer.body)
    assert (answer.status, answer.json) == (200, {"success": True, "person_id": ours["id"]})
    now = persons.read(tenant, ours)
    assert (now["first_name"], now["phone_e164"], now["version"]) == ("Anna", "+13055550123", ours["version"] + 1)
    assert persons.read(other_tenant, theirs) == theirs


def test_it_leaves_its_traces(persons, held, tenant, sql):
    persons.propagate(tenant, held[0], first_name="Anna")
    lines = sql(
        "select activity_type, metadata, organization_id::text from activities where tenant_id = :t and contact_id = :c",
        t=tenant.id,
        c=held[0]["id"],
    )
    actions = sql(
        "select action, changes from audit_log where tenant_id = :t and object_id = :c order by at, id", t=tenant.id, c=held[0]["id"]
    )

    assert [dict(one) for one in lines] == [
        {"activity_type": "contact_updated", "organization_id": held[0]["organization_id"],
         "metadata": {"contact_id": held[0]["id"], "source": "propagated", "fields": ["first_name"]}},
    ]  # fmt: skip
    assert {one["action"] for one in actions} >= {"contact.updated", "contact.details_changed", "contact.update_proposed"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"), ({"first_name": None}, "#/first_name"), ({"email": "nobody"}, "#/email"), ({"first_name": " "}, "#/first_name"),
        ({"last_name": "x" * 201}, "#/last_name"), ({"title": "Dr"}, "#/title"), ({"phone": 5}, "#/phone"), ({"first_name": "a\x00"}, "#/first_name"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(persons, held, tenant, body, pointer):
    answer = persons.propagate(tenant, held[0], **body)

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer), answer.body
    assert persons.read(tenant, held[0]) == held[0]


def test_absent_and_others_contacts_are_not_found(persons, held, tenant, other_tenant):
    for one in (held[1], {"id": str(uuid4())}):
        answer = persons.propagate(tenant, one, first_name="Eve")
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (404, "#/person_id")
    assert persons.read(other_tenant, held[1]) == held[1]


def test_viewers_change_nothing(invoke, held, tenant):
    assert invoke(PROPAGATE, body={"person_id": held[0]["id"], "first_name": "Eve"}, token=tenant.viewer).status == 403


def test_another_contacts_email_is_refused(persons, held, tenant, email, sql):
    other = persons.contact(tenant, email=f"x{email}")
    answer = persons.propagate(tenant, other, email=email)

    assert (answer.status, answer.json["code"]) == (409, "contact_exists")
    assert sql("select 1 from contact_update_proposals where contact_id = :c", c=other["id"]) == []


def test_a_repeated_request_counts_once(persons, invoke, held, tenant, sql):
    body, headers = {"person_id": held[0]["id"], "first_name": "Anna"}, {"Idempotency-Key": uuid4().hex}
    first, second = (invoke(PROPAGATE, body=body, headers=headers) for _ in range(2))

    assert (first.body, second.headers["Idempotent-Replayed"]) == (second.body, "true")
    assert len(sql("select 1 from contact_update_proposals where contact_id = :c", c=held[0]["id"])) == 1


def test_the_person_sees_what_is_proposed_and_by_whom(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna", phone="305 555 0123")
    answer = persons.invoke("identity/person_proposals", token=persons.signed_up(email))

    Page[Proposal].model_validate_json(answer.body)
    [one] = answer.json["data"]
    assert (one["status"], one["decided_at"], one["changes"]) == ("open", None, {"first_name": "Anna", "phone": "305 555 0123"})
    assert one["proposed_by"]["slug"] == tenant.slug
    assert [holder["slug"] for holder in one["would_reach"]] == [other_tenant.slug]


def test_a_newer_proposal_takes_the_place_of_an_open_one(persons, held, tenant, email):
    for name in ("Anna", "Anne"):
        persons.propagate(tenant, held[0], first_name=name)

    assert [one["changes"] for one in persons.proposals(persons.signed_up(email))] == [{"first_name": "Anne"}]


def test_proposals_come_in_pages(persons, held, tenant, email):
    session = persons.signed_up(email)
    for name in ("Anna", "Anne", "Annie"):
        persons.propagate(tenant, held[0], first_name=name)
        assert persons.decline(session, persons.proposals(session)[0]).status == 200
    seen, cursor = [], None
    while True:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        answer = persons.invoke("identity/person_proposals", token=session, query=query).json
        seen += [one["changes"]["first_name"] for one in answer["data"]]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    assert seen == ["Annie", "Anne", "Anna"]


def test_what_is_confirmed_reaches_the_others_without_a_word_of_who_proposed_it(persons, held, tenant, other_tenant, email, sql):
    ours, theirs = held
    persons.propagate(tenant, ours, first_name="Anna", phone="305 555 0123")
    before = persons.read(tenant, ours)
    session = persons.signed_up(email)
    answer = persons.confirm(session, persons.proposals(session)[0])

    ProposalDecided.model_validate_json(answer.body)
    assert answer.status == 200
    assert [(one["slug"], one["fields"]) for one in answer.json["reached"]] == [(other_tenant.slug, ["first_name", "phone"])]
    now = persons.read(other_tenant, theirs)
    assert (now["first_name"], now["last_name"], now["phone_e164"], now["version"]) == (
        "Anna",
        "Miller",
        "+13055550123",
        theirs["version"] + 1,
    )
    assert persons.read(tenant, ours) == before
    [line] = sql("select a::text as all, performed_by_type, performed_by_id, metadata from activities a where tenant_id = :t and contact_id = :c",
                 t=other_tenant.id, c=theirs["id"])  # fmt: skip
    assert (line["performed_by_type"], str(line["performed_by_id"]), line["metadata"]["source"]) == (
        "person",
        theirs["id"],
        "person_confirmed",
    )
    audit = sql("select actor_type, action, l::text as all from audit_log l where tenant_id = :t and object_id = :c and actor_type = 'person'",
                t=other_tenant.id, c=theirs["id"])  # fmt: skip
    assert {one["action"] for one in audit} == {"contact.updated", "contact.details_changed"}
    for trace in (line["all"], *(one["all"] for one in audit)):
        assert not any(word in trace for word in (str(tenant.id), tenant.slug, ours["id"]))
    assert [(one["status"], one["decided_at"] is not None) for one in persons.proposals(session)] == [("confirmed", True)]


def test_a_second_confirmation_changes_nothing(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]
    persons.confirm(session, proposal)
    now = persons.read(other_tenant, held[1])

    again = persons.confirm(session, proposal)
    assert (again.status, again.json["reached"]) == (200, [])
    assert persons.read(other_tenant, held[1]) == now
    late = persons.decline(session, proposal)
    assert (late.status, late.json["code"]) == (409, "already_decided")


def test_two_confirmations_at_once_are_one(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]

    def confirm(_):
        # Not through the handler: a function serves one request at a time.
        tx = db.begin(db.Anonymous())
        answer = service.confirm(tx, tokens.digest(session), UUID(proposal["id"]), ProposalConfirm())
        db.commit(tx, effects.pending(tx))
        return answer

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(confirm, range(4)))

    assert sum(len(one.reached) for one in answers) == 1
    assert persons.read(other_tenant, held[1])["version"] == held[1]["version"] + 1


def test_what_is_declined_reaches_nobody(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]

    assert persons.decline(session, proposal).json == {"id": proposal["id"], "status": "declined", "reached": []}
    assert persons.decline(session, proposal).status == 200
    late = persons.confirm(session, proposal)
    assert (late.status, late.json["code"]) == (409, "already_decided")
    assert persons.read(other_tenant, held[1]) == held[1]


def test_only_what_is_chosen_reaches_only_who_is_chosen(persons, held, tenant, other_tenant, email, admin_engine):
    third = make_tenant(admin_engine)
    elsewhere = persons.contact(third, email=email)
    persons.propagate(tenant, held[0], first_name="Anna", last_name="Ruiz")
    session = persons.signed_up(email)
    answer = persons.confirm(session, persons.proposals(session)[0], fields=["last_name"], tenants=[third.slug])

    assert [(one["slug"], one["fields"]) for one in answer.json["reached"]] == [(third.slug, ["last_name"])]
    assert fields(persons.read(third, elsewhere)) == {**fields(elsewhere), "last_name": "Ruiz"}
    assert persons.read(other_tenant, held[1]) == held[1]


@pytest.mark.parametrize(
    ("choice", "pointer"),
    [
        ({"fields": ["phone"]}, "#/fields/0"), ({"tenants": ["nobody-we-know"]}, "#/tenants/0"), ({"fields": []}, "#/fields"),
        ({"fields": ["title"]}, "#/fields/0"), ({"tenants": ["Not a slug"]}, "#/tenants/0"),
    ],
)  # fmt: skip
def test_a_choice_that_is_none_is_refused(persons, held, tenant, other_tenant, email, choice, pointer):
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)
    answer = persons.confirm(session, persons.proposals(session)[0], **choice)

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
    assert persons.read(other_tenant, held[1]) == held[1]
    assert persons.proposals(session)[0]["status"] == "open"


def test_tenants_that_do_not_hold_them_are_as_good_as_absent(persons, held, tenant, email, admin_engine):
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]
    strangers = [
        persons.confirm(session, proposal, tenants=[one]) for one in (make_tenant(admin_engine).slug, "no-such-tenant", tenant.slug)
    ]

    assert [one.status for one in strangers] == [422] * 3
    assert len({str(one.json["errors"]) for one in strangers}) == 1


def test_a_proposal_is_its_persons_alone(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna")
    proposal = persons.proposals(persons.signed_up(email))[0]
    stranger = persons.signed_up(f"{uuid4().hex}@home.example")

    assert persons.proposals(stranger) == []
    for answer in (persons.confirm(stranger, proposal), persons.decline(stranger, proposal), persons.confirm(stranger, {"id": uuid4()})):
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert persons.confirm(tenant.admin, proposal).status == 401
    assert persons.read(other_tenant, held[1]) == held[1]


def test_who_changes_the_address_proposes_to_whom_it_was(persons, held, tenant, other_tenant, email):
    """A tenant that writes its own address into a client's record cannot confirm in the client's name."""
    stolen = f"{uuid4().hex}@thief.example"
    persons.propagate(tenant, held[0], email=stolen, first_name="Eve")

    assert persons.proposals(persons.signed_up(stolen)) == []
    [proposal] = persons.proposals(persons.signed_up(email))
    assert proposal["changes"] == {"email": stolen, "first_name": "Eve"}
    assert persons.read(other_tenant, held[1]) == held[1]


def test_a_new_email_is_spread_only_by_whoever_is_reached_there(persons, held, tenant, other_tenant, email):
    new = f"{uuid4().hex}@new.example"
    persons.propagate(tenant, held[0], email=new, first_name="Anna")
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]
    someone_else = persons.signed_up(f"{uuid4().hex}@home.example")

    for choice in ({}, {"email_token": session}, {"email_token": someone_else}, {"email_token": "x"}):
        answer = persons.confirm(session, proposal, **choice)
        assert (answer.status, answer.json["code"]) == (409, "new_email_not_verified")
    assert persons.read(other_tenant, held[1]) == held[1]
    answer = persons.confirm(session, proposal, email_token=persons.signed_up(new))
    assert (answer.status, answer.json["reached"][0]["fields"]) == (200, ["email", "first_name"])
    assert persons.read(other_tenant, held[1])["email"] == new


def test_both_addresses_are_one_person_from_then_on(persons, held, tenant, other_tenant, email, admin_engine):
    new = f"{uuid4().hex}@new.example"
    third = make_tenant(admin_engine)
    persons.contact(third, email=email)
    persons.propagate(tenant, held[0], email=new)
    old_session, new_session = persons.signed_up(email), persons.signed_up(new)
    proposal = persons.proposals(old_session)[0]
    # The third still has the old address, and is not asked to change it.
    persons.confirm(old_session, proposal, email_token=new_session, tenants=[other_tenant.slug])
    persons.propagate(tenant, held[0], first_name="Anna")

    for session in (old_session, new_session):
        [one] = [one for one in persons.proposals(session) if one["status"] == "open"]
        assert {holder["slug"] for holder in one["would_reach"]} == {other_tenant.slug, third.slug}


def test_the_rest_can_be_confirmed_without_the_new_email(persons, held, tenant, other_tenant, email):
    persons.propagate(tenant, held[0], email=f"{uuid4().hex}@new.example", first_name="Anna")
    session = persons.signed_up(email)
    answer = persons.confirm(session, persons.proposals(session)[0], fields=["first_name"])

    assert (answer.status, answer.json["reached"][0]["fields"]) == (200, ["first_name"])
    assert (persons.read(other_tenant, held[1])["email"], persons.read(other_tenant, held[1])["first_name"]) == (email, "Anna")


def test_an_email_that_a_tenant_has_of_another_contact_is_left_out_there(persons, held, tenant, other_tenant, email):
    new = f"{uuid4().hex}@new.example"
    theirs = persons.contact(other_tenant, email=new, first_name="Twin")
    persons.propagate(tenant, held[0], email=new, first_name="Anna")
    session = persons.signed_up(email)
    answer = persons.confirm(session, persons.proposals(session)[0], email_token=persons.signed_up(new))

    assert answer.status == 200, answer.body
    assert sorted(tuple(one["fields"]) for one in answer.json["reached"]) == [("email", "first_name"), ("first_name",)]
    assert (persons.read(other_tenant, held[1])["email"], persons.read(other_tenant, theirs)["email"]) == (email, new)


def test_an_ended_session_of_the_new_address_proves_nothing(persons, held, tenant, email, sql):
    new = f"{uuid4().hex}@new.example"
    persons.propagate(tenant, held[0], email=new)
    session, proof = persons.signed_up(email), persons.signed_up(new)
    sql("update identity.person_sessions set revoked_at = now() where token_hash = :h", h=tokens.digest(proof))

    assert persons.confirm(session, persons.proposals(session)[0], email_token=proof).json["code"] == "new_email_not_verified"


def test_a_contact_nobody_can_be_asked_about_changes_all_the_same(persons, tenant, sql):
    nameless = persons.contact(tenant)

    assert persons.propagate(tenant, nameless, first_name="Anna").json == {"success": True, "person_id": nameless["id"]}
    assert persons.read(tenant, nameless)["first_name"] == "Anna"
    assert sql("select 1 from contact_update_proposals where contact_id = :c", c=nameless["id"]) == []


def test_many_tenants_are_reached_in_one_go(persons, held, tenant, email, admin_engine):
    others = [make_tenant(admin_engine) for _ in range(8)]
    contacts = [persons.contact(one, email=email) for one in others]
    persons.propagate(tenant, held[0], first_name="Anna")
    session = persons.signed_up(email)

    assert len(persons.confirm(session, persons.proposals(session)[0]).json["reached"]) == 9
    assert {persons.read(owner, one)["first_name"] for owner, one in zip(others, contacts, strict=True)} == {"Anna"}


def test_the_turns_to_the_database(counting_proxy, persons, held, tenant, email):
    persons.propagate(tenant, held[0], first_name="Anna")
    counting_proxy.reset(connects=False)
    assert persons.propagate(tenant, held[0], first_name="Anne").status == 200
    propagated = counting_proxy.flights
    session = persons.signed_up(email)
    proposal = persons.proposals(session)[0]
    counting_proxy.reset(connects=False)
    assert persons.confirm(session, proposal).status == 200
    confirmed = counting_proxy.flights

    # To propose, to change (three at most), to commit with what it leaves. To decide; then to enter each tenant and change likewise.
    assert (propagated, confirmed) == (5, 5)
