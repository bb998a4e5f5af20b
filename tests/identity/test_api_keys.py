"""API keys: the secret is shown once, roles are kept, revoking works at once."""

import json
from datetime import UTC, datetime, timedelta

from clientway import tokens
from clientway.identity.api_keys.schemas import ApiKey, ApiKeyCreated
from clientway.schemas import Page


def test_a_new_key_works_with_its_own_role(invoke):
    answer = invoke("identity/api_keys", body={"name": "Website form", "role": "viewer"})

    created = ApiKeyCreated.model_validate_json(answer.body)
    assert (answer.status, created.token.startswith(created.prefix), tokens.is_well_formed(created.token)) == (201, True, True)
    assert invoke("identity/me", token=created.token).json["role"] == "viewer"
    assert invoke("identity/api_keys", token=created.token).status == 403


def test_the_secret_is_kept_nowhere(invoke, sql, tenant):
    token = invoke("identity/api_keys", body={"name": "k", "role": "viewer"}, headers={"Idempotency-Key": "one"}).json["token"]

    tables = ("api_keys", "idempotency_keys", "audit_log", "outbox")
    kept = json.dumps(
        [dict(row) for table in tables for row in sql(f"select * from {table} where tenant_id = :t", t=tenant.id)], default=str
    )
    assert token not in kept


def test_a_repeated_request_is_refused_instead_of_showing_the_secret_again(invoke, sql, tenant):
    body, headers = {"name": "k", "role": "viewer"}, {"Idempotency-Key": "once"}
    first, second = (invoke("identity/api_keys", body=body, headers=headers) for _ in range(2))

    assert (first.status, second.status, second.json["code"]) == (201, 409, "secret_shown_once")
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "new Idempotency-Key" in second.json["detail"]
    assert len(sql("select 1 from api_keys where tenant_id = :t and name = 'k'", t=tenant.id)) == 1


def test_the_key_with_another_body_is_422(invoke):
    headers = {"Idempotency-Key": "twice"}
    invoke("identity/api_keys", body={"name": "a", "role": "viewer"}, headers=headers)

    assert invoke("identity/api_keys", body={"name": "b", "role": "viewer"}, headers=headers).json["code"] == "idempotency_key_reused"


def test_a_revoked_key_stops_at_once_and_leaves_the_list(invoke, sql, tenant):
    created = invoke("identity/api_keys", body={"name": "k", "role": "admin"}).json

    assert invoke("identity/api_key", path={"api_key_id": created["id"]}).status == 204
    assert invoke("identity/me", token=created["token"]).status == 401
    assert invoke("identity/api_key", path={"api_key_id": created["id"]}).status == 404
    live = Page[ApiKey].model_validate_json(invoke("identity/api_keys").body).data
    every = Page[ApiKey].model_validate_json(invoke("identity/api_keys", query={"include_revoked": "true"}).body).data
    assert created["id"] not in {str(key.id) for key in live}
    assert created["id"] in {str(key.id) for key in every}
    actions = [row["action"] for row in sql("select action from audit_log where tenant_id = :t order by at, id", t=tenant.id)]
    assert actions == ["api_key.created", "api_key.revoked"]


def test_a_key_expires(invoke, sql):
    soon = datetime.now(UTC) + timedelta(hours=1)
    created = invoke("identity/api_keys", body={"name": "k", "role": "viewer", "expires_at": soon.isoformat()}).json
    assert invoke("identity/me", token=created["token"]).status == 200
    sql("update api_keys set expires_at = now() where id = :i", i=created["id"])

    assert invoke("identity/me", token=created["token"]).status == 401


def test_a_key_born_expired_is_422(invoke):
    answer = invoke("identity/api_keys", body={"name": "k", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"})

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "#/expires_at")


def test_only_administrators_handle_keys(invoke, tenant):
    for token in (tenant.editor, tenant.viewer):
        assert invoke("identity/api_keys", token=token).status == 403
        assert invoke("identity/api_keys", body={"name": "k", "role": "viewer"}, token=token).status == 403


def test_another_tenants_key_is_absent(invoke, other_tenant):
    created = invoke("identity/api_keys", body={"name": "k", "role": "viewer"}).json

    assert invoke("identity/api_key", path={"api_key_id": created["id"]}, token=other_tenant.admin).status == 404
    assert invoke("identity/me", token=created["token"]).status == 200


def test_faulty_bodies_are_422(invoke):
    for body, pointer in (
        ({"name": "", "role": "viewer"}, "#/name"),
        ({"name": "k", "role": "owner"}, "#/role"),
        ({"name": "k", "role": "viewer", "token": "x"}, "#/token"),
    ):
        answer = invoke("identity/api_keys", body=body)
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)
