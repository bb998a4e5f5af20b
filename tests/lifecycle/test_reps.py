"""Reps and their clients."""

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.lifecycle.reps.schemas import Rep, RepClient
from clientway.schemas import Page


@pytest.fixture
def rep(invoke):
    """A rep."""
    answer = invoke("lifecycle/reps", method="POST", body={"name": "Ada Lovelace", "email": "ada@staff.example"})
    assert answer.status == 201, answer.body
    return answer.json


def test_a_rep_has_a_slug_and_is_read_back(invoke, rep):
    assert Rep.model_validate_json(invoke("lifecycle/rep", path={"rep_id": rep["id"]}).body).slug == "ada-lovelace"
    assert invoke("lifecycle/reps", method="POST", body={"name": "Ada Lovelace"}).json["slug"] == "ada-lovelace-2"
    listed = invoke("lifecycle/reps", query={"limit": 1})
    Page[Rep].model_validate_json(listed.body)
    assert ([one["slug"] for one in listed.json["data"]], listed.json["has_more"]) == (["ada-lovelace"], True)


def test_only_an_admin_keeps_reps(invoke, rep, tenant, other_tenant):
    change = {"method": "PATCH", "path": {"rep_id": rep["id"]}, "body": {"name": "Eve"}, "headers": {"If-Match": '"1"'}}
    assert invoke("lifecycle/reps", method="POST", body={"name": "X"}, token=tenant.editor).status == 403
    assert invoke("lifecycle/rep", **change, token=tenant.editor).status == 403
    assert invoke("lifecycle/rep", **change, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/reps", token=tenant.viewer).status == 200
    assert invoke("lifecycle/rep", path={"rep_id": rep["id"]}, token=other_tenant.admin).status == 404


def test_a_change_needs_the_version_and_keeps_the_slug(invoke, rep):
    def change(body, version):
        return invoke("lifecycle/rep", method="PATCH", path={"rep_id": rep["id"]}, body=body, headers={"If-Match": f'"{version}"'})

    changed = change({"name": "Ada King", "active": False}, 1)
    assert (changed.status, changed.json["slug"], changed.json["active"], changed.etag) == (200, "ada-lovelace", False, '"2"')
    assert change({"name": "X"}, 1).status == 412
    assert change({"name": None}, 2).json["errors"][0]["pointer"] == "#/name"
    assert change({"email": "nobody"}, 2).json["errors"][0]["pointer"] == "#/email"
    assert invoke("lifecycle/reps", query={"active": "true"}).json["data"] == []


def test_the_user_of_a_rep_is_a_member(invoke, rep, tenant, other_tenant):
    made = invoke("lifecycle/reps", method="POST", body={"name": "Member", "user_id": str(tenant.user_id)})
    assert (made.status, made.json["user_id"]) == (201, str(tenant.user_id))
    for stranger in (other_tenant.user_id, uuid7()):
        refused = invoke("lifecycle/reps", method="POST", body={"name": "Stranger", "user_id": str(stranger)})
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "#/user_id")
        change = invoke(
            "lifecycle/rep", method="PATCH", path={"rep_id": rep["id"]}, body={"user_id": str(stranger)}, headers={"If-Match": '"1"'}
        )
        assert change.status == 422


def test_a_reps_clients_come_with_their_accounts(invoke, rep, tenant, other_tenant, admin_engine):
    first, second, _ = (
        invoke(
            "lifecycle/organizations", method="POST", body={"legal_name": name} | ({"assigned_rep_id": rep["id"]} if name != "C" else {})
        ).json
        for name in "ABC"
    )
    account = uuid7()
    with admin_engine.connect() as connection:
        statement = "insert into client_accounts (tenant_id, id, organization_id, client_since, mrr_cents) values (:t, :i, :o, now(), 4900)"
        connection.execute(text(statement), {"t": tenant.id, "i": account, "o": first["id"]})

    answer = invoke("lifecycle/rep_clients", path={"slug": rep["slug"]}, query={"sort": "name"})

    Page[RepClient].model_validate_json(answer.body)
    assert [(one["id"], (one["client_account"] or {}).get("mrr_cents")) for one in answer.json["data"]] == [
        (first["id"], 4900),
        (second["id"], None),
    ]
    assert invoke("lifecycle/rep_clients", path={"slug": "nobody"}).status == 404
    assert invoke("lifecycle/rep_clients", path={"slug": rep["slug"]}, token=other_tenant.admin).status == 404
    assert invoke("lifecycle/rep_clients", path={"slug": rep["slug"]}, query={"lifecycle_stage": "client"}).json["data"] == []


def test_the_client_account_follows_its_organization_to_another_rep(invoke, rep, tenant, admin_engine):
    one = invoke("lifecycle/organizations", method="POST", body={"legal_name": "A"}).json
    with admin_engine.connect() as connection:
        statement = "insert into client_accounts (tenant_id, id, organization_id, client_since) values (:t, :i, :o, now())"
        connection.execute(text(statement), {"t": tenant.id, "i": uuid7(), "o": one["id"]})

    body, path = {"assigned_rep_id": rep["id"]}, {"organization_id": one["id"]}
    assert invoke("lifecycle/organization", method="PATCH", path=path, body=body, headers={"If-Match": '"1"'}).status == 200

    with admin_engine.connect() as connection:
        found = connection.execute(
            text("select assigned_rep_id, version from client_accounts where tenant_id = :t"), {"t": tenant.id}
        ).one()
    assert (str(found.assigned_rep_id), found.version) == (rep["id"], 2)
