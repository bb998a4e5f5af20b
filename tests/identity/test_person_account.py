"""A person signs up with an address and sees what every tenant that holds it does for them; no tenant sees another."""

import json
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import access, db, tokens
from clientway.identity.person_account.schemas import HistoryLine, PersonSignedIn
from clientway.messaging.mail.service import QueuedMail
from clientway.messaging.mail.templates import render
from clientway.schemas import Page
from tests.identity.persons import NONCE, cookie
from tests.test_db import proxy as _proxy

counting_proxy = _proxy
HISTORY = "identity/person_history"


def test_signing_up_by_link(persons, email):
    nonce, token, _ = persons.ask(email.upper())
    answer = persons.verify(nonce, token=token)

    PersonSignedIn.model_validate_json(answer.body)
    assert answer.json["token"].startswith("cw_per_")
    assert cookie(answer, "__Host-clientway-person") == answer.json["token"]
    assert persons.invoke(HISTORY, token=answer.json["token"]).json == {"data": [], "has_more": False, "next_cursor": None}


def test_signing_up_by_code_and_coming_back(persons, email, sql):
    nonce, _, code = persons.ask(email)
    assert persons.verify(nonce, code=code).status == 200
    persons.signed_up(email)

    accounts = sql("select a.id, count(s.id) as sessions from identity.person_accounts a join identity.person_sessions s on s.account_id = a.id "
                   "where a.person_id in (select person_id from identity.person_accounts order by created_at desc limit 1) group by 1")  # fmt: skip
    assert [one["sessions"] for one in accounts] == [2]


def test_the_mail_is_nobodys_and_names_no_tenant(persons, email, tenant):
    persons.contact(tenant, email=email)
    persons.ask(email)

    [mail] = persons.mails(email)
    assert (mail["template"], mail["tenant_name"], mail["to"]) == ("person_link", "Clientway", email)
    assert "/sign-in#person=1&token=" in mail["url"]
    queued = {"id": str(uuid4()), "tenant_id": str(UUID(int=0)), "topic": "mail", "payload": mail}
    sent = QueuedMail.model_validate_json(json.dumps(queued)).payload
    rendered = render(sent.template, {name: value for name, value in sent.model_dump().items() if value is not None})
    assert mail["code"] in rendered.text
    assert mail["url"] in rendered.text


def test_no_readable_address_is_kept(persons, email, sql):
    session = persons.signed_up(email)
    persons.invoke(HISTORY, token=session)
    kept = sql("select string_agg(x::text, '') as all from (select a::text from identity.person_accounts a union all "
               "select s::text from identity.person_sessions s union all select l::text from identity.person_links l) x")  # fmt: skip

    assert email.partition("@")[0] not in kept[0]["all"]
    assert session not in kept[0]["all"]


def test_known_unknown_and_impossible_addresses_are_answered_alike(persons, email, tenant):
    persons.contact(tenant, email=email)
    persons.signed_up(email)
    answers = [
        persons.invoke("identity/person_sign_up", body={"email": one}, token=None, cookies=[])
        for one in (email, f"{uuid4().hex}@home.example", "no address")
    ]

    assert len({(one.status, one.body, tuple(sorted({**one.headers, "X-Request-Id": ""}.items()))) for one in answers}) == 1
    assert persons.mails("no address") == []


@pytest.mark.parametrize("body", [{}, {"email": ""}, {"email": 5}, {"email": "a@b.example", "tenant": "x"}, {"email": "a\x00@b.example"}])
def test_what_breaks_a_rule_is_refused(invoke, body):
    assert invoke("identity/person_sign_up", body=body, token=None).status == 422


def test_a_link_works_once_in_its_browser(persons, email):
    nonce, token, code = persons.ask(email)
    other, _, _ = persons.ask(f"{uuid4().hex}@home.example")

    assert persons.verify(other, token=token).status == persons.verify(None, token=token).status == 401
    assert persons.verify(nonce, token=token).status == 200
    assert persons.verify(nonce, token=token).status == persons.verify(nonce, code=code).status == 401


def test_five_wrong_codes_are_the_last(persons, email):
    nonce, token, code = persons.ask(email)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"

    assert [persons.verify(nonce, code=wrong).status for _ in range(5)] == [401] * 5
    assert persons.verify(nonce, code=code).status == 401
    # Nobody locks somebody out by guessing: the link goes on working.
    assert persons.verify(nonce, token=token).status == 200


def test_an_expired_link_opens_nothing(persons, email, sql):
    nonce, token, code = persons.ask(email)
    sql("update identity.person_links set expires_at = now() where token_hash = :h", h=tokens.digest(token))

    assert persons.verify(nonce, token=token).status == persons.verify(nonce, code=code).status == 401


def test_an_address_gets_five_mails_in_a_quarter_of_an_hour(persons, email):
    for _ in range(7):
        persons.ask(email)

    assert len(persons.mails(email)) == 5


def test_one_source_asks_for_twenty_addresses_an_hour(persons, invoke, sql):
    sql("update identity.person_links set source_hash = id::text")
    asked = [f"{uuid4().hex}@home.example" for _ in range(22)]
    for one in asked:
        invoke("identity/person_sign_up", body={"email": one}, token=None, cookies=[])

    assert sum(len(persons.mails(one)) for one in asked) == 20


def test_the_history_is_that_of_every_tenant_that_holds_them(persons, email, work, tenant, other_tenant):
    ours, theirs = persons.contact(tenant, email=email), persons.contact(other_tenant, email=email.upper())
    stranger = persons.contact(tenant, email=f"{uuid4().hex}@home.example")
    first, second = work(tenant, ours, ago=20), work(other_tenant, theirs, ago=10)
    work(tenant, stranger)
    answer = persons.invoke(HISTORY, token=persons.signed_up(email))

    Page[HistoryLine].model_validate_json(answer.body)
    lines = answer.json["data"]
    assert [line["id"] for line in lines] == [
        second["job"],
        second["invoice"],
        second["payment"],
        first["job"],
        first["invoice"],
        first["payment"],
    ]
    assert [line["tenant"] for line in lines] == [
        {"name": "Test tenant", "slug": one.slug} for one in (other_tenant, tenant) for _ in range(3)
    ]
    assert lines[1]["data"] == {
        "number": "INV-7", "status": "open", "total_cents": 900, "balance_cents": 900, "currency": "USD", "issued_on": "2026-11-01",
        "due_on": "2026-11-15", "payment_url": "https://pay.example/7",
    }  # fmt: skip
    assert (lines[2]["data"]["amount_cents"], lines[2]["data"]["method"]) == (400, "cash")
    # What staff write for each other is not the client's to read.
    assert "gate code" not in answer.body
    assert "secret of ours" not in answer.body


def test_drafts_and_pages_that_are_not_ready_are_not_shown(persons, email, work, tenant):
    contact = persons.contact(tenant, email=email)
    draft, pending = work(tenant, contact, status="open", page="pending"), None
    persons.sql("update invoices set status = 'draft', number = null, opened_at = null where id = :i", i=draft["invoice"])
    pending = work(tenant, contact, page="pending")
    lines = persons.invoke(HISTORY, token=persons.signed_up(email)).json["data"]

    assert [line["id"] for line in lines if line["type"] == "invoice"] == [pending["invoice"]]
    assert next(line for line in lines if line["type"] == "invoice")["data"]["payment_url"] is None


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_of_the_history_hold_every_line_once(persons, email, work, tenant, other_tenant, limit):
    done = [
        work(owner, contact, ago=ago)
        for owner, contact in ((one, persons.contact(one, email=email)) for one in (tenant, other_tenant))
        for ago in (0, 5)
    ]
    session, seen, cursor = persons.signed_up(email), [], None
    while True:
        answer = persons.invoke(HISTORY, token=session, query={"limit": limit, **({"cursor": cursor} if cursor else {})}).json
        seen += answer["data"]
        cursor = answer["next_cursor"]
        if not answer["has_more"]:
            break

    assert sorted(line["id"] for line in seen) == sorted(one for rows in done for one in rows.values())
    assert [line["at"] for line in seen] == sorted((line["at"] for line in seen), reverse=True)


def test_a_cursor_is_of_one_session_and_list(persons, email, work, tenant):
    contact = persons.contact(tenant, email=email)
    work(tenant, contact)
    session = persons.signed_up(email)
    cursor = persons.invoke(HISTORY, token=session, query={"limit": 1}).json["next_cursor"]

    assert persons.invoke(HISTORY, token=session, query={"cursor": cursor}).status == 200
    assert persons.invoke(HISTORY, token=persons.signed_up(email), query={"cursor": cursor}).status == 400
    assert persons.invoke("identity/person_proposals", token=session, query={"cursor": cursor}).status == 400
    assert persons.invoke(HISTORY, token=session, query={"limit": 0}).status == 400


@pytest.mark.parametrize("side", ["survivor", "merged"])
def test_a_merged_record_is_seen_as_the_one_it_is_now(persons, email, work, tenant, side):
    def seen(session):
        return {line["id"] for line in persons.invoke(HISTORY, token=session).json["data"]}

    merged, survivor = persons.contact(tenant, email=email), persons.contact(tenant, email=f"{uuid4().hex}@home.example")
    done = work(tenant, survivor)
    session = persons.signed_up(email)
    assert seen(session) == set()
    choices = {"merged_id": merged["id"], "across_organizations": True, "choices": {"email": side}}
    made = persons.invoke("lifecycle/contact_merge", path={"contact_id": survivor["id"]}, body=choices, headers={"Idempotency-Key": "m"})
    assert made.status == 201, made.body
    assert seen(session) == set(done.values())
    undone = persons.invoke("lifecycle/merge_undo", path={"merge_id": made.json["id"]}, body={}, headers={"Idempotency-Key": "u"})
    assert (undone.status, seen(session), seen(persons.signed_up(survivor["email"]))) == (200, set(), set(done.values()))


def test_who_is_deleted_or_known_by_another_address_is_not_held(persons, email, work, tenant):
    contact = persons.contact(tenant, email=email)
    work(tenant, contact)
    session = persons.signed_up(email)
    assert len(persons.invoke(HISTORY, token=session).json["data"]) == 3
    headers = {"If-Match": f'"{contact["version"]}"'}
    path = {"contact_id": contact["id"]}
    changed = persons.invoke("lifecycle/contact", method="PATCH", path=path, body={"email": f"{uuid4().hex}@home.example"}, headers=headers)
    assert (changed.status, persons.invoke(HISTORY, token=session).json["data"]) == (200, [])


def test_a_session_ends(persons, email, sql):
    session = persons.signed_up(email)
    assert persons.invoke("identity/person_sign_out", token=session).status == 204
    assert persons.invoke(HISTORY, token=session).status == 401
    for change in ("expires_at = now()", "last_seen_at = now() - interval '31 minutes'"):
        session = persons.signed_up(email)
        sql(f"update identity.person_sessions set {change} where token_hash = :h", h=tokens.digest(session))
        assert persons.invoke(HISTORY, token=session).status == 401


def test_sessions_open_their_own_side_alone(persons, email, invoke, tenant):
    session = persons.signed_up(email)

    for function in ("lifecycle/organizations", "identity/me", "lifecycle/client_stats", "lifecycle/portal_info"):
        assert invoke(function, method="GET", token=session).status == 401
    for token in (tenant.admin, None, "cw_per_x", "x"):
        assert invoke(HISTORY, token=token).status == 401


def test_a_cookie_does_and_changes_nothing_for_another_site(persons, email):
    session = persons.signed_up(email)
    cookies = [f"__Host-clientway-person={session}"]

    assert persons.invoke(HISTORY, token=None, cookies=cookies).status == 200
    assert persons.invoke("identity/person_sign_out", token=None, cookies=cookies).status == 403
    assert persons.invoke("identity/person_sign_out", token=None, cookies=cookies, headers={"X-Clientway-CSRF": "1"}).status == 204


def test_a_tenant_sees_whether_its_contact_has_an_account(persons, email, invoke, tenant, other_tenant):
    contact, theirs = persons.contact(tenant, email=email), persons.contact(other_tenant, email=email)
    stranger, nameless = persons.contact(tenant, email=f"{uuid4().hex}@home.example"), persons.contact(tenant)

    def has_account(one):
        answer = invoke("lifecycle/contact_account", path={"contact_id": one["id"]}, token=tenant.viewer)
        return answer.json.get("has_account", answer.status)

    persons.ask(email)
    assert has_account(contact) is False
    persons.signed_up(email)
    assert [has_account(one) for one in (contact, stranger, nameless, theirs)] == [True, False, False, 404]


def test_who_is_made_a_contact_has_an_account_with_the_tenant_once_they_have_signed_in_since(persons, email, invoke, tenant, other_tenant):
    persons.contact(other_tenant, email=email)
    persons.signed_up(email)
    ours = persons.contact(tenant, email=email)

    def has_account():
        return invoke("lifecycle/contact_account", path={"contact_id": ours["id"]}).json

    assert has_account() == {"has_account": False}, "whoever knows an address would learn that somebody is a client elsewhere"
    persons.signed_up(email)
    assert has_account() == {"has_account": True}


def test_the_page_behind_the_link_knows_people(invoke):
    page = invoke("identity/sign_in_page", token=None)

    assert "/api/person/verify" in page.body


def test_what_has_served_its_time_goes(persons, email, sql, ours_alone):
    from operations import forget_expired
    from tests.fixtures import LambdaContext

    session = persons.signed_up(email)
    sql(
        "update identity.person_links set created_at = now() - interval '3 days' where id in (select id from identity.person_links order by created_at desc limit 1)"
    )
    sql("update identity.person_sessions set expires_at = now() - interval '31 days' where token_hash = :h", h=tokens.digest(session))
    sql("update platform_outbox set sent_at = now() - interval '31 days' where payload ->> 'to' = :e", e=email)
    young = persons.signed_up(other := f"{uuid4().hex}@home.example")
    done = forget_expired.handler({}, LambdaContext())

    assert min(done[one] for one in ("person_links", "person_sessions", "platform_outbox")) >= 1
    assert persons.mails(email) == []
    assert len(persons.mails(other)) == 1
    assert persons.invoke(HISTORY, token=young).status == 200


def test_the_relay_hands_the_mail_over_under_no_tenant(persons, email, admin_engine):
    persons.ask(email)
    with db.job_connection() as connection:
        token = uuid4()
        rows = connection.execute(text("select * from app.claim_outbox(10000, interval '1 minute', :k)"), {"k": token}).all()
        [row] = [one for one in rows if one.payload.get("to") == email]
        assert row.tenant_id.int == 0
        connection.execute(text("select app.retry_outbox(:i, :k, interval '0', 'away')"), {"i": row.id, "k": token})
    again = uuid4()
    with db.job_connection() as connection:
        claimed = connection.execute(text("select id, attempts from app.claim_outbox(10000, interval '1 minute', :k)"), {"k": again}).all()
        assert dict(tuple(one) for one in claimed)[row.id] == 2
        assert connection.execute(text("select app.finish_outbox(array[cast(:i as uuid)], :k)"), {"i": row.id, "k": token}).scalar() == 0
        assert connection.execute(text("select app.finish_outbox(array[cast(:i as uuid)], :k)"), {"i": row.id, "k": again}).scalar() == 1
        connection.execute(text("select app.retry_outbox(id, :k, interval '0', '') from unnest(cast(:ids as uuid[])) id"),
                           {"k": again, "ids": [one.id for one in claimed]})  # fmt: skip
    # Handed over, it holds no link and no address any more.
    with admin_engine.connect() as connection:
        assert connection.scalar(text("select payload from platform_outbox where id = :i"), {"i": row.id}) == {}


@pytest.mark.parametrize("table", ["person_accounts", "person_sessions", "person_links", "proposal_person"])
@pytest.mark.parametrize("entry", ["app", "job"])
def test_no_role_of_ours_reads_them(tenant, table, entry):
    tx = db.begin(db.Job(tenant.id) if entry == "job" else db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(text(f"select * from identity.{table}"))
    db.rollback(tx)

    assert db.sqlstate(refusal.value) == "42501"


@pytest.mark.parametrize(
    "call", ["app.person_of('x')", "app.person_account('x')", "app.held_contacts(gen_random_uuid())", "app.forget_persons()"]
)
def test_building_blocks_are_granted_to_nobody(tx, call):
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(text(f"select {call}"))

    assert db.sqlstate(refusal.value) == "42501"


def test_mail_that_is_no_tenants_is_nobodys_to_read(tx):
    with pytest.raises(DatabaseError) as refusal:
        tx.execute(text("select * from platform_outbox"))

    assert db.sqlstate(refusal.value) == "42501"


def test_a_request_of_a_person_is_one_question(counting_proxy, persons, email, work, tenant):
    work(tenant, persons.contact(tenant, email=email))
    session = persons.signed_up(email)
    persons.invoke(HISTORY, token=session)
    counted = {}
    for name in ("person_history", "person_proposals"):
        counting_proxy.reset(connects=False)
        assert persons.invoke(f"identity/{name}", token=session).status == 200
        counted[name] = counting_proxy.flights

    assert counted == {"person_history": 2, "person_proposals": 2}


def test_the_nonce_is_a_cookie_of_this_host(invoke, email):
    answer = invoke("identity/person_sign_up", body={"email": email}, token=None, cookies=[])
    [line] = [one for one in answer.cookies if one.startswith(NONCE)]

    assert all(part in line for part in ("Secure", "HttpOnly", "SameSite=Lax"))
    assert json.loads(answer.body)["expires_in_seconds"] == 900
