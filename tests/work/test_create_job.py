"""A job in one call for a client who may be new: all of it, or nothing."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway.work.jobs.schemas import JobWithClient
from tests.test_db import proxy as _proxy
from tests.work.conftest import make_site

counting_proxy = _proxy
FUNCTION = "work/create_job_with_client"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
HOUR = timedelta(hours=1)
ADDRESS = {"address1": "123 Main St", "city": "San Francisco", "state": "CA", "postal": "94102"}
JANE = {"first_name": "Jane", "last_name": "Smith", "email": "Jane@Example.com", "phone": "+13055550188", "address": ADDRESS}
TABLES = ("organizations", "contacts", "contact_emails", "contact_phones", "contact_addresses", "jobs", "reminders", "activities", "outbox")


@pytest.fixture
def order(invoke):
    """Book as the seed's own client does."""

    def call(*, status_=201, headers=None, token=None, **body):
        more = {"token": token} if token else {}
        given = {"start_at": SOON.isoformat(), **({} if "org_client_id" in body else {"client": JANE}), **body}
        answer = invoke(FUNCTION, method="POST", body=given, headers=headers, **more)
        assert answer.status == status_, answer.body
        return answer

    return call


def count(engine, tenant):
    with engine.connect() as connection:
        return {
            table: connection.execute(text(f"select count(*) from {table} where tenant_id = :t"), {"t": tenant.id}).scalar()
            for table in TABLES
        }


def test_everything_new_in_one_call(order, invoke, tenant, admin_engine, site):
    before = count(admin_engine, tenant)
    answer = order(organization_id=str(tenant.id), service_id=str(site.service_id), assignee_id=str(site.rep_id), notes="First time client")

    booked = JobWithClient.model_validate_json(answer.body)
    assert (booked.success, booked.client.is_new, booked.job.contact_id) == (True, True, booked.client.contact_id)
    assert booked.job.address.model_dump(exclude={"id", "label", "address2"}) == {**ADDRESS, "country": "US"}
    assert (booked.job.title, booked.job.price_cents, booked.job.assignee.name) == ("Deep clean", 12000, "Rosa")
    after = count(admin_engine, tenant)
    assert {table: after[table] - before[table] for table in TABLES} == {
        "organizations": 1, "contacts": 1, "contact_emails": 1, "contact_phones": 1, "contact_addresses": 1, "jobs": 1, "reminders": 4,
        "activities": 2, "outbox": 2,
    }  # fmt: skip
    assert invoke("work/job", path={"job_id": booked.job.id}).json == answer.json["job"]
    with admin_engine.connect() as connection:
        statement = """select c.status, c.email_norm, c.default_address_id, c.organization_id, o.entity_type, o.legal_name, o.lifecycle_stage
                         from contacts c join organizations o on o.id = c.organization_id where c.id = :c"""
        row = connection.execute(text(statement), {"c": booked.client.contact_id}).one()
    assert tuple(row) == (
        "active", "jane@example.com", booked.job.address_id, booked.job.organization_id, "individual", "Jane Smith", "prospect"
    )  # fmt: skip


def test_a_client_who_is_known_is_found_and_their_address_too(order, tenant, admin_engine):
    first = order().json
    before = count(admin_engine, tenant)
    again = order(
        start_at=(SOON + HOUR).isoformat(),
        client={**JANE, "email": "JANE@example.com", "address": {**ADDRESS, "address1": "123 main street"}},
    ).json

    assert again["client"] == {**first["client"], "is_new": False, "matched_by": "email"}
    assert again["job"]["address_id"] == first["job"]["address_id"]
    after = count(admin_engine, tenant)
    assert {table for table in TABLES if after[table] != before[table]} == {"jobs", "reminders", "activities", "outbox"}

    elsewhere = order(start_at=(SOON + 2 * HOUR).isoformat(), client={**JANE, "address": {**ADDRESS, "address1": "9 Oak Ave"}}).json
    assert elsewhere["job"]["address"]["address1"] == "9 Oak Ave"
    at_home = order(start_at=(SOON + 3 * HOUR).isoformat(), client={**JANE, "address": None}).json
    assert at_home["job"]["address_id"] == first["job"]["address_id"]


@pytest.mark.parametrize(
    ("address", "same", "other"),
    [
        ({"address1": "1 Main St"}, {"address1": "1 MAIN st"}, {"address1": "1 Main St", "country": "CA"}),
        ({"address1": "…", "city": "Miami"}, {"address1": "…", "city": "miami"}, {"address1": "…", "city": "Tampa"}),
        ({**ADDRESS, "address2": "Apt 1"}, {**ADDRESS, "address2": "apt 1"}, {**ADDRESS, "address2": "Apt 2"}),
    ],
)
def test_an_address_told_again_is_the_one_there_is_however_little_it_says(order, address, same, other):
    at = [
        order(start_at=(SOON + n * HOUR).isoformat(), client={**JANE, "address": one}).json["job"]["address_id"]
        for n, one in enumerate((address, address, same, other))
    ]

    assert (len(set(at[:3])), at[3] in at[:3]) == (1, False)


def test_one_address_too_many_is_refused(order, tenant, admin_engine):
    contact_id = order().json["client"]["contact_id"]
    with admin_engine.connect() as connection:
        statement = """insert into contact_addresses (tenant_id, id, contact_id, address1, time_zone)
          select :t, gen_random_uuid(), :c, n || ' Oak Ave', null from generate_series(2, 50) n"""
        connection.execute(text(statement), {"t": tenant.id, "c": contact_id})
    before = count(admin_engine, tenant)
    assert order(client={**JANE, "address": {"address1": "51 Oak Ave"}}, status_=409).json["code"] == "limit_reached"
    assert count(admin_engine, tenant) == before
    assert order(start_at=(SOON + HOUR).isoformat()).json["job"]["address"]["address1"] == ADDRESS["address1"]


def test_the_zone_of_a_new_address_is_the_jobs(order):
    address = {**ADDRESS, "state": "california", "time_zone": "America/Los_Angeles"}
    job = order(client={**JANE, "address": address}).json["job"]
    assert (job["time_zone"], job["address"]["state"]) == ("America/Los_Angeles", "CA")


def test_a_client_named_by_id_is_served_at_their_default_address(order, site):
    answer = order(org_client_id=str(site.contact_id), price_cents=15000).json

    assert answer["client"] == {
        "contact_id": str(site.contact_id), "organization_id": str(site.organization_id), "is_new": False, "matched_by": None,
        "suggested_contact_ids": [],
    }  # fmt: skip
    assert (answer["job"]["address_id"], answer["job"]["price_cents"]) == (str(site.address_id), 15000)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"client": None}, ["#/org_client_id", "#/client"]),
        ({"org_client_id": "01990000-0000-7000-8000-000000000001", "client": JANE}, ["#/org_client_id", "#/client"]),
        ({"org_client_id": "01990000-0000-7000-8000-000000000001"}, ["#/org_client_id"]),
        ({"client": {**JANE, "email": "nobody"}}, ["#/client/email"]),
        ({"client": {"email": "a@b.example"}}, ["#/client/first_name"]),
        ({"client": {**JANE, "address": {"city": "Miami"}}}, ["#/client/address/address1"]),
        ({"client": {**JANE, "address": {**ADDRESS, "country": "USA"}}}, ["#/client/address/country"]),
        ({"client": {**JANE, "address": {**ADDRESS, "postal": "9"}}}, ["#/client/address/postal"]),
        ({"client": {**JANE, "address": {**ADDRESS, "time_zone": "Mars"}}}, ["#/client/address/time_zone"]),
        ({"address_id": "01990000-0000-7000-8000-000000000001"}, ["#/address_id"]),
        ({"service_id": "01990000-0000-7000-8000-000000000001"}, ["#/service_id"]),
        ({"assignee_id": "01990000-0000-7000-8000-000000000001"}, ["#/assignee_id"]),
        ({"start_at": "2020-01-01T00:00:00Z"}, ["#/start_at"]),
        ({"end_at": SOON.isoformat()}, ["#/end_at"]),
    ],
)
def test_a_booking_that_breaks_a_rule_leaves_nothing_behind(order, tenant, admin_engine, body, pointers):
    before = count(admin_engine, tenant)
    refusal = order(status_=422, **body).json

    assert [one["pointer"] for one in refusal["errors"]] == pointers
    assert count(admin_engine, tenant) == before


def test_another_provider_is_not_found(order, tenant, other_tenant, admin_engine):
    theirs = make_site(admin_engine, other_tenant)
    before = count(admin_engine, tenant), count(admin_engine, other_tenant)
    refusal = order(organization_id=str(other_tenant.id), status_=404).json
    assert (refusal["code"], refusal["errors"][0]["pointer"]) == ("not_found", "#/organization_id")
    assert order(org_client_id=str(theirs.contact_id), status_=422).json["errors"][0]["pointer"] == "#/org_client_id"
    assert order(token=tenant.viewer, status_=403).json["code"] == "forbidden"
    assert (count(admin_engine, tenant), count(admin_engine, other_tenant)) == before


def test_an_assignee_who_is_elsewhere_leaves_no_new_client_behind(order, tenant, admin_engine, site):
    first = order(org_client_id=str(site.contact_id), assignee_id=str(site.rep_id)).json["job"]
    before = count(admin_engine, tenant)
    refusal = order(assignee_id=str(site.rep_id), status_=409).json
    assert (refusal["code"], [one["id"] for one in refusal["jobs"]]) == ("job_overlaps", [first["id"]])
    assert count(admin_engine, tenant) == before
    assert order(assignee_id=str(site.rep_id), force_overlap=True).json["job"]["overlap_forced"] is True


def test_somebody_on_the_blacklist_is_not_worked_for(order, tenant, admin_engine):
    order()
    with admin_engine.connect() as connection:
        connection.execute(text("update organizations set lifecycle_stage = 'blacklist' where tenant_id = :t"), {"t": tenant.id})
    assert order(start_at=(SOON + HOUR).isoformat(), status_=409).json["code"] == "contact_blacklisted"
    with admin_engine.connect() as connection:
        connection.execute(
            text("update organizations set lifecycle_stage = 'lead', deleted_at = now() where tenant_id = :t"), {"t": tenant.id}
        )
    assert order(start_at=(SOON + HOUR).isoformat(), status_=409).json["code"] == "organization_deleted"


def test_a_repeated_request_is_answered_alike(order, tenant, admin_engine):
    first = order(headers={"Idempotency-Key": "k"})
    before = count(admin_engine, tenant)
    again = order(headers={"Idempotency-Key": "k"})

    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")
    assert order(headers={"Idempotency-Key": "k"}, notes="other", status_=422).json["code"] == "idempotency_key_reused"
    assert count(admin_engine, tenant) == before


def test_a_booking_keeps_to_its_budget_of_flights(counting_proxy, order, site, invoke):
    counted = {}

    def measured(name, **body):
        counting_proxy.reset(connects=False)
        answer = order(headers={"Idempotency-Key": name}, **body).json
        counted[name] = counting_proxy.flights
        return answer

    order(client={"first_name": "Warm"})
    everything = {"service_id": str(site.service_id), "assignee_id": str(site.rep_id)}
    measured("everything new", **everything)
    measured("known by e-mail", start_at=(SOON + 3 * HOUR).isoformat(), **everything)
    booked = measured("by id", org_client_id=str(site.contact_id), start_at=(SOON + 6 * HOUR).isoformat(), **everything)["job"]
    path = {"job_id": booked["id"]}
    for name, body in {"move": {"start_at": (SOON + 9 * HOUR).isoformat()}, "done": {"status": "completed"}}.items():
        counting_proxy.reset(connects=False)
        version = invoke("work/job", path=path).headers["ETag"]
        counted[f"read before {name}"] = counting_proxy.flights
        counting_proxy.reset(connects=False)
        assert invoke("work/job", method="PATCH", path=path, body=body, headers={"If-Match": version}).status == 200
        counted[name] = counting_proxy.flights
    counting_proxy.reset(connects=False)
    assert invoke("work/jobs", query={"assignee_id": site.rep_id}).status == 200
    counted["list"] = counting_proxy.flights

    # The key of a request is looked up in a flight of its own.
    assert counted == {
        "everything new": 6, "known by e-mail": 5, "by id": 4, "read before move": 2, "move": 3, "read before done": 2, "done": 3, "list": 2
    }  # fmt: skip
