"""The portal: a contact's own session, their own page, and nothing that tells who is a client."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from clientway import ids
from clientway.lifecycle.portal.schemas import PortalInfo
from tests.identity.persons import cookie


@pytest.fixture
def client(sql, tenant):
    """An organization with a rep, a plan, tickets, activities and a contact whose portal is open; returns the contact's slug and ids."""

    def make(*, portal_enabled=True, with_company=True, owner=tenant):
        rep, organization, account, contact = (ids.uuid7() for _ in range(4))
        slug = f"ada-{uuid4().hex[:8]}"
        email = f"{slug}@client.example"
        given = {"t": owner.id, "r": rep, "o": organization, "a": account, "c": contact, "slug": slug, "email": email}
        sql(
            "insert into reps (tenant_id, id, slug, name, email, phone) values (:t, :r, :slug, 'Rhea Rep', 'rhea@us.example', '+12125550100')",
            **given,
        )
        sql(
            "insert into organizations (tenant_id, id, legal_name, dba_name, slug, name_norm, search_text, lifecycle_stage, assigned_rep_id) "
            "values (:t, :o, 'Ada Foods LLC', 'Ada''s Diner', :slug, 'ada', 'ada', 'client', :r)",
            **given,
        )
        sql(
            "insert into client_accounts (tenant_id, id, organization_id, client_since, support_plan_tier, support_plan_status, "
            "support_minutes_included, support_minutes_used) values (:t, :a, :o, '2025-01-01', 'professional', 'active', 600, 90)",
            **given,
        )
        sql(
            "insert into contacts (tenant_id, id, organization_id, first_name, last_name, email, email_norm, slug, portal_enabled, name_norm, search_text) "
            f"values (:t, :c, {':o' if with_company else 'null'}, 'Ada', 'Client', :email, :email, :slug, :enabled, 'ada', 'ada')",
            enabled=portal_enabled,
            **given,
        )
        return given

    return make


@pytest.fixture
def ask(invoke, mails, tenant):
    """Ask for a portal mail; returns nonce, token and code."""

    def start(contact, **body):
        given = {"tenant": tenant.slug, "email": contact["email"], **body}
        answer = invoke("identity/portal_sign_in", path={"slug": contact["slug"]}, body=given, token=None, cookies=[])
        assert answer.status == 202
        mail = mails()[-1] if mails() else {"url": "", "code": "000000"}
        return cookie(answer, "__Host-clientway-portal-nonce"), mail["url"].rpartition("token=")[2], mail["code"]

    return start


@pytest.fixture
def verify(invoke):
    def finish(slug, nonce, **body):
        cookies = [f"__Host-clientway-portal-nonce={nonce}"] if nonce else []
        return invoke("identity/portal_sign_in_verify", path={"slug": slug}, body=body, token=None, cookies=cookies)

    return finish


@pytest.fixture
def session(ask, verify):
    def open_for(contact):
        nonce, token, _ = ask(contact)
        return verify(contact["slug"], nonce, token=token).json["token"]

    return open_for


def test_a_contact_sees_their_page(invoke, client, session, sql, tenant):
    contact = client()
    for subject, status in (("Printer", "open"), ("Menu", "pending"), ("Old", "resolved")):
        sql(
            "insert into tickets (tenant_id, id, organization_id, subject, status, resolved_at) values (:t, :i, :o, :s, :st, case when :st = 'resolved' then now() end)",
            t=tenant.id, i=ids.uuid7(), o=contact["o"], s=subject, st=status,
        )  # fmt: skip
    for hours, (title, visible) in enumerate((("Staff note", False), ("Visit", True), ("Call", True))):
        sql(
            "insert into activities (tenant_id, id, organization_id, activity_type, title, client_visible, performed_by_type, occurred_at) "
            "values (:t, :i, :o, 'note_added', :title, :v, 'user', :at)",
            t=tenant.id, i=ids.uuid7(), o=contact["o"], title=title, v=visible, at=datetime.now(UTC) - timedelta(hours=hours),
        )  # fmt: skip

    answer = invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=session(contact))

    info = PortalInfo.model_validate_json(answer.body)
    assert (answer.status, info.name, info.tenant_name) == (200, "Ada Client", "Test tenant")
    assert (info.company.name, info.company.legal_name) == ("Ada's Diner", "Ada Foods LLC")
    assert (info.plan.tier, info.plan.status, info.plan.hours_included, info.plan.hours_used, info.plan.hours_remaining) == (
        "professional",
        "active",
        10,
        1.5,
        8.5,
    )
    assert (info.rep.name, info.rep.email, info.rep.phone) == ("Rhea Rep", "rhea@us.example", "+12125550100")
    assert {ticket.subject for ticket in info.open_tickets} == {"Printer", "Menu"}
    assert [activity.title for activity in info.recent_activities] == ["Visit", "Call"]


def test_a_contact_without_a_company_has_a_page_too(invoke, client, session):
    contact = client(with_company=False)

    info = PortalInfo.model_validate_json(invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=session(contact)).body)

    assert (info.company, info.plan, info.rep, info.open_tickets) == (None, None, None, [])


def test_signing_in_is_put_on_the_timeline(client, session, sql, tenant):
    contact = client()
    session(contact)

    row = sql("select * from activities where tenant_id = :t and activity_type = 'portal_login'", t=tenant.id)[0]
    assert (row["organization_id"], row["contact_id"], row["performed_by_type"], row["client_visible"]) == (
        contact["o"],
        contact["c"],
        "portal",
        False,
    )


def test_the_code_works_on_another_device_and_only_there(client, ask, verify):
    contact = client()
    nonce, _, code = ask(contact)

    assert verify(contact["slug"], None, code=code).status == 401
    assert verify(contact["slug"], nonce, code=code).status == 200


def test_the_fifth_wrong_code_is_the_last(client, ask, verify):
    contact = client()
    nonce, _, code = ask(contact)
    for _ in range(5):
        verify(contact["slug"], nonce, code=f"{(int(code) + 1) % 1_000_000:06d}")

    assert verify(contact["slug"], nonce, code=code).status == 401


def test_the_mail_names_portal_and_tenant_behind_the_hash(client, ask, mails, tenant):
    contact = client()
    ask(contact)

    mail = mails()[-1]
    assert (mail["template"], mail["to"]) == ("portal_link", contact["email"])
    assert mail["url"].startswith(f"http://127.0.0.1:3000/sign-in#portal={contact['slug']}&tenant={tenant.slug}&token=")


def test_who_may_not_gets_the_same_answer_and_no_mail(invoke, client, mails, tenant, sql):
    closed, deleted, known = client(portal_enabled=False), client(), client()
    sql("update contacts set deleted_at = now() where id = :c", c=deleted["c"])
    tries = [
        (closed["slug"], tenant.slug, closed["email"]),
        (deleted["slug"], tenant.slug, deleted["email"]),
        (known["slug"], tenant.slug, "somebody@else.example"),
        (known["slug"], "no-such-tenant", known["email"]),
        ("no-such-slug", tenant.slug, known["email"]),
    ]

    answers = [
        invoke("identity/portal_sign_in", path={"slug": slug}, body={"tenant": named, "email": email}, token=None)
        for slug, named, email in tries
    ]

    assert mails() == []
    answers.append(
        invoke("identity/portal_sign_in", path={"slug": known["slug"]}, body={"tenant": tenant.slug, "email": known["email"]}, token=None)
    )
    assert len(mails()) == 1
    assert len({(answer.status, answer.body) for answer in answers}) == 1


def test_another_contacts_slug_is_404_and_so_is_its_link(invoke, client, session, ask, verify):
    mine, other = client(), client()
    nonce, token, _ = ask(mine)

    assert verify(other["slug"], nonce, token=token).status == 401
    assert invoke("lifecycle/portal_info", path={"slug": other["slug"]}, token=session(mine)).status == 404


def test_the_same_slug_at_another_tenant_stays_another_portal(invoke, client, session, other_tenant, sql):
    mine, other = client(), client(owner=other_tenant)
    sql("update contacts set slug = :slug where id = :c", slug=mine["slug"], c=other["c"])

    info = invoke("lifecycle/portal_info", path={"slug": mine["slug"]}, token=session(mine)).json

    assert info["email"] == mine["email"]


def test_a_portal_session_opens_no_staff_endpoint_and_no_key_opens_the_portal(invoke, client, session, tenant):
    contact = client()
    token = session(contact)

    for function in ("identity/me", "identity/members", "identity/api_keys", "identity/sessions"):
        assert invoke(function, token=token).status == 403
    assert invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=tenant.admin).status == 403


def test_closing_the_portal_ends_its_sessions(invoke, client, session, sql):
    contact = client()
    token = session(contact)
    sql("update contacts set portal_enabled = false where id = :c", c=contact["c"])

    assert invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=token).status == 401


def test_signing_out_ends_the_session(invoke, client, session):
    contact = client()
    token = session(contact)

    answer = invoke("identity/portal_sign_out", path={"slug": contact["slug"]}, token=token)

    assert (answer.status, "Max-Age=0" in answer.cookies[0]) == (204, True)
    assert invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=token).status == 401


def test_a_staff_link_opens_no_portal_and_the_other_way_round(invoke, client, ask, mails, staff_email):
    contact = client()
    answer = invoke("identity/sign_in_email", body={"email": staff_email}, token=None)
    staff_nonce, staff_token = cookie(answer, "__Host-clientway-nonce"), mails()[-1]["url"].rpartition("token=")[2]
    nonce, token, _ = ask(contact)

    cookies = [f"__Host-clientway-portal-nonce={staff_nonce}"]
    assert (
        invoke(
            "identity/portal_sign_in_verify", path={"slug": contact["slug"]}, body={"token": staff_token}, token=None, cookies=cookies
        ).status
        == 401
    )
    cookies = [f"__Host-clientway-nonce={nonce}"]
    assert invoke("identity/sign_in_email_verify", body={"token": token}, token=None, cookies=cookies).status == 401


def test_a_contact_sees_what_they_owe_and_the_primary_one_what_their_company_does(invoke, sql, client, session, tenant):
    contact = client()
    mine, ours, elsewhere = (ids.uuid7() for _ in range(3))
    for number, (invoice, about) in enumerate([(mine, {"c": contact["c"]}), (ours, {"c": None})], 1):
        sql(
            "insert into invoices (tenant_id, id, organization_id, contact_id, number, number_text, status, currency, subtotal_cents, total_cents, "
            "credited_cents, issued_on, due_on, opened_at, payment_url) values (:t, :i, :o, :c, :n, :name, 'open', 'USD', 500, 500, 100, '2026-11-01', "
            "'2026-11-15', now(), 'https://pay.example/1')",
            t=tenant.id, i=invoice, o=contact["o"], n=number, name=f"INV-{number}", **about,
        )  # fmt: skip
    sql(
        "insert into invoices (tenant_id, id, organization_id, contact_id, currency, subtotal_cents, total_cents) values (:t, :i, :o, :c, 'USD', 9, 9)",
        t=tenant.id, i=elsewhere, o=contact["o"], c=contact["c"],
    )  # fmt: skip

    def owed():
        answer = invoke("lifecycle/portal_info", path={"slug": contact["slug"]}, token=session(contact))
        PortalInfo.model_validate_json(answer.body)
        return answer.json["open_invoices"]

    assert owed() == [
        {"id": str(mine), "number": "INV-1", "total_cents": 500, "balance_cents": 400, "currency": "USD", "due_on": "2026-11-15",
         "payment_url": "https://pay.example/1"}
    ]  # fmt: skip
    sql("update contacts set is_primary = true where tenant_id = :t and id = :c", t=tenant.id, c=contact["c"])
    assert [one["number"] for one in owed()] == ["INV-1", "INV-2"]
