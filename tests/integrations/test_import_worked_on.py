"""What somebody did with an import's records since stays when the import is undone, whether or not it changed the records themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integrations.importing import ask, committed, of, run, start

ROW = {"business_id": "1", "name": "Blue Bistro", "address": "1 Main Street", "city": "Austin", "state": "TX", "zip": "78701"}
SOON = (datetime.now(UTC) + timedelta(days=3)).isoformat()
LATER = {
    "a note": ("lifecycle/contact_notes", "contact_id", {"body": "Called"}),
    "a further e-mail": ("lifecycle/contact_emails", "contact_id", {"email": "{}@home.example", "is_primary": True}),
    "a further phone": ("lifecycle/contact_phones", "contact_id", {"phone": "+1 512 472 9999"}),
    "an address": ("lifecycle/contact_addresses", "contact_id", {"address1": "2 Oak St", "city": "Austin", "state": "TX"}),
    "a consent": ("lifecycle/contact_consents", "contact_id", {"channel": "email", "purpose": "marketing", "state": "granted", "source": "form"}),
    "a household": ("lifecycle/households", "contacts", {}),
    "a job": ("work/jobs", "contact", {"title": "Windows", "start_at": SOON}),
    "an invoice": ("billing/invoices", "contact", {"lines": [{"description": "Windows", "unit_price_cents": 100}]}),
    "a location": ("lifecycle/organization_locations", "organization_id", {"name": "Uptown"}),
    "a colleague": ("lifecycle/organization_contacts", "organization_id", {"first_name": "Bo"}),
    "a deal": ("lifecycle/organization_deals", "organization_id", {"name": "Windows"}),
    "a ticket": ("lifecycle/organization_tickets", "organization_id", {"subject": "Windows"}),
    "a call": ("lifecycle/organization_activity", "organization_id", {"activity_type": "call_outbound", "title": "Hello"}),
}  # fmt: skip


def _undo(invoke, tenant, import_id):
    assert ask(invoke, import_id, "undo").status == 202
    run(tenant, import_id, "undo")
    return of(invoke, import_id)["counts"]["undone"]


@pytest.mark.parametrize("later", LATER)
def test_what_was_done_since_keeps_whom_it_was_done_with(invoke, tenant, later):
    committed(invoke, tenant, start(invoke, tenant, [{**ROW, "business_id": "2", "name": "Red Diner", "address": "5 Oak Street"}]))
    people = [{**ROW, "first name": "Ana", "email": "ana@bistro.example"}, {**ROW, "first name": "Ivo", "email": "ivo@bistro.example"}]
    theirs = {**ROW, "business_id": "2", "name": "Red Diner", "address": "5 Oak Street", "first name": "Eva", "email": "eva@diner.example"}
    one = start(invoke, tenant, [*people, theirs], source="other")
    assert committed(invoke, tenant, one)["failed"] == 0
    before = {found["first_name"]: found for found in invoke("lifecycle/clients").json["data"]}
    function, place, body = LATER[later]
    for name in ("Ana", "Eva"):
        contact_id, organization_id = before[name]["id"], before[name]["organization_id"]
        path = {"contact_id": {"contact_id": contact_id}, "organization_id": {"organization_id": organization_id}}.get(place)
        more = {"contact": {"contact_id": contact_id}, "contacts": {"contact_ids": [contact_id]}}.get(place, {})
        given = {key: value.format(name) if key == "email" else value for key, value in body.items()}
        done = invoke(function, method="POST", path=path, body=given | more, headers={"Idempotency-Key": name})
        assert done.status == 201, done.body

    assert _undo(invoke, tenant, one) == int(place == "organization_id")

    # New organizations stay with all that came with them, new people of others only if it is they who were worked with.
    left = {found["first_name"] for found in invoke("lifecycle/clients").json["data"]} - {"Bo"}
    assert left == ({"Ana", "Ivo"} if place == "organization_id" else {"Ana", "Ivo", "Eva"})
    assert len(invoke("lifecycle/organizations").json["data"]) == 2


@pytest.mark.parametrize("kind", ["email", "phone"])
def test_a_further_address_that_an_import_made_the_first_one_is_a_further_one_again(invoke, tenant, kind):
    committed(invoke, tenant, start(invoke, tenant, [{**ROW, "first name": "Ana"}]))
    [ana] = invoke("lifecycle/clients").json["data"]
    path = {"contact_id": ana["id"]}
    former, stays = {"email": ("ana@old.example", "ana@home.example"), "phone": ("+15124720001", "+15124720002")}[kind]
    for address in (former, stays):
        assert invoke(f"lifecycle/contact_{kind}s", method="POST", path=path, body={kind: address}).status == 201
    etag = invoke("lifecycle/contact", path=path).etag
    cleared = invoke("lifecycle/contact", method="PATCH", path=path, body={kind: None}, headers={"If-Match": etag})
    then = [(row[kind], row["is_primary"]) for row in cleared.json[f"{kind}s"]]
    assert then == [(stays, False)]
    one = start(invoke, tenant, [{**ROW, "first name": "Ana", f"contact {kind}": stays}], source="other")
    assert committed(invoke, tenant, one)["updated"] == 1
    assert [row["is_primary"] for row in invoke("lifecycle/contact", path=path).json[f"{kind}s"]] == [True]

    assert _undo(invoke, tenant, one) == 1

    now = invoke("lifecycle/contact", path=path).json
    assert ([(row[kind], row["is_primary"]) for row in now[f"{kind}s"]], now[kind]) == (then, None)
    assert [ana["id"]] == [found["id"] for found in invoke("lifecycle/clients", query={"q": stays[-8:]}).json["data"]]
