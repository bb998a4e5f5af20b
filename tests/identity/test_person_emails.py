"""Somebody is known by each of a contact's e-reach; what is kept of it is changed by whoever is behind the primary one."""

from functools import partial
from uuid import UUID, uuid4

import pytest

from clientway.lifecycle.clients.updates import service
from clientway.lifecycle.clients.updates.schemas import PropagateContactUpdate
from tests.lifecycle.merging import at_once  # noqa: F401  (fixture)


@pytest.fixture
def seen(persons):
    """Call it for the ids of the lines that a session shows."""
    return lambda session: {line["id"] for line in persons.invoke("identity/person_history", token=session).json["data"]}


@pytest.fixture
def reach(invoke, tenant):
    """Call it to change a contact's further e-reach through its API, whatever the version."""

    def send(contact, method, email_id=None, *, token=tenant.admin, **body):
        kind, path = ("contact_email", {"email_id": email_id}) if email_id else ("contact_emails", {})
        now = invoke("lifecycle/contact", path={"contact_id": contact["id"]}, token=token).etag
        path |= {"contact_id": contact["id"]}
        return invoke(f"lifecycle/{kind}", method=method, path=path, body=body or None, headers={"If-Match": now}, token=token)

    return send


def test_any_of_a_contacts_e_mails_shows_them_their_history_as_long_as_it_is_theirs(persons, email, work, seen, reach, tenant):
    contact = persons.contact(tenant, email=email)
    done, work_address = set(work(tenant, contact).values()), f"{uuid4().hex}@work.example"
    session, at_work = persons.signed_up(email), persons.signed_up(work_address)
    assert (seen(session), seen(at_work)) == (done, set())
    added = reach(contact, "POST", email=work_address)
    assert (added.status, seen(at_work)) == (201, done)
    assert reach(contact, "PATCH", added.json["id"], is_primary=True).status == 200
    assert seen(session) == seen(at_work) == done
    headers = {"If-Match": persons.invoke("lifecycle/contact", path={"contact_id": contact["id"]}).etag}
    assert persons.invoke("lifecycle/contact", method="DELETE", path={"contact_id": contact["id"]}, headers=headers).status == 204
    assert seen(session) == seen(at_work) == set()
    assert persons.invoke("lifecycle/contact_restore", path={"contact_id": contact["id"]}, body={}).status == 200
    assert seen(session) == done
    former = next(one for one in persons.read(tenant, contact)["emails"] if not one["is_primary"])
    assert reach(contact, "DELETE", former["id"]).status == 204

    assert (seen(session), seen(at_work)) == (set(), done)


def test_an_e_mail_that_a_second_call_brings_is_one_of_theirs(persons, email, work, seen, invoke, tenant):
    contact = persons.contact(tenant, email=email, phone="+13055550123")
    done = set(work(tenant, contact).values())
    further = f"{uuid4().hex}@work.example"
    told = invoke("lifecycle/upsert_person", body={"email": further, "phone": "+13055550123", "first_name": "Ann"})

    assert told.json["contact_id"] == contact["id"]
    assert seen(persons.signed_up(further)) == seen(persons.signed_up(email)) == done


def test_a_further_e_mail_shows_and_changes_nothing_else(persons, email, reach, invoke, tenant, other_tenant):
    wife = persons.contact(tenant, email=email)
    shared = persons.contact(other_tenant, email=f"{uuid4().hex}@home.example", first_name="Bob")
    assert reach(shared, "POST", token=other_tenant.admin, email=email).status == 201
    persons.propagate(tenant, wife, first_name="Anna")
    persons.propagate(other_tenant, shared, phone="305 555 0123")
    session = persons.signed_up(email)
    [proposal] = persons.proposals(session)

    assert (proposal["proposed_by"]["slug"], proposal["would_reach"]) == (tenant.slug, [])
    assert persons.confirm(session, proposal, tenants=[other_tenant.slug]).status == 422
    assert persons.confirm(session, proposal).json["reached"] == []
    assert persons.read(other_tenant, shared)["first_name"] == "Bob"
    account = invoke("lifecycle/contact_account", path={"contact_id": shared["id"]}, token=other_tenant.viewer)
    assert account.json == {"has_account": True}


def test_two_addresses_that_become_one_person_in_a_contact_are_one_link(persons, email, reach, tenant, other_tenant, sql):
    """The person confirms a new e-mail that the other tenant's contact has beside the one known so far."""
    ours, theirs = persons.contact(tenant, email=email), persons.contact(other_tenant, email=email)
    second = f"{uuid4().hex}@home.example"
    assert reach(theirs, "POST", token=other_tenant.admin, email=second).status == 201
    persons.propagate(tenant, ours, email=second)
    first, new = persons.signed_up(email), persons.signed_up(second)
    [proposal] = persons.proposals(first)
    confirmed = persons.confirm(first, proposal, email_token=new)

    assert [one["slug"] for one in confirmed.json["reached"]] == [other_tenant.slug]
    links = sql("select is_primary from identity.contact_person where contact_id = any (cast(:c as uuid[]))", c=[ours["id"], theirs["id"]])
    assert [one["is_primary"] for one in links] == [True, True]
    assert persons.read(other_tenant, theirs)["email"] == second


def test_of_changes_proposed_at_once_one_is_open(persons, email, at_once, tenant, sql):  # noqa: F811
    contact = persons.contact(tenant, email=email)
    updates = [PropagateContactUpdate(person_id=UUID(contact["id"]), first_name=name) for name in ("Anna", "Anne", "Annie")]
    refused = at_once(*(partial(service.propagate, update=update) for update in updates))

    assert {None} <= refused <= {None, "serialization"}
    assert len(sql("select 1 from contact_update_proposals where contact_id = :c and status = 'open'", c=contact["id"])) == 1
