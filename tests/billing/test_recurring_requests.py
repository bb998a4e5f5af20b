"""Recurring invoices through their handlers, and the schedule's runs with transactions that commit: late, often or at once."""

import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.billing.recurring import issue, service
from clientway.billing.recurring.schemas import RecurringInvoice, RecurringInvoiceWithInvoices
from clientway.paging import Request
from clientway.schemas import Page
from tests import plans
from tests.billing.invoicing import CARE_PLAN
from tests.fixtures import EVENTS, LambdaContext
from tests.plans import plan  # noqa: F401  (a fixture)
from tests.test_db import proxy as counting_proxy  # noqa: F401  (a fixture)
from tests.work.conftest import make_site


@pytest.fixture
def site(tenant, admin_engine):
    return make_site(admin_engine, tenant)


@pytest.fixture
def today():
    """The day of the test: the one on which its file was read may be over."""
    return datetime.now(UTC).date()


@pytest.fixture
def post(invoke, site, today):
    def call(*, status_=201, headers=None, token=None, **given):
        body = {"contact_id": site.contact_id, "name": "Care plan", "lines": CARE_PLAN, "rrule": "FREQ=MONTHLY", "starts_on": str(today)}
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


def test_it_is_begun_read_listed_and_changed(invoke, post, today, patch, site, tenant, admin_engine):
    answer = post(headers={"Idempotency-Key": (key := uuid4().hex)})
    one = RecurringInvoiceWithInvoices.model_validate_json(answer.body)
    assert (answer.etag, one.currency, one.time_zone, one.next_on, one.organization_id) == (
        '"1"',
        "USD",
        "UTC",
        today,
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


def test_two_runs_at_once_and_one_later_make_each_invoice_once(post, today, ours_alone, tenant, other_tenant, admin_engine):
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
    assert {on for _, on, _ in made} == {today}
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
    one = count("change lines", lambda: patch(one, lines=CARE_PLAN, rrule="FREQ=WEEKLY"))
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
