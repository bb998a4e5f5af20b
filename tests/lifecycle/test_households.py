"""Households: who lives together, by their endpoints."""

import pytest

from clientway.ids import uuid7
from clientway.lifecycle.households.schemas import Household, HouseholdSuggestion, HouseholdSummary
from clientway.schemas import Page
from tests.lifecycle.merging import client, run  # noqa: F401  (fixtures)
from tests.lifecycle.test_organization_flights import counting_proxy, flights  # noqa: F401  (fixtures)


@pytest.fixture
def create(invoke):
    def call(*contact_ids, **how):
        body = {"contact_ids": [str(one) for one in contact_ids], **how.pop("body", {})}
        return invoke("lifecycle/households", method="POST", body=body, **how)

    return call


@pytest.fixture
def settle(run):  # noqa: F811
    """Give a contact an address."""

    def call(contact_id, key="12 oak st|33101|FL", *, deleted=False):
        run(
            "insert into contact_addresses (tenant_id, id, contact_id, address1, city, postal, address_key, deleted_at)"
            " values (:t, gen_random_uuid(), :c, '12 Oak St', 'Miami', '33101', :key, case when :deleted then now() end)",
            c=contact_id, key=key, deleted=deleted,
        )  # fmt: skip
        return contact_id

    return call


def members(answer):
    return {str(member.contact_id): member.relationship for member in Household.model_validate_json(answer.body).members}


def test_a_household_is_made_read_renamed_and_dissolved(create, client, invoke, run, settle):  # noqa: F811
    ana, bo = (settle(client(own=False, last_name="Ruiz")) for _ in range(2))

    made = create(ana, bo)

    assert made.status == 201, made.body
    assert (made.json["name"], set(members(made))) == ("Ruiz", {str(ana), str(bo)})
    assert run("select address_key from households where tenant_id = :t") == [("12 oak st|33101|FL",)]
    path = {"household_id": made.json["id"]}
    read = invoke("lifecycle/household", path=path)
    assert read.body == made.body
    renamed = invoke("lifecycle/household", method="PATCH", path=path, body={"name": "Oak Street"}, headers={"If-Match": read.etag})
    assert (renamed.json["name"], renamed.json["version"], len(members(renamed))) == ("Oak Street", 2, 2)
    assert invoke("lifecycle/household", method="DELETE", path=path, headers={"If-Match": read.etag}).status == 412
    assert invoke("lifecycle/household", method="DELETE", path=path, headers={"If-Match": renamed.etag}).status == 204
    assert invoke("lifecycle/household", path=path).status == 404
    assert create(ana).status == 201
    actions = run("select action from audit_log where tenant_id = :t and object_type = 'household' order by at, id")
    assert [row[0] for row in actions] == ["household.created", "household.updated", "household.deleted", "household.created"]


def test_members_come_and_go(create, client, invoke):  # noqa: F811
    ana, bo = client(own=False), client(own=False)
    made = create(ana, body={"name": "Home"})
    path = {"household_id": made.json["id"]}

    taken = invoke("lifecycle/household_members", method="POST", path=path, body={"contact_id": str(bo), "relationship": "partner"})
    assert (taken.status, members(taken)) == (200, {str(ana): None, str(bo): "partner"})
    again = invoke("lifecycle/household_members", method="POST", path=path, body={"contact_id": str(bo), "relationship": "spouse"})
    assert members(again)[str(bo)] == "spouse"

    out = {"household_id": made.json["id"], "contact_id": str(ana)}
    assert invoke("lifecycle/household_member", method="DELETE", path=out).status == 204
    assert invoke("lifecycle/household_member", method="DELETE", path=out).status == 404
    read = invoke("lifecycle/household", path=path)
    assert (set(members(read)), read.json["version"]) == ({str(bo)}, 4)


def test_a_contact_is_of_one_household(create, client, invoke):  # noqa: F811
    ana = client(own=False)
    first, second = create(ana), create(client(own=False))

    refused = create(ana)
    assert (refused.status, refused.json["code"], refused.json["household_id"]) == (409, "in_another_household", first.json["id"])
    path = {"household_id": second.json["id"]}
    refused = invoke("lifecycle/household_members", method="POST", path=path, body={"contact_id": str(ana)})
    assert (refused.status, refused.json["code"]) == (409, "in_another_household")


def test_households_are_refused(create, client, invoke, run, tenant, other_tenant):  # noqa: F811
    ana, theirs, gone = client(own=False), uuid7(), client(own=False)
    run("insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:o, :c, 'x', 'x', 'x')", o=other_tenant.id, c=theirs)
    run("update contacts set deleted_at = now() where id = :c", c=gone)

    assert create(ana, token=tenant.viewer).status == 403
    for unknown in (theirs, gone, uuid7()):
        refused = create(ana, unknown)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/contact_ids/1")
    assert create().json["errors"][0]["pointer"] == "#/contact_ids"
    made = create(ana)
    path = {"household_id": made.json["id"]}
    refused = invoke("lifecycle/household_members", method="POST", path=path, body={"contact_id": str(theirs)})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/contact_id")
    etag = {"If-Match": made.etag}
    for token, status in ((tenant.viewer, 403), (other_tenant.admin, 404)):
        assert invoke("lifecycle/household", method="PATCH", path=path, body={"name": "x"}, headers=etag, token=token).status == status
        assert invoke("lifecycle/household", method="DELETE", path=path, headers=etag, token=token).status == status
        one = {**path, "contact_id": str(ana)}
        assert invoke("lifecycle/household_member", method="DELETE", path=one, token=token).status == status
        body = {"contact_id": str(ana)}
        assert invoke("lifecycle/household_members", method="POST", path=path, body=body, token=token).status == status
    assert invoke("lifecycle/household", method="PATCH", path=path, body={"name": "x"}).status == 428
    assert (
        invoke("lifecycle/household", method="PATCH", path=path, body={"name": None}, headers=etag).json["errors"][0]["pointer"] == "#/name"
    )
    assert invoke("lifecycle/household", path=path, token=other_tenant.viewer).status == 404
    assert invoke("lifecycle/household", path=path).body == made.body


def test_a_repeated_request_makes_one_household(create, client, run):  # noqa: F811
    ana = client(own=False)

    answers = [create(ana, headers={"Idempotency-Key": "h"}) for _ in range(2)]

    assert answers[0].body == answers[1].body
    assert run("select count(*) from households where tenant_id = :t") == [(1,)]


def test_households_are_listed_in_pages(create, client, invoke, run):  # noqa: F811
    made = [create(client(own=False), client(own=False), body={"name": f"H{n}"}).json["id"] for n in range(3)]
    gone = run("select contact_id from household_members where tenant_id = :t and household_id = cast(:h as uuid) limit 1", h=made[0])[0][0]
    run("update contacts set deleted_at = now() where id = :c", c=gone)

    seen, cursor = [], None
    while cursor or not seen:
        answer = invoke("lifecycle/households", query={"limit": 2, "sort": "updated_at", **({"cursor": cursor} if cursor else {})})
        seen += Page[HouseholdSummary].model_validate_json(answer.body).data
        cursor = answer.json["next_cursor"]

    assert [(str(one.id), one.member_count) for one in seen] == [(made[0], 1), (made[1], 2), (made[2], 2)]
    assert len(members(invoke("lifecycle/household", path={"household_id": made[0]}))) == 1


def test_who_shares_an_address_and_a_name_is_suggested(create, client, invoke, settle):  # noqa: F811
    ana, bo = (settle(client(own=False, last_name=name)) for name in ("Ruiz", "RUIZ"))
    settle(client(own=False, last_name="Miller"))
    settle(client(own=False, last_name="Ruiz"), deleted=True)
    for _ in range(2):
        settle(client(own=False, last_name="Chen"), key="9 elm st|33101|FL")
    housed = [settle(client(own=False, last_name="Diaz"), key="1 ash st|33101|FL") for _ in range(2)]
    create(*housed)

    answer = invoke("lifecycle/household_suggestions")
    found = Page[HouseholdSuggestion].model_validate_json(answer.body).data

    assert [(one.name.lower(), len(one.contacts)) for one in found] == [("ruiz", 2), ("chen", 2)]
    assert {one.contact_id for one in found[0].contacts} == {ana, bo}
    first = invoke("lifecycle/household_suggestions", query={"limit": 1})
    rest = invoke("lifecycle/household_suggestions", query={"limit": 1, "cursor": first.json["next_cursor"]})
    assert [page.json["data"][0]["name"].lower() for page in (first, rest)] == ["ruiz", "chen"]
    assert rest.json["has_more"] is False


def test_every_request_keeps_to_its_budget(flights, client, invoke):  # noqa: F811
    ana, bo = client(own=False), client(own=False)
    invoke("lifecycle/households")
    counted = {}
    counted["create"], made = flights("households", method="POST", body={"contact_ids": [str(ana)]}, headers={"Idempotency-Key": "k"})
    path = {"household_id": made.json["id"]}
    counted["take in"], _ = flights("household_members", method="POST", path=path, body={"contact_id": str(bo)})
    counted["put out"], _ = flights("household_member", method="DELETE", path={**path, "contact_id": str(bo)})
    counted["read"], read = flights("household", path=path)
    counted["rename"], _ = flights("household", method="PATCH", path=path, body={"name": "x"}, headers={"If-Match": read.etag})
    counted["list"], _ = flights("households")
    counted["suggestions"], _ = flights("household_suggestions")

    budget = {"create": 5, "take in": 5, "put out": 2, "read": 2, "rename": 3, "list": 2, "suggestions": 2}
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted
