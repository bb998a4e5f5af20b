"""Imports and people who have several e-mails, or no organization."""

from sqlalchemy import text

from tests.integrations.importing import ask, committed, run, start

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


def test_whoever_is_behind_an_e_mail_goes_with_it_into_an_import_and_out_of_it(invoke, tenant, admin_engine):
    def persons():
        with admin_engine.connect() as connection:
            found = text("select is_primary from identity.contact_person where tenant_id = :t")
            return list(connection.execute(found, {"t": tenant.id}).scalars())

    committed(invoke, tenant, start(invoke, tenant, [{**ROW, "first name": "Ana"}]))
    [ana] = _contacts(invoke).values()
    path = {"contact_id": ana["id"]}
    for address in ("ana@former.example", "ana@home.example"):
        assert invoke("lifecycle/contact_emails", method="POST", path=path, body={"email": address}).status == 201
    etag = invoke("lifecycle/contact", path=path).etag
    assert invoke("lifecycle/contact", method="PATCH", path=path, body={"email": None}, headers={"If-Match": etag}).status == 200
    assert persons() == [False]
    filled = start(invoke, tenant, [{**ROW, "email": "ana@home.example"}])
    assert committed(invoke, tenant, filled)["updated"] == 1
    assert persons() == [True]
    assert ask(invoke, filled, "undo").status == 202
    run(tenant, filled, "undo")

    assert len(persons()) == len(invoke("lifecycle/contact", path=path).json["emails"])
