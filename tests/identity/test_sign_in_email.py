"""Signing in by link and code, and what keeps scanners, guessers and the curious out."""

import json
from pathlib import Path

import pytest

from clientway.identity.sign_in import page
from clientway.identity.sign_in.schemas import SignedIn, SignInStarted
from tests.identity.persons import cookie


def test_a_member_signs_in_with_the_link_of_the_mail(invoke, tenant, ask, verify, staff_email):
    nonce, token, _ = ask()

    answer = verify(nonce, token=token)

    signed_in = SignedIn.model_validate_json(answer.body)
    assert (answer.status, signed_in.role, signed_in.email, signed_in.tenant.slug) == (200, "admin", staff_email, tenant.slug)
    assert [known.slug for known in signed_in.tenants] == [tenant.slug]
    me = invoke("identity/me", token=signed_in.token)
    assert (me.status, me.json["kind"], me.json["email"]) == (200, "user", staff_email)


def test_the_session_cookie_is_out_of_reach_for_scripts_and_other_sites(invoke, ask, verify):
    nonce, token, _ = ask()
    answer = verify(nonce, token=token)

    line = next(line for line in answer.cookies if line.startswith("__Host-clientway="))
    assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=43200"} <= set(line.split("; "))
    assert "Domain" not in line
    assert invoke("identity/me", token=None, cookies=[line.partition(";")[0]]).status == 200


def test_a_change_by_cookie_needs_the_header_that_other_sites_cannot_set(invoke, staff_session):
    cookies = [f"__Host-clientway={staff_session}"]

    assert invoke("identity/sign_out", token=None, cookies=cookies).status == 403
    assert invoke("identity/sign_out", token=None, cookies=cookies, headers={"X-Clientway-CSRF": "1"}).status == 204


def test_a_member_signs_in_with_the_code_on_another_device(ask, verify):
    nonce, _, code = ask()

    assert verify(nonce, code=code).status == 200


@pytest.mark.parametrize("email", ["nobody@nowhere.example", "not an address", "@@@"])
def test_an_unknown_address_gets_the_same_answer(invoke, mails, email):
    answer = invoke("identity/sign_in_email", body={"email": email}, token=None)

    assert answer.status == 202
    assert SignInStarted.model_validate_json(answer.body).expires_in_seconds == 900
    assert cookie(answer, "__Host-clientway-nonce")
    assert mails() == []


def test_known_and_unknown_addresses_cannot_be_told_apart(invoke, staff_email):
    known, unknown = (invoke("identity/sign_in_email", body={"email": email}, token=None) for email in (staff_email, "x@nowhere.example"))

    assert (known.status, known.body, set(known.headers)) == (unknown.status, unknown.body, set(unknown.headers))
    assert [line.partition("=")[0] for line in known.cookies] == [line.partition("=")[0] for line in unknown.cookies]


def test_the_address_is_matched_however_it_is_written(mails, ask, staff_email):
    ask(email=f"  {staff_email.upper()} ")

    assert len(mails()) == 1


def test_a_link_works_once(ask, verify):
    nonce, token, _ = ask()

    assert [verify(nonce, token=token).status for _ in range(2)] == [200, 401]


def test_a_used_link_takes_its_code_along(ask, verify):
    nonce, token, code = ask()
    verify(nonce, token=token)

    assert verify(nonce, code=code).status == 401


def test_a_link_works_only_in_the_browser_that_asked(ask, verify):
    nonce, token, code = ask()
    other = "B" * 43

    refusals = [verify(None, token=token), verify(other, token=token), verify(None, code=code), verify(other, code=code)]

    assert [(answer.status, answer.json["code"]) for answer in refusals] == [(401, "sign_in_refused")] * 4
    assert verify(nonce, token=token).status == 200


def test_a_link_expires_after_fifteen_minutes(ask, verify, sql, tenant):
    nonce, token, code = ask()
    left = sql("select expires_at - created_at as kept from sign_in_links where tenant_id = :t", t=tenant.id)[0]["kept"]
    assert left.total_seconds() == 900
    sql("update sign_in_links set expires_at = now() - interval '1 second' where tenant_id = :t", t=tenant.id)

    assert (verify(nonce, token=token).status, verify(nonce, code=code).status) == (401, 401)


def test_the_fifth_wrong_code_is_the_last(ask, verify):
    nonce, token, code = ask()
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    assert {verify(nonce, code=wrong).status for _ in range(5)} == {401}
    assert verify(nonce, code=code).status == 401
    assert verify(nonce, token=token).status == 200, "guessing locks nobody out of the link"


def test_all_links_of_a_person_share_twenty_wrong_codes_a_day(ask, verify, sql, tenant):
    nonce, _, code = ask()
    sql("update sign_in_links set attempts = 0 where tenant_id = :t", t=tenant.id)
    sql(
        "insert into sign_in_links (tenant_id, id, user_id, token_hash, code_hash, nonce_hash, attempts, expires_at) "
        "select tenant_id, gen_random_uuid(), user_id, encode(sha256(g::text::bytea || id::text::bytea), 'hex'), '', '', 5, now() "
        "from sign_in_links, generate_series(1, 4) g where tenant_id = :t",
        t=tenant.id,
    )

    assert verify(nonce, code=code).status == 401


def test_a_mailbox_gets_five_mails_in_a_quarter_of_an_hour(ask, mails):
    for _ in range(7):
        ask()

    assert len(mails()) == 5


def test_asking_twice_in_one_browser_leaves_both_links_usable(ask, verify):
    nonce, first, _ = ask()
    again, second, _ = ask(nonce=nonce)

    assert again == nonce
    assert [verify(nonce, token=token).status for token in (first, second)] == [200, 200]


def test_nothing_readable_is_kept(ask, verify, sql, tenant):
    nonce, token, code = ask()
    session = verify(nonce, token=token).json["token"]

    kept = json.dumps(
        [dict(row) for table in ("sign_in_links", "sessions") for row in sql(f"select * from {table} where tenant_id = :t", t=tenant.id)],
        default=str,
    )
    assert not [secret for secret in (nonce, token, f'"{code}"', session) if secret in kept]


def test_a_removed_member_gets_neither_mail_nor_session(ask, verify, mails, sql, tenant, invoke, staff_email):
    nonce, token, _ = ask()
    sql("update memberships set revoked_at = now() where tenant_id = :t", t=tenant.id)

    assert verify(nonce, token=token).status == 401
    invoke("identity/sign_in_email", body={"email": staff_email}, token=None)
    assert len(mails()) == 1


def test_a_member_of_several_tenants_chooses(invoke, tenant, other_tenant, mails, sql, staff_email, ask, verify):
    sql(
        "insert into memberships (tenant_id, id, user_id, role) values (:o, gen_random_uuid(), :u, 'viewer')",
        o=other_tenant.id,
        u=tenant.user_id,
    )
    nonce, token, _ = ask(tenant=tenant.slug)
    signed_in = verify(nonce, token=token).json
    assert (signed_in["tenant"]["slug"], signed_in["role"]) == (tenant.slug, "admin")
    assert {known["slug"] for known in signed_in["tenants"]} == {tenant.slug, other_tenant.slug}

    invoke("identity/sign_in_email", body={"email": staff_email, "tenant": other_tenant.slug}, token=None)
    assert len(mails(other_tenant.id)) == 1
    invoke("identity/sign_in_email", body={"email": staff_email}, token=None)
    assert len(mails()) == 2, "without a word the one used last"


def test_the_tenant_of_somebody_else_sends_nothing(invoke, other_tenant, mails, staff_email):
    invoke("identity/sign_in_email", body={"email": staff_email, "tenant": other_tenant.slug}, token=None)

    assert (mails(), mails(other_tenant.id)) == ([], [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"token": "A" * 43, "code": "123456"}, "#"),
        ({"code": "12345"}, "#/code"),
        ({"token": "short"}, "#/token"),
        ({"code": 123456}, "#/code"),
    ],
)
def test_a_malformed_proof_is_422(verify, body, pointer):
    answer = verify("A" * 43, **body)

    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, pointer)


def test_the_page_changes_nothing_and_keeps_the_token_to_itself(invoke, ask, verify):
    nonce, token, _ = ask()

    for _ in range(5):
        answer = invoke("identity/sign_in_page", token=None, cookies=[f"__Host-clientway-nonce={nonce}"])

    assert (answer.status, answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == (200, "no-referrer", "no-store")
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Type"].startswith("text/html")
    assert verify(nonce, token=token).status == 200


def test_the_link_carries_its_token_behind_the_hash(ask, mails):
    ask()

    before, _, fragment = mails()[-1]["url"].partition("#")
    assert (before, fragment.partition("=")[0]) == ("http://127.0.0.1:3000/sign-in", "token")


def test_the_policy_names_the_inline_script():
    assert page.headers()["Content-Security-Policy"].count("'sha256-") == 2
    assert page.html().count("<script>") == 1


def test_audit_tells_of_the_session(sql, tenant, staff_session):
    rows = sql("select action, actor_id from audit_log where tenant_id = :t", t=tenant.id)

    assert [(row["action"], row["actor_id"]) for row in rows] == [("session.opened", tenant.user_id)]


def test_every_function_of_the_context_has_its_event():
    functions, events = (Path(__file__).parents[2] / folder / "identity" for folder in ("functions", "events"))

    assert {file.stem for file in functions.glob("*.py")} == {file.stem for file in events.glob("*.json")}
