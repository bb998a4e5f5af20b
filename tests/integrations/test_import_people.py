"""Imports and people who have several e-mails, or no organization."""

from tests.integrations.importing import committed, start

ROW = {"business_id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX", "zip": "78701"}


def _contacts(invoke):
    return {one["id"]: one for one in invoke("lifecycle/clients").json["data"]}


def test_a_second_e_mail_tells_who_it_is(invoke, tenant):
    committed(invoke, tenant, start(invoke, tenant, [{**ROW, "email": "ana@bistro.example"}]))
    [ana] = _contacts(invoke).values()
    path = {"contact_id": ana["id"]}
    assert invoke("lifecycle/contact_emails", method="POST", path=path, body={"email": "ana@home.example"}).status == 201
    rows = [{"business_id": "7", "name": "Another name", "email": "ANA@home.example", "first name": "Ana"}]
    counts = committed(invoke, tenant, start(invoke, tenant, rows))
    assert (counts["updated"], counts["created"]) == (1, 0)
    [again] = _contacts(invoke).values()
    assert (again["id"], again["first_name"], len(again["emails"])) == (ana["id"], "Ana", 2)
    # What an import changes of somebody is still found by all that they are reached at.
    assert list(_contacts(invoke)) == [one["id"] for one in invoke("lifecycle/clients", query={"q": "ana@home"}).json["data"]]


def test_a_private_clients_e_mail_stays_theirs(invoke, tenant):
    ana = invoke("lifecycle/clients", method="POST", body={"first_name": "Ana", "email": "ana@bistro.example"}).json
    counts = committed(invoke, tenant, start(invoke, tenant, [{**ROW, "email": "ana@bistro.example"}]))
    assert (counts["created"], counts["failed"]) == (1, 0)
    assert _contacts(invoke)[ana["id"]]["organization_id"] is None
    assert len(_contacts(invoke)) == 1


def test_a_mailbox_of_nobodys_is_written_once(invoke, tenant):
    rows = [{**ROW, "email": "noreply@bistro.example"}, {"business_id": "2", "name": "Red Diner", "email": "noreply@bistro.example"}]
    counts = committed(invoke, tenant, start(invoke, tenant, rows[:1]))
    assert counts["created"] == 1
    counts = committed(invoke, tenant, start(invoke, tenant, rows[1:]))
    assert (counts["created"], counts["failed"]) == (1, 0)
    assert len(_contacts(invoke)) == 1
