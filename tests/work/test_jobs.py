"""Jobs: booked, moved, done, and nobody at two places at once."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway.work.jobs.schemas import Job
from clientway.work.reminders.schemas import Reminder
from tests.work.conftest import make_site

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
HOUR = timedelta(hours=1)


@pytest.fixture
def book(invoke, site):
    """Book a job for the site's contact with its first rep."""

    def call(start=SOON, *, status_=201, **body):
        given = {"contact_id": site.contact_id, "assignee_id": site.rep_id, "start_at": start.isoformat(), **body}
        answer = invoke("work/jobs", method="POST", body={name: value for name, value in given.items() if value is not None})
        assert answer.status == status_, answer.body
        return answer.json

    return call


@pytest.fixture
def change(invoke):
    """Change a job as it was last seen."""

    def call(job, *, status_=200, token=None, **body):
        headers = {"If-Match": f'"{job["version"]}"'}
        more = {"token": token} if token else {}
        answer = invoke("work/job", method="PATCH", path={"job_id": job["id"]}, body=body, headers=headers, **more)
        assert answer.status == status_, answer.body
        return answer.json

    return call


def rows(engine, tenant, table, columns, order="1"):
    with engine.connect() as connection:
        statement = text(f"select {columns} from {table} where tenant_id = :t order by {order}")
        return [tuple(row) for row in connection.execute(statement, {"t": tenant.id})]


def test_what_is_left_out_comes_from_the_service_and_the_client(invoke, site):
    body = {"contact_id": site.contact_id, "service_id": site.service_id, "start_at": SOON.isoformat()}
    answer = invoke("work/jobs", method="POST", body=body)

    assert answer.status == 201, answer.body
    job = Job.model_validate_json(answer.body)
    assert (job.title, job.price_cents, job.end_at - job.start_at) == ("Deep clean", 12000, timedelta(minutes=90))
    assert (job.address_id, job.organization_id, job.status, job.time_zone) == (site.address_id, site.organization_id, "scheduled", "UTC")
    assert (job.contact.first_name, job.address.city, job.service.name, job.assignee) == ("Ana", "Miami", "Deep clean", None)
    assert answer.etag == '"1"'
    assert invoke("work/job", path={"job_id": job.id}).body == answer.body


def test_a_job_of_nothing_in_particular_lasts_an_hour(book):
    job = book(assignee_id=None)
    assert (job["title"], job["price_cents"], job["end_at"]) == ("Job", 0, (SOON + HOUR).isoformat())


def test_the_zone_is_the_addresss_unless_it_is_said(book, site, admin_engine):
    with admin_engine.connect() as connection:
        statement = "update contact_addresses set time_zone = 'America/New_York' where id = :a"
        connection.execute(text(statement), {"a": site.address_id})
    assert book()["time_zone"] == "America/New_York"
    assert book(SOON + HOUR, time_zone="Australia/Sydney")["time_zone"] == "Australia/Sydney"


def test_booking_leaves_its_traces_and_makes_a_client(book, admin_engine, tenant, site):
    job = book(title="Windows")

    told = rows(
        admin_engine, tenant, "activities", "activity_type, title, organization_id, contact_id, client_visible, metadata ->> 'job_id'"
    )
    assert told == [("job_scheduled", "Job scheduled: Windows", site.organization_id, site.contact_id, True, job["id"])]
    assert rows(admin_engine, tenant, "outbox", "topic, payload ->> 'job_id'") == [("job.scheduled", job["id"])]
    audited = rows(admin_engine, tenant, "audit_log", "action, object_id::text")
    assert audited == [("contact.updated", str(site.contact_id)), ("job.created", job["id"])]
    assert rows(admin_engine, tenant, "contacts", "status, version") == [("active", 2)]
    assert len(rows(admin_engine, tenant, "reminders", "id")) == 4

    book(SOON + HOUR)
    assert rows(admin_engine, tenant, "contacts", "status, version") == [("active", 2)]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"start_at": "2020-01-01T10:00:00Z"}, "#/start_at", "in_the_past"),
        ({"start_at": "9999-12-31T23:59:59Z"}, "#/start_at", "too_far"),
        ({"end_at": SOON.isoformat()}, "#/end_at", "before_start"),
        ({"end_at": (SOON + timedelta(days=30, seconds=1)).isoformat()}, "#/end_at", "too_long"),
        ({"start_at": "2027-02-01T10:00:00"}, "#/start_at", "timezone_aware"),
        ({"time_zone": "Mars/Olympus"}, "#/time_zone", "value_error"),
        ({"time_zone": "../etc/passwd"}, "#/time_zone", "string_pattern_mismatch"),
        ({"price_cents": -1}, "#/price_cents", "greater_than_equal"),
        ({"status": "completed"}, "#/status", "extra_forbidden"),
        ({"service_id": "01990000-0000-7000-8000-000000000001"}, "#/service_id", "unknown_service"),
        ({"address_id": "01990000-0000-7000-8000-000000000001"}, "#/address_id", "unknown_address"),
        ({"assignee_id": "01990000-0000-7000-8000-000000000001"}, "#/assignee_id", "unknown_assignee"),
        ({"contact_id": "01990000-0000-7000-8000-000000000001"}, "#/contact_id", "unknown_contact"),
    ],
)
def test_a_body_that_breaks_a_rule_says_where(book, admin_engine, tenant, body, pointer, code):
    refusal = book(status_=422, **body)

    assert [(one["pointer"], one["code"]) for one in refusal["errors"]] == [(pointer, code)]
    assert rows(admin_engine, tenant, "jobs", "id") == []


def test_what_a_body_names_is_this_tenants(book, admin_engine, other_tenant):
    theirs = make_site(admin_engine, other_tenant)
    named = {"service_id": theirs.service_id, "address_id": theirs.address_id, "assignee_id": theirs.rep_id}
    refusal = book(status_=422, **named)

    assert {one["pointer"] for one in refusal["errors"]} == {"#/service_id", "#/address_id", "#/assignee_id"}
    assert [one["pointer"] for one in book(status_=422, contact_id=theirs.contact_id)["errors"]] == ["#/contact_id"]
    assert rows(admin_engine, other_tenant, "jobs", "id") == []


def test_work_that_is_done_is_recorded_when_it_is_meant(book, change, admin_engine, tenant):
    job = book(SOON - timedelta(days=10), allow_past=True)

    assert rows(admin_engine, tenant, "reminders", "id") == []
    assert change(job, status="completed")["status"] == "completed"


def test_nobody_is_at_two_places_at_once(book, change, site):
    first = book()
    clash = book(SOON + HOUR / 2, status_=409)
    assert (clash["code"], [one["id"] for one in clash["jobs"]]) == ("job_overlaps", [first["id"]])
    assert clash["jobs"][0]["title"] == "Job"
    # One after the other is none, and somebody else has the time.
    second = book(SOON + HOUR)
    book(SOON + HOUR / 2, assignee_id=site.other_rep_id)

    forced = book(SOON + HOUR / 2, force_overlap=True)
    assert forced["overlap_forced"] is True
    assert {one["id"] for one in book(SOON + HOUR * 1.25, status_=409)["jobs"]} == {forced["id"], second["id"]}
    assert book(SOON + 5 * HOUR, force_overlap=True)["overlap_forced"] is False
    # Forced jobs are in the way of others, too.
    change(second, start_at=(SOON + 9 * HOUR).isoformat())
    assert [one["id"] for one in book(SOON + HOUR, status_=409)["jobs"]] == [forced["id"]]


def test_a_job_that_moves_takes_time_that_is_free(book, change, site, admin_engine, tenant):
    first, second = book(), book(SOON + 3 * HOUR)
    clash = change(second, start_at=(SOON + HOUR / 2).isoformat(), status_=409)
    assert [one["id"] for one in clash["jobs"]] == [first["id"]]
    # Not with itself.
    second = change(second, start_at=(SOON + 3.5 * HOUR).isoformat())
    assert (second["start_at"], second["end_at"]) == ((SOON + 3.5 * HOUR).isoformat(), (SOON + 4.5 * HOUR).isoformat())
    second = change(second, start_at=(SOON + HOUR / 2).isoformat(), force_overlap=True)
    assert second["overlap_forced"] is True
    assert change(second, notes="Bring the ladder")["overlap_forced"] is True
    second = change({**second, "version": second["version"] + 1}, assignee_id=str(site.other_rep_id))
    assert second["overlap_forced"] is False
    assert second["assignee"]["name"] == "Omar"

    told = rows(admin_engine, tenant, "activities", "activity_type, metadata ->> 'job_id'", "occurred_at, id")
    assert [kind for kind, one in told if one == second["id"]] == ["job_scheduled", "job_rescheduled", "job_rescheduled"]
    alive = rows(admin_engine, tenant, "reminders", "distinct anchor_at, state")
    assert {at for at, state in alive if state == "scheduled"} == {SOON, SOON + HOUR / 2}


def test_what_is_canceled_or_blocked_takes_nobodys_time(book, change):
    first = book()
    first = change(first, status="canceled", status_reason="Rain")
    second = book()
    assert [one["id"] for one in change(first, status="scheduled", status_=409)["jobs"]] == [second["id"]]


def test_a_job_goes_from_state_to_state(book, change, admin_engine, tenant):
    job = book()
    job = change(job, status="blocked", status_reason="No key")
    assert (job["status_reason"], job["started_at"]) == ("No key", None)
    assert {one for (one,) in rows(admin_engine, tenant, "reminders", "state")} == {"canceled"}
    job = change(job, status="scheduled")
    assert {one for (one,) in rows(admin_engine, tenant, "reminders", "state")} == {"scheduled"}
    job = change(job, status="in_progress")
    assert job["started_at"] is not None
    job = change(job, status="completed")
    assert job["completed_at"] is not None
    assert change(job, notes="Nice people")["notes"] == "Nice people"
    job["version"] += 1

    refusal = change(job, status="scheduled", status_=409)
    assert (refusal["code"], refusal["legal"]) == ("job_move_refused", ["in_progress"])
    assert change(job, start_at=(SOON + HOUR).isoformat(), status_=409)["code"] == "job_closed"
    told = [kind for (kind,) in rows(admin_engine, tenant, "activities", "activity_type", "occurred_at, id")]
    assert told == ["job_scheduled", "job_blocked", "job_scheduled", "job_started", "job_completed"]
    topics = {topic for (topic,) in rows(admin_engine, tenant, "outbox", "topic")}
    assert topics == {"job.scheduled", "job.blocked", "job.started", "job.completed"}


def test_an_admin_takes_up_what_is_done_and_an_editor_does_not(book, change, tenant):
    job = change(book(), status="completed")
    refusal = change(job, status="in_progress", status_reason="Forgot a room", token=tenant.editor, status_=409)
    assert refusal["legal"] == []
    assert [one["pointer"] for one in change(job, status="in_progress", status_=422)["errors"]] == ["#/status_reason"]
    assert change(job, status="in_progress", status_reason="Forgot a room")["completed_at"] is None


def test_what_is_refused_leaves_everything_as_it_was(book, change, invoke, tenant, other_tenant):
    job = book()
    path = {"job_id": job["id"]}
    for token, status in ((tenant.viewer, 403), (other_tenant.admin, 404)):
        change(job, notes="x", token=token, status_=status)
    assert invoke("work/job", method="PATCH", path=path, body={"notes": "x"}).status == 428
    assert change({**job, "version": 7}, notes="x", status_=412)["current_version"] == 1
    assert change(job, title=None, status_=422)["errors"][0]["pointer"] == "#/title"
    assert change(job, start_at="2020-01-01T00:00:00Z", status_=422)["errors"][0]["code"] == "in_the_past"
    assert invoke("work/job", path=path).json == job
    assert invoke("work/job", path=path, token=other_tenant.admin).status == 404
    assert invoke("work/jobs", method="POST", body={}, token=tenant.viewer).status in {403, 422}
    body = {"contact_id": job["contact_id"], "start_at": SOON.isoformat()}
    assert invoke("work/jobs", method="POST", body=body, token=tenant.viewer).status == 403


def test_a_repeated_request_books_once(invoke, site, admin_engine, tenant):
    body = {"contact_id": site.contact_id, "assignee_id": site.rep_id, "start_at": SOON.isoformat()}
    first, again = (invoke("work/jobs", method="POST", body=body, headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (201, first.body, "true")
    assert len(rows(admin_engine, tenant, "jobs", "id")) == 1


def test_jobs_are_listed_by_whom_when_and_how_they_stand(invoke, book, change, site, other_tenant):
    made = [book(SOON + n * HOUR) for n in range(5)]
    omars = book(SOON, assignee_id=site.other_rep_id)
    done = change(made[0], status="completed")

    def ids(**query):
        found, cursor = [], None
        while True:
            page = invoke("work/jobs", query={"limit": 2, **query, **({"cursor": cursor} if cursor else {})}).json
            found += [one["id"] for one in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    of_rosa = [one["id"] for one in made]
    assert ids(assignee_id=site.rep_id) == of_rosa
    assert ids(assignee_id=site.rep_id, sort="-start_at") == of_rosa[::-1]
    assert ids(assignee_id=site.rep_id, start_from=(SOON + HOUR).isoformat(), start_before=(SOON + 3 * HOUR).isoformat()) == of_rosa[1:3]
    assert ids(status="completed") == [done["id"]]
    assert set(ids(contact_id=site.contact_id)) == set(ids(organization_id=site.organization_id)) == {*of_rosa, omars["id"]}
    assert ids(sort="-updated_at")[0] == done["id"]
    assert ids(updated_since=done["updated_at"]) == [done["id"]]
    assert ids(contact_id=site.rep_id) == []
    assert invoke("work/jobs", query={"status": "done"}).status == 400
    assert invoke("work/jobs", query={"colour": "red"}).status == 400
    assert invoke("work/jobs", token=other_tenant.admin).json["data"] == []
    listed = next(one for one in invoke("work/jobs", query={"limit": 100}).json["data"] if one["id"] == done["id"])
    assert listed == done


def test_a_jobs_reminders_are_listed_with_what_was_called_off(invoke, book, change, tenant, other_tenant):
    job = book()
    change(job, start_at=(SOON + HOUR).isoformat())
    answer = invoke("work/job_reminders", path={"job_id": job["id"]}, token=tenant.viewer)

    found = answer.json["data"]
    assert [Reminder.model_validate_json(json.dumps(one)).rule for one in found] == ["before_24h"] * 4 + ["before_2h"] * 4
    assert sorted((one["state"], one["state_reason"]) for one in found) == [("canceled", "job moved")] * 4 + [("scheduled", None)] * 4
    pages = invoke("work/job_reminders", path={"job_id": job["id"]}, query={"limit": 5}).json
    assert (len(pages["data"]), pages["has_more"]) == (5, True)
    assert invoke("work/job_reminders", path={"job_id": job["id"]}, token=other_tenant.admin).status == 404
    quiet = book(SOON - timedelta(days=1000), allow_past=True)
    assert invoke("work/job_reminders", path={"job_id": quiet["id"]}).json["data"] == []


def test_the_end_of_the_last_job_of_an_ended_subscription_ends_the_client(book, change, admin_engine, tenant, site):
    first, second = book(), book(SOON + HOUR)
    with admin_engine.connect() as connection:
        given = {"t": tenant.id, "o": site.organization_id}
        connection.execute(text("update organizations set lifecycle_stage = 'client' where tenant_id = :t and id = :o"), given)
        connection.execute(
            text(
                "insert into client_accounts (tenant_id, id, organization_id, client_since, status)"
                " values (:t, gen_random_uuid(), :o, now(), 'cancelled')"
            ),
            given,
        )
    stage = "select lifecycle_stage from organizations where tenant_id = :t"
    change(first, status="completed")
    with admin_engine.connect() as connection:
        assert connection.execute(text(stage), {"t": tenant.id}).scalar() == "client"
    change(second, status="canceled")
    with admin_engine.connect() as connection:
        assert connection.execute(text(stage), {"t": tenant.id}).scalar() == "churned"
    assert ("stage_changed",) in rows(admin_engine, tenant, "activities", "activity_type")
