"""Who am I, where am I signed in, and signing out."""

from uuid import uuid4

from clientway import ids
from clientway.identity.sessions.schemas import Me, Session
from clientway.schemas import Page


def another_member(sql, tenant, role="viewer"):
    """A member of the tenant besides its administrator; returns the user's id and address."""
    user_id, email = uuid4(), f"{uuid4().hex[:10]}@staff.example"
    sql("insert into users (id, email, email_norm, name) values (:u, :e, :e, 'Vic Viewer')", u=user_id, e=email)
    sql("insert into memberships (tenant_id, id, user_id, role) values (:t, :i, :u, :r)", t=tenant.id, i=ids.uuid7(), u=user_id, r=role)
    return user_id, email


def sign_in(ask, verify, email):
    nonce, token, _ = ask(email=email)
    return verify(nonce, token=token).json["token"]


def test_me_shows_a_key_its_rights(invoke, tenant):
    me = Me.model_validate_json(invoke("identity/me", token=tenant.viewer).body)

    assert (me.kind, me.role, me.email, me.tenant.slug) == ("api_key", "viewer", None, tenant.slug)
    assert "organizations:read" in me.permissions
    assert "organizations:write" not in me.permissions


def test_signing_out_ends_the_session_and_clears_the_cookie(invoke, staff_session):
    answer = invoke("identity/sign_out", token=staff_session)

    assert (answer.status, answer.body) == (204, "")
    assert "Max-Age=0" in answer.cookies[0]
    assert invoke("identity/me", token=staff_session).status == 401


def test_signing_out_with_a_key_leaves_the_key_alone(invoke, tenant):
    assert invoke("identity/sign_out", token=tenant.admin).status == 204
    assert invoke("identity/me", token=tenant.admin).status == 200


def test_thirty_idle_minutes_end_a_session(invoke, staff_session, sql, tenant):
    sql("update sessions set last_seen_at = now() - interval '31 minutes' where tenant_id = :t", t=tenant.id)

    assert invoke("identity/me", token=staff_session).status == 401
    assert invoke("identity/sessions").json["data"] == []


def test_twelve_hours_end_a_session_however_busy(invoke, staff_session, sql, tenant):
    sql("update sessions set expires_at = now() where tenant_id = :t", t=tenant.id)

    assert invoke("identity/me", token=staff_session).status == 401


def test_a_viewer_sees_and_ends_only_their_own(invoke, tenant, sql, ask, verify, staff_session):
    _, email = another_member(sql, tenant)
    own = sign_in(ask, verify, email)
    everybody = Page[Session].model_validate_json(invoke("identity/sessions", token=staff_session).body).data
    mine = Page[Session].model_validate_json(invoke("identity/sessions", token=own).body).data
    others = next(session for session in everybody if session.is_current)

    assert (len(everybody), len(mine), mine[0].email, mine[0].is_current) == (2, 1, email, True)
    assert invoke("identity/session", path={"session_id": others.id}, token=own).status == 404
    assert invoke("identity/me", token=staff_session).status == 200
    assert invoke("identity/session", path={"session_id": mine[0].id}, token=own).status == 204
    assert invoke("identity/me", token=own).status == 401


def test_an_administrator_ends_anybodys_session(invoke, tenant, sql, ask, verify):
    user_id, email = another_member(sql, tenant)
    token = sign_in(ask, verify, email)
    found = invoke("identity/sessions", query={"user_id": user_id}, token=tenant.admin).json["data"]

    assert invoke("identity/session", path={"session_id": found[0]["id"]}, token=tenant.admin).status == 204
    assert invoke("identity/me", token=token).status == 401
    assert invoke("identity/session", path={"session_id": found[0]["id"]}, token=tenant.admin).status == 404


def test_another_tenants_session_is_absent(invoke, other_tenant, staff_session, sql, tenant):
    session_id = sql("select id from sessions where tenant_id = :t", t=tenant.id)[0]["id"]

    assert invoke("identity/session", path={"session_id": session_id}, token=other_tenant.admin).status == 404
    assert invoke("identity/me", token=staff_session).status == 200


def test_the_list_pages(invoke, ask, verify):
    for _ in range(3):
        nonce, token, _ = ask()
        assert verify(nonce, token=token).status == 200

    seen, cursor = [], None
    while True:
        answer = invoke("identity/sessions", query={"limit": 2, **({"cursor": cursor} if cursor else {})}).json
        seen += [session["id"] for session in answer["data"]]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    assert len(seen) == len(set(seen)) == 3
