"""Members: invited by mail, changed and removed by administrators, never without one."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from clientway.identity.members.schemas import Member
from clientway.schemas import Page


@pytest.fixture
def invite(invoke):
    """Invite somebody new; returns the answer."""

    def run(role="viewer", email=None, **kwargs):
        return invoke("identity/members", body={"email": email or f"{uuid4().hex[:10]}@new.example", "role": role}, **kwargs)

    return run


def me_as_member(invoke, tenant):
    return next(member for member in invoke("identity/members").json["data"] if member["user_id"] == str(tenant.user_id))


def test_an_invited_person_gets_a_mail_and_signs_in(invite, mails, ask, verify, invoke):
    answer = invite(role="editor", email="New.Person@Example.com")

    member = Member.model_validate_json(answer.body)
    assert (answer.status, member.email, member.status, member.role) == (201, "new.person@example.com", "invited", "editor")
    assert answer.etag == '"1"'
    mail = mails()[-1]
    assert (mail["template"], mail["to"], mail["tenant_name"], mail["role"]) == (
        "invitation",
        "new.person@example.com",
        "Test tenant",
        "editor",
    )
    nonce, token, _ = ask(email="new.person@example.com")
    assert verify(nonce, token=token).json["role"] == "editor"
    assert invoke("identity/member", path={"membership_id": member.id}).json["status"] == "active"


def test_a_member_is_not_invited_twice(invite, mails):
    first = invite(email="twice@example.com").json
    second = invite(email="TWICE@example.com")

    assert (second.status, second.json["code"], second.json["member_id"]) == (409, "already_member", first["id"])
    assert len(mails()) == 1


def test_a_repeated_request_invites_once(invite, mails):
    first, second = (invite(email="retry@example.com", headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert (second.status, second.body) == (201, first.body)
    assert len(mails()) == 1


def test_inviting_tells_nothing_of_another_tenants_staff(invoke, invite, other_tenant, sql):
    sql("update users set name = 'Known Elsewhere' where id = :u", u=other_tenant.user_id)
    known = invite(email=f"{other_tenant.slug}@staff.example")
    unknown = invite()

    assert (
        (known.status, known.json["name"], known.json["status"])
        == (unknown.status, unknown.json["name"], unknown.json["status"])
        == (201, "", "invited")
    )
    listed = {member["id"]: member["name"] for member in invoke("identity/members").json["data"]}
    assert listed[known.json["id"]] == ""


def test_not_an_address_is_422(invite):
    answer = invite(email="nobody at home")

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "#/email")


def test_another_role_ends_the_members_sessions(invoke, invite, ask, verify, sql, tenant):
    member = invite(role="viewer", email="climber@example.com").json
    nonce, token, _ = ask(email="climber@example.com")
    session = verify(nonce, token=token).json["token"]

    changed = invoke(
        "identity/member", method="PATCH", path={"membership_id": member["id"]}, body={"role": "admin"}, headers={"If-Match": '"1"'}
    )

    assert (changed.status, changed.json["role"], changed.etag) == (200, "admin", '"2"')
    assert invoke("identity/me", token=session).status == 401
    actions = {row["action"] for row in sql("select action from audit_log where tenant_id = :t", t=tenant.id)}
    assert {"member.invited", "member.role_changed"} <= actions


def test_a_change_needs_the_version_it_saw(invoke, invite):
    path = {"membership_id": invite().json["id"]}

    assert invoke("identity/member", method="PATCH", path=path, body={"role": "editor"}).status == 428
    stale = invoke("identity/member", method="PATCH", path=path, body={"role": "editor"}, headers={"If-Match": '"7"'})
    assert (stale.status, stale.headers["ETag"]) == (412, '"1"')
    assert invoke("identity/member", method="DELETE", path=path).status == 428


def test_a_removed_member_is_out_at_once_and_can_come_back(invoke, invite, ask, verify):
    member = invite(email="leaver@example.com").json
    nonce, token, _ = ask(email="leaver@example.com")
    session = verify(nonce, token=token).json["token"]

    assert invoke("identity/member", method="DELETE", path={"membership_id": member["id"]}, headers={"If-Match": '"1"'}).status == 204
    assert invoke("identity/me", token=session).status == 401
    assert invoke("identity/member", path={"membership_id": member["id"]}).status == 404
    again = invite(email="leaver@example.com", role="admin")
    assert (again.status, again.json["id"], again.json["role"]) == (201, member["id"], "admin")


def test_the_last_administrator_stays(invoke, tenant):
    me = me_as_member(invoke, tenant)
    path, headers = {"membership_id": me["id"]}, {"If-Match": f'"{me["version"]}"'}

    demoted = invoke("identity/member", method="PATCH", path=path, body={"role": "viewer"}, headers=headers)
    removed = invoke("identity/member", method="DELETE", path=path, headers=headers)

    assert [(answer.status, answer.json["code"]) for answer in (demoted, removed)] == [(409, "last_admin")] * 2
    assert me_as_member(invoke, tenant)["role"] == "admin"


def test_two_administrators_cannot_remove_each_other_at_once(tenant, invite, invoke):
    from datetime import UTC, datetime

    from clientway import access, db, effects, tokens
    from clientway.identity.members import service

    other = invite(role="admin").json
    targets = [other["id"], me_as_member(invoke, tenant)["id"]]

    def remove(membership_id):
        tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
        try:
            service.remove(tx, membership_id, 1)
            effects.flush(tx)
        except service.LastAdmin:
            db.rollback(tx)
            return "refused"
        db.commit(tx)
        return "removed"

    from uuid import UUID

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remove, map(UUID, targets))) == ["refused", "removed"]


def test_only_administrators_see_members(invoke, tenant):
    for token in (tenant.editor, tenant.viewer):
        assert invoke("identity/members", token=token).status == 403
        assert invoke("identity/members", body={"email": "a@b.example", "role": "admin"}, token=token).status == 403


def test_another_tenants_member_is_absent(invoke, other_tenant, invite):
    member = invite().json
    path = {"membership_id": member["id"]}

    assert invoke("identity/member", path=path, token=other_tenant.admin).status == 404
    answer = invoke("identity/member", method="DELETE", path=path, headers={"If-Match": '"1"'}, token=other_tenant.admin)
    assert answer.status == 404
    assert invoke("identity/member", path=path).status == 200


def test_the_list_filters_and_pages(invoke, invite):
    for _ in range(3):
        invite(role="editor")
    answer = invoke("identity/members", query={"role": "editor", "limit": 2})
    first = Page[Member].model_validate_json(answer.body)
    rest = invoke("identity/members", query={"role": "editor", "limit": 2, "cursor": first.next_cursor}).json

    assert (len(first.data), first.has_more, len(rest["data"]), rest["has_more"]) == (2, True, 1, False)
    assert invoke("identity/members", query={"role": "viewer", "limit": 2, "cursor": first.next_cursor}).status == 400
