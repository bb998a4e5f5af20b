"""Job series through their handlers: who may, what is refused, how often the database is turned to; and the schedule as it runs."""

import json
import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import access, db, effects, tokens
from clientway.errors import PreconditionFailed
from clientway.ids import uuid7
from clientway.paging import Request
from clientway.schemas import Page
from clientway.work.series import materialize, service
from clientway.work.series.schemas import JobSeries, JobSeriesOutcome, JobSeriesPatch, JobSeriesWithJobs
from tests import plans
from tests.fixtures import EVENTS, LambdaContext
from tests.plans import plan  # noqa: F401  (a fixture)
from tests.test_db import proxy as counting_proxy  # noqa: F401  (a fixture)
from tests.work.conftest import make_site

NINE = (datetime.now(UTC) + timedelta(days=1)).replace(hour=9, minute=0, second=0, microsecond=0, tzinfo=None)


def clock(days=0, hour=9):
    return (NINE + timedelta(days=days)).replace(hour=hour).isoformat()


@pytest.fixture
def begin(invoke, site):
    """Begin a series for the site's contact."""

    def call(*, status_=201, headers=None, token=None, **given):
        body = {"contact_id": site.contact_id, "rrule": "FREQ=DAILY", "starts_local": clock(), **given}
        more = {"token": token} if token else {}
        answer = invoke("work/job_series", method="POST", body=body, headers=headers or {}, **more)
        assert answer.status == status_, answer.body
        return answer

    return call


@pytest.fixture
def change(invoke):
    def call(series, *, status_=200, version=None, token=None, **body):
        more = {"token": token} if token else {}
        headers = {"If-Match": f'"{version or series["version"]}"'}
        answer = invoke("work/job_series_one", method="PATCH", path={"series_id": series["id"]}, body=body, headers=headers, **more)
        assert answer.status == status_, answer.body
        return answer

    return call


def rows(engine, tenant, table, columns, order="1"):
    with engine.connect() as connection:
        statement = text(f"select {columns} from {table} where tenant_id = :t order by {order}")
        return [tuple(row) for row in connection.execute(statement, {"t": tenant.id})]


def test_a_series_begins_is_read_listed_changed_and_ended(invoke, begin, change, site, tenant, admin_engine):
    answer = begin(service_id=site.service_id, assignee_id=site.rep_id, rrule="freq=weekly;")
    series = JobSeriesOutcome.model_validate_json(answer.body)
    assert (answer.etag, series.rrule, series.status, series.duration_minutes, series.address_id) == (
        '"1"', "FREQ=WEEKLY", "active", 90, site.address_id,
    )  # fmt: skip
    assert rows(admin_engine, tenant, "contacts", "status") == [("active",)], "the first job makes a lead a client"

    read = invoke("work/job_series_one", path={"series_id": series.id})
    one = JobSeriesWithJobs.model_validate_json(read.body)
    assert (read.etag, [job.start_at.hour for job in one.upcoming]) == ('"1"', [9] * series.created)
    assert one.upcoming[0].occurrence_local == NINE
    [listed] = Page[JobSeries].model_validate_json(invoke("work/job_series").body).data
    assert listed.id == series.id
    assert len(invoke("work/jobs", query={"series_id": series.id, "limit": 100}).json["data"]) == series.created

    changed = change(json.loads(read.body), starts_local=clock(hour=11), assignee_id=None)
    assert (changed.etag, changed.json["moved"], changed.json["canceled"]) == ('"2"', series.created, 0)
    ended = invoke("work/job_series_end", path={"series_id": series.id}, body={"reason": "moved away"})
    assert (ended.status, ended.json["status"], ended.json["canceled"]) == (200, "ended", series.created)
    assert set(rows(admin_engine, tenant, "jobs", "status, status_reason, assignee_id")) == {("canceled", "moved away", None)}

    actions = [action for (action,) in rows(admin_engine, tenant, "audit_log", "action", "at, id") if action.startswith("job_series")]
    assert actions == ["job_series.created", "job_series.updated", "job_series.ended"]
    for again in (
        lambda: change(ended.json, status_=409, title="x"),
        lambda: invoke("work/job_series_end", path={"series_id": series.id}, body={}),
    ):
        assert again().json["code"] == "series_ended"


def test_a_split_answers_with_the_new_series_and_its_etag(invoke, begin, change):
    series = begin().json
    answer = change(series, scope="this_and_following", from_local=clock(7), title="Later")
    later = answer.json
    assert (later["split_from"], later["title"], answer.etag, later["moved"]) == (series["id"], "Later", '"1"', 43)
    former = invoke("work/job_series_one", path={"series_id": series["id"]}).json
    assert (len(former["upcoming"]), former["version"]) == (7, 2)


def test_a_job_of_a_series_that_is_changed_by_hand_is_detached(invoke, begin, change):
    series = begin(rrule="FREQ=DAILY;COUNT=5").json
    job = invoke("work/jobs", query={"series_id": series["id"]}).json["data"][2]
    headers = {"If-Match": f'"{job["version"]}"'}
    moved = invoke("work/job", method="PATCH", path={"job_id": job["id"]}, body={"title": "By hand"}, headers=headers)
    assert (moved.status, moved.json["detached"]) == (200, True)
    change(series, title="All")
    titles = [one["title"] for one in invoke("work/jobs", query={"series_id": series["id"], "sort": "start_at"}).json["data"]]
    assert sorted(titles) == ["All"] * 4 + ["By hand"]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=SECONDLY"}, "#/rrule", "unsupported_rrule"),
        ({"rrule": "every monday"}, "#/rrule", "malformed_rrule"),
        ({"rrule": ""}, "#/rrule", "string_too_short"),
        ({"rrule": "FREQ=DAILY\x00"}, "#/rrule", "string_pattern_mismatch"),
        ({"starts_local": "2026-12-01T09:00:00Z"}, "#/starts_local", "value_error"),
        ({"starts_local": "2026-12-01"}, "#/starts_local", "value_error"),
        ({"starts_local": 5}, "#/starts_local", "value_error"),
        ({"starts_local": "0001-01-01T00:00:00"}, "#/starts_local", "too_far"),
        ({"starts_local": "9999-12-31T23:59:59"}, "#/starts_local", "too_far"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone", "value_error"),
        ({"duration_minutes": 0}, "#/duration_minutes", "greater_than_equal"),
        ({"excluded_local": [clock()] * 367}, "#/excluded_local", "too_long"),
        ({"assignee_id": str(uuid4())}, "#/assignee_id", "unknown_assignee"),
        ({"contact_id": str(uuid4())}, "#/contact_id", "unknown_contact"),
        ({"colour": "red"}, "#/colour", "extra_forbidden"),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_at_its_place(begin, body, pointer, code):
    answer = begin(status_=422, **body)
    assert [(one["pointer"], one["code"]) for one in answer.json["errors"]] == [(pointer, code)]


def test_only_who_may_changes_series(begin, change, invoke, tenant):
    begin(status_=403, token=tenant.viewer)
    series = begin(token=tenant.editor).json
    change(series, status_=403, token=tenant.viewer, title="x")
    assert invoke("work/job_series_end", path={"series_id": series["id"]}, body={}, token=tenant.viewer).status == 403
    assert invoke("work/job_series_one", path={"series_id": series["id"]}, token=tenant.viewer).json["version"] == 1


def test_another_tenants_series_and_rows_are_not_there(begin, change, invoke, other_tenant, admin_engine, tenant):
    series = begin().json
    theirs = make_site(admin_engine, other_tenant)
    path = {"series_id": series["id"]}
    change(series, status_=404, token=other_tenant.admin, title="x")
    assert invoke("work/job_series_one", path=path, token=other_tenant.admin).status == 404
    assert invoke("work/job_series_end", path=path, body={}, token=other_tenant.admin).status == 404
    for name, one in (
        ("contact", theirs.contact_id),
        ("service", theirs.service_id),
        ("address", theirs.address_id),
        ("assignee", theirs.rep_id),
    ):
        assert begin(status_=422, **{f"{name}_id": one}).json["errors"][0]["code"] == f"unknown_{name}"
        if name != "contact":
            assert change(series, status_=422, **{f"{name}_id": str(one)}).json["errors"][0]["pointer"] == f"#/{name}_id"
    assert invoke("work/job_series_one", path=path).json["version"] == 1
    assert rows(admin_engine, other_tenant, "jobs", "id") == []
    assert len(rows(admin_engine, tenant, "job_series", "id")) == 1


def test_a_stale_change_and_one_without_a_version_are_refused(begin, change, invoke):
    series = begin().json
    change(series, title="Other")
    stale = change(series, status_=412, title="Third")
    assert stale.headers["ETag"] == '"2"'
    missing = invoke("work/job_series_one", method="PATCH", path={"series_id": series["id"]}, body={"title": "x"})
    assert missing.status == 428


def test_a_repeated_request_makes_no_second_series(begin, tenant, admin_engine):
    key = {"Idempotency-Key": uuid4().hex}
    first, second = begin(headers=key), begin(headers=key)
    assert (first.body, second.headers["Idempotent-Replayed"]) == (second.body, "true")
    assert len(rows(admin_engine, tenant, "job_series", "id")) == 1
    assert len(rows(admin_engine, tenant, "jobs", "id")) == 50


def test_a_client_who_is_gone_has_no_new_series_and_no_changes(begin, change, invoke, site, tenant, admin_engine):
    series = begin().json
    with admin_engine.connect() as connection:
        connection.execute(text("update organizations set lifecycle_stage = 'blacklist' where tenant_id = :t"), {"t": tenant.id})
    assert begin(status_=409).json["code"] == "contact_blacklisted"
    assert change(series, status_=409, title="x").json["code"] == "client_gone"
    assert invoke("work/job_series_end", path={"series_id": series["id"]}, body={}).json["status"] == "ended"


def test_pages_of_a_list_show_each_series_once(begin, invoke, site):
    made = [begin(rrule="FREQ=YEARLY").json["id"] for _ in range(5)]
    found, query = [], {"limit": 2, "contact_id": site.contact_id, "status": "active"}
    while True:
        page = invoke("work/job_series", query=query).json
        found += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert found == made[::-1]
    assert invoke("work/job_series", query={"status": "ended"}).json["data"] == []
    assert invoke("work/job_series", query={"status": "over"}).status == 400


def test_every_request_keeps_to_its_budget(counting_proxy, begin, change, invoke, site, tenant, admin_engine):  # noqa: F811
    begin(assignee_id=site.rep_id, rrule="FREQ=YEARLY", starts_local=clock(hour=20))
    counted = {}

    def count(name, call):
        counting_proxy.reset(connects=False)
        answer = call()
        counted[name] = counting_proxy.flights
        return answer.json

    whole = {"service_id": site.service_id, "assignee_id": site.rep_id}
    # Few jobs: a large statement is a flight as well, but the proxy sees the server answer its parts.
    series = count("create", lambda: begin(**whole, rrule="FREQ=DAILY;INTERVAL=6", headers={"Idempotency-Key": uuid4().hex}))
    with admin_engine.connect() as connection:
        statement = "insert into contacts (tenant_id, id, slug, name_norm, search_text) values (:t, :i, 'alone', '', '')"
        connection.execute(text(statement), {"t": tenant.id, "i": (alone := uuid7())})
    count("create for a private client", lambda: begin(contact_id=alone, rrule="FREQ=WEEKLY", headers={"Idempotency-Key": uuid4().hex}))
    series = count("change times", lambda: change(series, starts_local=clock(hour=14)))
    series = count("change days", lambda: change(series, rrule="FREQ=DAILY;INTERVAL=9"))
    series = count("split", lambda: change(series, scope="this_and_following", from_local=clock(9), starts_local=clock(10, 16)))
    count("read", lambda: invoke("work/job_series_one", path={"series_id": series["id"]}))
    count("list", lambda: invoke("work/job_series"))
    count("end", lambda: invoke("work/job_series_end", path={"series_id": series["id"]}, body={}, headers={"Idempotency-Key": uuid4().hex}))
    budget = {"read": 2, "list": 2}
    assert {name: found for name, found in counted.items() if found > budget.get(name, 6)} == {}, counted


def test_the_schedule_serves_every_tenant_and_two_runs_at_once_make_each_job_once(
    begin, ours_alone, tenant, other_tenant, invoke, admin_engine
):
    from work import materialize_series

    theirs = make_site(admin_engine, other_tenant)
    made = [begin(rrule="FREQ=WEEKLY", title=f"S{number}").json for number in range(30)]
    begin(contact_id=theirs.contact_id, token=other_tenant.admin, rrule="FREQ=WEEKLY")
    undone = "delete from {} where tenant_id in (:a, :b)"
    with admin_engine.connect() as connection:
        given = {"a": tenant.id, "b": other_tenant.id}
        for table in ("reminders", "jobs"):
            connection.execute(text(undone.format(table)), given)
        connection.execute(
            text("update job_series set next_local = starts_local, materialized_until = starts_local where tenant_id in (:a, :b)"), given
        )
    event, failures = json.loads((EVENTS / "work/materialize_series.json").read_text()), []

    def run():
        try:
            materialize_series.handler(event, LambdaContext())
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run()

    assert failures == []
    counted = dict(rows(admin_engine, tenant, "jobs", "series_id::text, count(*) over (partition by series_id)"))
    assert counted == {one["id"]: one["created"] for one in made}
    assert len(rows(admin_engine, other_tenant, "jobs", "id")) == made[0]["created"]


def test_a_run_that_is_killed_is_taken_up_by_the_next(begin, tenant, admin_engine):
    series = begin(rrule="FREQ=WEEKLY").json
    later = datetime.now(UTC) + timedelta(days=14)
    tx = db.begin(db.Job(tenant.id), now=later)
    materialize.materialize(tx)
    db.rollback(tx)
    assert len(rows(admin_engine, tenant, "jobs", "id")) == series["created"]
    for _ in range(2):
        with db.job_transaction(tenant.id, now=later) as again:
            materialize.materialize(again)
    assert len(rows(admin_engine, tenant, "jobs", "id")) == series["created"] + 2
    topics = [topic for (topic,) in rows(admin_engine, tenant, "outbox", "topic") if topic == "job_series.materialized"]
    assert len(topics) == 1


def test_a_change_that_waited_for_the_schedule_sees_the_jobs_that_it_made(begin, change, tenant, admin_engine):
    series = begin(rrule="FREQ=WEEKLY").json
    with admin_engine.connect() as connection:
        for table in ("reminders", "jobs"):
            connection.execute(text(f"delete from {table} where tenant_id = :t"), {"t": tenant.id})
        statement = "update job_series set next_local = starts_local, materialized_until = starts_local where tenant_id = :t"
        connection.execute(text(statement), {"t": tenant.id})
    schedule = db.begin(db.Job(tenant.id))
    materialize.materialize(schedule)
    answers = []
    changing = threading.Thread(target=lambda: answers.append(change(series, starts_local=clock(hour=15)).json))
    changing.start()
    with admin_engine.connect() as connection:
        waits = """select count(*) from pg_stat_activity
                    where datname = current_database() and wait_event_type = 'Lock' and query like '%from job_series x%'"""
        while not connection.execute(text(waits)).scalar_one():
            assert changing.is_alive()
    db.commit(schedule, effects.pending(schedule))
    changing.join()

    assert [(answer["moved"], answer["created"]) for answer in answers] == [(series["created"], 0)]
    assert {at.hour for (at,) in rows(admin_engine, tenant, "jobs", "start_at")} == {15}
    assert len(rows(admin_engine, tenant, "jobs", "id")) == series["created"]


def test_of_changes_at_once_all_but_one_are_stale(begin, tenant, admin_engine):
    series, found = begin(rrule="FREQ=WEEKLY").json, []

    def rename(title):
        tx = db.begin(db.Credential(tokens.digest(tenant.editor), access.EDITORS))
        try:
            service.change(tx, series["id"], JobSeriesPatch(title=title), version=1)
        except PreconditionFailed as refused:
            db.rollback(tx)
            found.append(refused.code)
        else:
            db.commit(tx, effects.pending(tx))
            found.append(title)

    threads = [threading.Thread(target=rename, args=(title,)) for title in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [won] = [one for one in found if one != "stale"]
    assert len(found) == 3
    assert {title for (title,) in rows(admin_engine, tenant, "jobs", "title")} == {won}


def test_a_service_that_is_no_longer_offered_keeps_nobody_from_another_change(begin, change, site, tenant, admin_engine):
    series = begin(service_id=site.service_id, assignee_id=site.rep_id, rrule="FREQ=WEEKLY").json
    with admin_engine.connect() as connection:
        connection.execute(text("update services set active = false where tenant_id = :t"), {"t": tenant.id})
    assert change(series, notes="Ring twice").json["moved"] == series["created"]
    assert {title for (title,) in rows(admin_engine, tenant, "jobs", "title")} == {"Deep clean"}


def test_one_tenants_trouble_keeps_nobody_else_waiting(begin, tenant, other_tenant, admin_engine):
    series = begin(rrule="FREQ=WEEKLY").json
    later = datetime.now(UTC) + timedelta(days=7)

    def transaction(tenant_id):
        if tenant_id == other_tenant.id:
            raise RuntimeError("no connection")
        return db.job_transaction(tenant_id, now=later)

    with pytest.raises(ExceptionGroup) as failed:
        materialize.materialize_all([other_tenant.id, tenant.id], transaction, until=lambda: False)
    assert [str(one) for one in failed.value.exceptions] == ["no connection"]
    assert len(rows(admin_engine, tenant, "jobs", "id")) == series["created"] + 1


CROWD = """
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :t, 'Crowd', :s, 'crowd', '');
insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text) values (:t, :t, :t, :s, '', '');
insert into job_series (tenant_id, id, organization_id, contact_id, currency, rrule, starts_local, time_zone, duration_minutes, materialized_until, next_local, created_at)
select :t, gen_random_uuid(), :t, :t, 'USD', 'FREQ=WEEKLY', '2026-01-05 09:00', 'UTC', 60, now() + n * interval '1 day', now(), now() - n * interval '1 minute'
  from generate_series(1, :rows) n
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    return plans.seed(admin_engine, CROWD, rows=20_000, analyze=("job_series",))


def test_a_page_of_many_series_reads_no_more_than_it_shows(plan, crowd):  # noqa: F811
    found = plan(lambda tx: service.find(tx, Request(25, None, "-created_at", {}), contact_id=None, status=None))["Plan"]
    assert plans.scanned(found) == set()
    assert plans.touched(found) <= 200, plans.outline(found)
