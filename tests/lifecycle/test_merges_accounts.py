"""What two contacts' organizations, their stages and accounts become when the contacts are merged, and undone."""

import pytest

from tests.lifecycle.merging import client, code, contact, merge, organization, run, undo  # noqa: F401  (fixtures)

pytestmark = pytest.mark.usefixtures("run")


def test_the_stage_is_the_furthest_and_goes_back(merge, client, contact, run, undo):  # noqa: F811
    survivor, merged = client(stage="prospect"), client(stage="client")
    ours, theirs = contact(survivor)["organization_id"], contact(merged)["organization_id"]
    stage = "select lifecycle_stage from organizations where id = cast(:o as uuid)"

    preview = merge(survivor, merged, preview=True).json
    assert (preview["lifecycle_stage"], preview["closed_organization_ids"]) == ("client", [theirs])
    done = merge(survivor, merged)

    assert run(stage, o=ours) == [("client",)]
    assert run("select trigger from lifecycle_transitions where organization_id = cast(:o as uuid)", o=ours) == [("merged",)]
    assert run("select count(*), max(mrr_cents) from client_accounts where organization_id = cast(:o as uuid)", o=ours) == [(1, 1000)]
    assert run("select deleted_at is not null from organizations where id = cast(:o as uuid)", o=theirs) == [(True,)]

    assert undo(done.json["id"]).status == 200
    assert run(stage, o=ours) == [("prospect",)]
    assert run("select deleted_at is null from organizations where id = cast(:o as uuid)", o=theirs) == [(True,)]
    assert run("select count(*) from client_accounts where organization_id = cast(:o as uuid)", o=theirs) == [(1,)]


def test_two_accounts_become_one(merge, client, contact, run, undo):  # noqa: F811
    survivor, merged = client(stage="client"), client(stage="client")
    account = "select mrr_cents, total_revenue_cents from client_accounts where organization_id = cast(:o as uuid)"
    ours, theirs = contact(survivor)["organization_id"], contact(merged)["organization_id"]

    done = merge(survivor, merged)

    assert (run(account, o=ours), run(account, o=theirs)) == ([(2000, 10000)], [(0, 0)])
    undo(done.json["id"])
    assert (run(account, o=ours), run(account, o=theirs)) == ([(1000, 5000)], [(1000, 5000)])


def test_a_company_comes_before_an_organization_of_ones_own(merge, client, contact, run):  # noqa: F811
    company = organization(run)
    survivor, merged = client(), client(organization_id=company, is_primary=True)
    own = contact(survivor)["organization_id"]

    merge(survivor, merged)

    assert (contact(survivor)["organization_id"], contact(survivor)["is_primary"]) == (str(company), True)
    assert run("select deleted_at is not null from organizations where id = cast(:o as uuid)", o=own) == [(True,)]


def test_two_companies_take_a_word_and_the_one_that_is_left_gets_a_successor(merge, client, contact, run, undo):  # noqa: F811
    ours, theirs = organization(run), organization(run)
    survivor, merged = client(organization_id=ours, is_primary=True), client(organization_id=theirs, is_primary=True)
    colleague = client(organization_id=theirs, is_primary=False)

    refused = merge(survivor, merged)
    assert code(refused) == (409, "merge_conflict")
    assert [conflict["code"] for conflict in refused.json["conflicts"]] == ["different_organizations"]
    assert [conflict["blocks"] for conflict in merge(survivor, merged, preview=True).json["conflicts"]] == [True]

    done = merge(survivor, merged, across_organizations=True)

    assert done.status == 201
    assert contact(survivor)["organization_id"] == str(ours)
    assert contact(colleague)["is_primary"]
    undo(done.json["id"])
    assert (contact(colleague)["is_primary"], contact(merged)["is_primary"]) == (False, True)


def test_a_successor_who_was_chosen_since_stays(merge, client, contact, run, undo):  # noqa: F811
    ours, theirs = organization(run), organization(run)
    survivor, merged = client(organization_id=ours, is_primary=True), client(organization_id=theirs, is_primary=True)
    first, second = client(organization_id=theirs, is_primary=False), client(organization_id=theirs, is_primary=False)
    done = merge(survivor, merged, across_organizations=True)
    run("update contacts set is_primary = false where id = :c", c=first)
    run("update contacts set is_primary = true where id = :c", c=second)

    assert undo(done.json["id"]).status == 200
    assert (contact(second)["is_primary"], contact(merged)["is_primary"]) == (True, False)


def test_the_blacklist_is_not_left_by_a_merge(merge, client):  # noqa: F811
    answer = merge(client(), client(stage="blacklist"))

    assert code(answer) == (409, "merge_conflict")
    assert answer.json["conflicts"][0]["code"] == "blacklisted"
