"""Recurring invoices: each on its day and once, however late, often or at once the schedule runs; and through their handlers."""

import json
import threading
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.billing.recurring import issue, service
from clientway.billing.recurring.schemas import (
    RecurringInvoice,
    RecurringInvoiceCreate,
    RecurringInvoicePatch,
    RecurringInvoiceWithInvoices,
)
from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.paging import Request
from clientway.schemas import Page
from tests import plans
from tests.fixtures import EVENTS, LambdaContext
from tests.plans import plan  # noqa: F401  (a fixture)
from tests.test_db import proxy as counting_proxy  # noqa: F401  (a fixture)
from tests.work.conftest import make_site

LINES = [{"description": "Care plan", "quantity": 1.5, "unit_price_cents": 1000, "tax_rate_bps": 1000}]
TODAY = datetime.now(UTC).date()


@pytest.fixture
def at(tx):
    """Have it be another moment."""

    def move(*moment):
        tx.now = datetime(*moment, tzinfo=UTC)

    move(2026, 3, 15, 12)
    return move


@pytest.fixture
def client(tx, at):
    return people.upsert(tx, PersonInput(first_name="Ana", last_name="Ruiz", email="ana@home.example")).contact_id


def sent(body):
    return json.dumps(body, default=str)


def begin(tx, client, **given):
    body = {"contact_id": client, "name": "Care plan", "lines": LINES, "rrule": "FREQ=MONTHLY;BYMONTHDAY=31,-1", "starts_on": "2026-03-01"}
    answer = service.create(tx, RecurringInvoiceCreate.model_validate_json(sent({**body, **given})))
    return RecurringInvoiceWithInvoices.model_validate_json(answer)


def change(tx, recurring, **given):
    patch = RecurringInvoicePatch.model_validate_json(sent(given))
    return RecurringInvoiceWithInvoices.model_validate_json(service.change(tx, recurring.id, patch, version=recurring.version))


def read(tx, recurring):
    return RecurringInvoiceWithInvoices.model_validate_json(service.read(tx, recurring.id))


def invoices(tx, recurring):
    statement = (
        "select i.* from invoices i where i.tenant_id = app.tenant() and i.recurring_invoice_id = :r order by i.number, i.recurring_on"
    )
    return tx.execute(text(statement), {"r": recurring.id}).all()


def issue_due(tx):
    """What the schedule does for one tenant, in one transaction."""
    made = 0
    while due := issue.due(tx, 10):
        made += sum(issue.issue(tx, one) for one in due)
    return made


def test_each_invoice_is_made_and_opened_on_its_day(tx, at, client):
    recurring = begin(tx, client)
    assert (recurring.next_on, recurring.status, recurring.invoices) == (date(2026, 3, 31), "active", [])
    for day in (16, 30):
        at(2026, 3, day, 12)
        assert issue_due(tx) == 0
    at(2026, 3, 31, 0, 5)
    assert (issue_due(tx), issue_due(tx)) == (1, 0)
    at(2026, 4, 30, 9)
    assert issue_due(tx) == 1

    made = invoices(tx, recurring)
    assert [(one.recurring_on, one.issued_on, one.status, one.number) for one in made] == [
        (date(2026, 3, 31), date(2026, 3, 31), "open", 1),
        (date(2026, 4, 30), date(2026, 4, 30), "open", 2),
    ]
    assert {(one.subtotal_cents, one.tax_cents, one.total_cents, one.contact_id) for one in made} == {(1500, 150, 1650, client)}
    after = read(tx, recurring)
    assert (after.next_on, after.issued_count) == (date(2026, 5, 31), 2)
    assert [(one.recurring_on, one.status, one.balance_cents) for one in after.invoices] == [
        (date(2026, 4, 30), "open", 1650),
        (date(2026, 3, 31), "open", 1650),
    ]


def test_a_day_is_one_of_the_tenants_calendar_or_of_the_zone_given(tx, at, client):
    sydney = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-20", time_zone="Australia/Sydney")
    hawaii = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-20", time_zone="Pacific/Honolulu")
    at(2026, 3, 19, 13, 30)  # half past midnight of the 20th in Sydney
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 0)
    at(2026, 3, 20, 9, 30)  # half an hour before the 20th in Hawaii
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 0)
    at(2026, 3, 20, 10, 30)
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 1)


def test_days_that_were_missed_are_caught_up_with_in_order(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-16")
    at(2026, 4, 4, 12)
    [due] = issue.due(tx, 10)
    assert issue.issue(tx, due) == issue.CATCH_UP
    assert issue_due(tx) == 20 - issue.CATCH_UP
    made = invoices(tx, recurring)
    assert [one.recurring_on for one in made] == [date(2026, 3, 16) + timedelta(days=n) for n in range(20)]
    assert [one.number for one in made] == list(range(1, 21))


def test_nothing_is_billed_for_the_past(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=MONTHLY", starts_on="2025-01-20")
    assert recurring.next_on == date(2026, 3, 20)


def test_what_is_paused_does_not_catch_up(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=WEEKLY", starts_on="2026-03-16")
    at(2026, 3, 17)
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), status="paused", status_reason="on leave")
    at(2026, 4, 14)
    assert issue_due(tx) == 0
    recurring = change(tx, recurring, status="active")
    assert (recurring.next_on, recurring.status_reason) == (date(2026, 4, 20), None)
    at(2026, 4, 21)
    assert issue_due(tx) == 1
    assert [one.recurring_on for one in invoices(tx, recurring)] == [date(2026, 3, 16), date(2026, 4, 20)]


def test_a_resume_on_its_own_day_bills_it_once(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15")
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), status="paused")
    recurring = change(tx, recurring, status="active")
    assert (recurring.next_on, issue_due(tx)) == (date(2026, 3, 16), 0)


def test_a_change_of_the_rule_bills_no_day_twice(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=WEEKLY;BYDAY=SU", starts_on="2026-03-15")
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), rrule="FREQ=DAILY", lines=[{"description": "Less", "unit_price_cents": 100}])
    assert recurring.next_on == date(2026, 3, 16)
    at(2026, 3, 16, 12)
    issue_due(tx)
    assert [(one.recurring_on, one.total_cents) for one in invoices(tx, recurring)] == [(date(2026, 3, 15), 1650), (date(2026, 3, 16), 100)]


def test_a_rule_that_has_ended_ends_it(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY;COUNT=3", starts_on="2026-03-15")
    at(2026, 4, 1)
    assert issue_due(tx) == 3
    after = read(tx, recurring)
    assert (after.status, after.status_reason, after.next_on, after.issued_count) == ("ended", "its rule has ended", None, 3)


def test_drafts_wait_where_it_says_so(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY;COUNT=1", starts_on="2026-03-15", auto_open=False, notes="Thanks", terms_days=7)
    issue_due(tx)
    [made] = invoices(tx, recurring)
    assert (made.status, made.number, made.notes, made.terms_days) == ("draft", None, "Thanks", 7)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update contacts set deleted_at = now() where tenant_id = app.tenant() and id = :c", "client deleted"),
        (
            """update organizations set lifecycle_stage = 'blacklist' where tenant_id = app.tenant()
                and id = (select organization_id from contacts where tenant_id = app.tenant() and id = :c)""",
            "client blacklisted",
        ),
    ],
)
def test_a_client_who_is_gone_ends_it_with_the_reason(tx, at, client, statement, reason):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15")
    tx.execute(text(statement), {"c": client})
    assert issue_due(tx) == 0
    after = read(tx, recurring)
    assert (after.status, after.status_reason, after.invoices) == ("ended", reason, [])


def test_prices_of_a_service_are_those_of_the_day(tx, at, client):
    service_id = uuid7()
    tx.execute(text("insert into services (id, name, price_cents, currency) values (:i, 'Deep clean', 12000, 'USD')"), {"i": service_id})
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15", lines=[{"service_id": service_id}])
    issue_due(tx)
    tx.execute(text("update services set price_cents = 15000 where tenant_id = app.tenant() and id = :i"), {"i": service_id})
    at(2026, 3, 16, 12)
    issue_due(tx)
    assert [one.total_cents for one in invoices(tx, recurring)] == [12000, 15000]


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260301"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=MINUTELY"}, "#/rrule", "unsupported_rrule"),
        ({"starts_on": "1999-01-01"}, "#/starts_on", "too_far"),
        ({"starts_on": "9999-01-01"}, "#/starts_on", "too_far"),
        ({"contact_id": str(uuid7())}, "#/contact_id", "unknown_contact"),
        ({"lines": [{"service_id": str(uuid7())}]}, "#/lines/0/service_id", "unknown_service"),
        ({"lines": [{"description": "x"}]}, "#/lines/0/unit_price_cents", "missing"),
        ({"lines": [{"description": "x", "unit_price_cents": -1}]}, "#/lines", "negative_total"),
    ],
)
def test_what_cannot_be_billed_is_refused(tx, at, client, given, pointer, code):
    with pytest.raises(Unprocessable) as refused:
        begin(tx, client, **given)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [(pointer, code)]


# Through the handlers, and with transactions that commit.


@pytest.fixture
def site(tenant, admin_engine):
    return make_site(admin_engine, tenant)


@pytest.fixture
def post(invoke, site):
    def call(*, status_=201, headers=None, token=None, **given):
        body = {"contact_id": site.contact_id, "name": "Care plan", "lines": LINES, "rrule": "FREQ=MONTHLY", "starts_on": str(TODAY)}
        more = {"token": token} if token else {}
        answer = invoke("billing/recurring_invoices", method="POST", body={**body, **given}, headers=headers or {}, **more)
        assert answer.status == status_, answer.body
        return answer

    return call


@pytest.fixture
def patch(invoke):
    def call(one, *, status_=200, token=None, **body):
        more = {"token": token} if token else {}
        path, headers = {"recurring_invoice_id": one["id"]}, {"If-Match": f'"{one["version"]}"'}
        answer = invoke("billing/recurring_invoice", method="PATCH", path=path, body=body, headers=headers, **more)
        assert answer.status == status_, answer.body
        return answer

    return call


def rows(engine, tenant, table, columns, order="1"):
    with engine.connect() as connection:
        statement = text(f"select {columns} from {table} where tenant_id = :t order by {order}")
        return [tuple(row) for row in connection.execute(statement, {"t": tenant.id})]


def run():
    from billing import issue_recurring

    return issue_recurring.handler(json.loads((EVENTS / "billing/issue_recurring.json").read_text()), LambdaContext())


def test_it_is_begun_read_listed_and_changed(invoke, post, patch, site, tenant, admin_engine):
    answer = post(headers={"Idempotency-Key": (key := uuid4().hex)})
    one = RecurringInvoiceWithInvoices.model_validate_json(answer.body)
    assert (answer.etag, one.currency, one.time_zone, one.next_on, one.organization_id) == (
        '"1"',
        "USD",
        "UTC",
        TODAY,
        site.organization_id,
    )
    assert post(headers={"Idempotency-Key": key}).headers["Idempotent-Replayed"] == "true"
    assert invoke("billing/recurring_invoice", path={"recurring_invoice_id": one.id}).body == answer.body
    [listed] = Page[RecurringInvoice].model_validate_json(invoke("billing/recurring_invoices").body).data
    assert listed.id == one.id

    changed = patch(answer.json, name="Other", terms_days=30)
    assert (changed.etag, changed.json["name"], changed.json["terms_days"]) == ('"2"', "Other", 30)
    patch(answer.json, status_=412, name="Third")
    missing = invoke("billing/recurring_invoice", method="PATCH", path={"recurring_invoice_id": one.id}, body={"name": "x"})
    assert missing.status == 428
    ended = patch(changed.json, status="ended")
    assert (ended.json["status"], ended.json["next_on"]) == ("ended", None)
    assert patch(ended.json, status_=409, status="active").json["code"] == "recurrence_ended"
    actions = [action for (action,) in rows(admin_engine, tenant, "audit_log", "action", "at, id")]
    assert [action for action in actions if action.startswith("rec")] == ["recurring_invoice.created"] + ["recurring_invoice.updated"] * 2


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"lines": []}, "#/lines", "too_short"),
        ({"lines": [{"description": "x", "unit_price_cents": 1, "quantity": 0.0001}]}, "#/lines/0/quantity", "greater_than_equal"),
        ({"name": " "}, "#/name", "string_too_short"),
        ({"starts_on": "soon"}, "#/starts_on", "value_error"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone", "value_error"),
        ({"next_on": "2026-01-01"}, "#/next_on", "extra_forbidden"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_at_its_place(post, body, pointer, code):
    assert [(one["pointer"], one["code"]) for one in post(status_=422, **body).json["errors"]] == [(pointer, code)]


def test_who_may_not_and_who_is_somebody_else(invoke, post, patch, tenant, other_tenant, admin_engine):
    post(status_=403, token=tenant.viewer)
    one = post(token=tenant.editor).json
    patch(one, status_=403, token=tenant.viewer, name="x")
    patch(one, status_=404, token=other_tenant.admin, name="x")
    assert invoke("billing/recurring_invoice", path={"recurring_invoice_id": one["id"]}, token=other_tenant.admin).status == 404
    theirs = make_site(admin_engine, other_tenant)
    assert post(status_=422, contact_id=theirs.contact_id).json["errors"][0]["pointer"] == "#/contact_id"
    foreign = [{"service_id": str(theirs.service_id)}]
    assert post(status_=422, lines=foreign).json["errors"][0]["pointer"] == "#/lines/0/service_id"
    assert patch(one, status_=422, lines=foreign).json["errors"][0]["pointer"] == "#/lines/0/service_id"
    assert invoke("billing/recurring_invoice", path={"recurring_invoice_id": one["id"]}).json == one
    assert len(rows(admin_engine, tenant, "recurring_invoices", "id")) == 1


def test_a_client_who_is_gone_is_not_billed_again(post, patch, tenant, admin_engine):
    one = post().json
    with admin_engine.connect() as connection:
        connection.execute(text("update organizations set lifecycle_stage = 'blacklist' where tenant_id = :t"), {"t": tenant.id})
    assert post(status_=409).json["code"] == "contact_blacklisted"
    assert patch(one, status_=409, name="x").json["code"] == "client_gone"
    assert patch(one, status="paused").json["status"] == "paused"


def test_pages_show_each_once(post, invoke, site):
    made = [post().json["id"] for _ in range(5)]
    found, query = [], {"limit": 2, "contact_id": site.contact_id, "status": "active"}
    while True:
        page = invoke("billing/recurring_invoices", query=query).json
        found += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert found == made[::-1]


def test_two_runs_at_once_and_one_later_make_each_invoice_once(post, tenant, other_tenant, admin_engine):
    theirs = make_site(admin_engine, other_tenant)
    mine = [post(name=f"R{number}").json["id"] for number in range(6)]
    post(contact_id=theirs.contact_id, token=other_tenant.admin)
    failures = []

    def safely():
        try:
            run()
        except BaseException as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=safely) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run()

    assert failures == []
    made = rows(admin_engine, tenant, "invoices", "recurring_invoice_id::text, recurring_on, number", "number")
    assert sorted(one for one, _, _ in made) == sorted(mine)
    assert [number for _, _, number in made] == list(range(1, 7))
    assert {on for _, on, _ in made} == {TODAY}
    assert len(rows(admin_engine, other_tenant, "invoices", "id")) == 1


def test_a_run_that_is_killed_is_taken_up_by_the_next(post, tenant, admin_engine):
    one = post(rrule="FREQ=DAILY").json
    later = datetime.now(UTC) + timedelta(days=3)
    tx = db.begin(db.Job(tenant.id), now=later)
    assert issue.issue(tx, one["id"]) == 4
    db.rollback(tx)
    assert rows(admin_engine, tenant, "invoices", "id") == []
    made = issue.issue_all([tenant.id], lambda tenant_id: db.job_transaction(tenant_id, now=later), until=lambda: False)
    assert made == 4
    assert [number for (number,) in rows(admin_engine, tenant, "invoices", "number")] == [1, 2, 3, 4]


def test_what_cannot_be_made_is_paused_with_the_reason_and_keeps_nobody_waiting(post, site, tenant, other_tenant, admin_engine, invoke):
    broken = post(lines=[{"service_id": str(site.service_id)}], name="broken").json
    fine = post(name="fine").json
    with admin_engine.connect() as connection:
        # A price in another currency is none of this invoice's.
        connection.execute(text("update services set currency = 'EUR' where tenant_id = :t"), {"t": tenant.id})

    def transaction(tenant_id):
        if tenant_id == other_tenant.id:
            raise RuntimeError("no connection")
        return db.job_transaction(tenant_id)

    with pytest.raises(ExceptionGroup) as failed:
        issue.issue_all([other_tenant.id, tenant.id], transaction, until=lambda: False)
    assert [str(one) for one in failed.value.exceptions] == ["no connection"]
    stopped = invoke("billing/recurring_invoice", path={"recurring_invoice_id": broken["id"]}).json
    assert (stopped["status"], stopped["invoices"]) == ("paused", [])
    assert "#/lines/0/unit_price_cents" in stopped["status_reason"]
    assert invoke("billing/recurring_invoice", path={"recurring_invoice_id": fine["id"]}).json["issued_count"] == 1
    topics = [topic for (topic,) in rows(admin_engine, tenant, "outbox", "topic")]
    assert topics.count("recurring_invoice.paused") == 1


def test_a_zone_that_this_machine_does_not_know_is_its_trouble_and_no_pause(post, tenant, admin_engine, invoke):
    one = post().json
    with admin_engine.connect() as connection:
        connection.execute(text("update recurring_invoices set time_zone = 'Mars/Olympus' where tenant_id = :t"), {"t": tenant.id})
    with pytest.raises(ExceptionGroup):
        issue.issue_all([tenant.id], db.job_transaction, until=lambda: False)
    with admin_engine.connect() as connection:
        connection.execute(text("update recurring_invoices set time_zone = 'UTC' where tenant_id = :t"), {"t": tenant.id})
    assert issue.issue_all([tenant.id], db.job_transaction, until=lambda: False) == 1
    assert invoke("billing/recurring_invoice", path={"recurring_invoice_id": one["id"]}).json["status"] == "active"


def test_every_request_keeps_to_its_budget(counting_proxy, post, patch, invoke):  # noqa: F811
    post()
    counted = {}

    def count(name, call):
        counting_proxy.reset(connects=False)
        answer = call()
        counted[name] = counting_proxy.flights
        return answer.json

    one = count("create", lambda: post(headers={"Idempotency-Key": uuid4().hex}))
    one = count("change", lambda: patch(one, name="Other"))
    one = count("change lines", lambda: patch(one, lines=LINES, rrule="FREQ=WEEKLY"))
    count("read", lambda: invoke("billing/recurring_invoice", path={"recurring_invoice_id": one["id"]}))
    count("list", lambda: invoke("billing/recurring_invoices"))
    budget = {"read": 2, "list": 2, "change": 4}
    assert {name: found for name, found in counted.items() if found > budget.get(name, 6)} == {}, counted


CROWD = """
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :t, 'Crowd', :s, 'crowd', '');
insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text) values (:t, :t, :t, :s, '', '');
insert into recurring_invoices (tenant_id, id, organization_id, contact_id, name, lines, currency, rrule, starts_on, time_zone, next_on, created_at)
select :t, gen_random_uuid(), :t, :t, 'x', '[]', 'USD', 'FREQ=WEEKLY', '2026-01-05', 'UTC', current_date + n, now() - n * interval '1 minute'
  from generate_series(1, :rows) n
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    return plans.seed(admin_engine, CROWD, rows=20_000, analyze=("recurring_invoices",))


def test_a_page_of_many_reads_no_more_than_it_shows(plan, crowd):  # noqa: F811
    found = plan(lambda tx: service.find(tx, Request(25, None, "-created_at", {}), contact_id=None, status=None))["Plan"]
    assert plans.scanned(found) == set()
    assert plans.touched(found) <= 200, plans.outline(found)
