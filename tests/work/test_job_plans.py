"""Lists of jobs and reminders, and the question whether somebody has the time, find their rows through an index at 50,000 jobs."""

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.work.jobs import service
from clientway.work.reminders import service as reminders
from clientway.work.services import service as services
from tests import plans
from tests.plans import request

TABLES = ("services", "jobs", "reminders")
# Every hundredth job is one client's, and the others are a thousand clients'; fifty of a thousand reps share them, a job every half hour.
SEED = """
insert into reps (tenant_id, id, slug, name) select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep' from generate_series(0, 999) n;

insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Client ' || n, 'client-' || n, n::text, '' from generate_series(0, 1000) n;

insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'o' || n)::uuid, 'client-' || n, n::text, '' from generate_series(0, 1000) n;

insert into services (tenant_id, id, name, currency, active, created_at)
select :t, md5(:s || 'v' || n)::uuid, 'Service ' || n, 'USD', mod(n, 2) = 0, now() - n * interval '1 minute' from generate_series(1, 5000) n;

insert into job_series (tenant_id, id, organization_id, contact_id, currency, rrule, starts_local, time_zone, duration_minutes)
select :t, md5(:s || 's' || n)::uuid, md5(:s || 'o' || n)::uuid, md5(:s || 'c' || n)::uuid, 'USD', 'FREQ=DAILY', '2020-01-01', 'UTC', 30
  from generate_series(0, 999) n;

insert into jobs (tenant_id, id, organization_id, contact_id, service_id, assignee_id, series_id, occurrence_local, title, status, start_at, end_at,
                  time_zone, currency, completed_at, canceled_at, updated_at)
select :t, md5(:s || 'j' || n)::uuid, md5(:s || 'o' || k.client)::uuid, md5(:s || 'c' || k.client)::uuid, md5(:s || 'v' || 1 + mod(n, 5000))::uuid,
       md5(:s || 'r' || mod(n, 50))::uuid, case when mod(n, 100) > 0 then md5(:s || 's' || mod(n, 1000))::uuid end,
       case when mod(n, 100) > 0 then timestamp '2020-01-01' + n * interval '1 minute' end, 'x', st.status,
       now() + (n / 50 - :rows / 100) * interval '30 minutes', now() + (n / 50 - :rows / 100 + 1) * interval '30 minutes', 'UTC', 'USD',
       case st.status when 'completed' then now() end, case st.status when 'canceled' then now() end, now() - n * interval '1 minute'
  from generate_series(1, :rows) n
 cross join lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as client) k
 cross join lateral (select (array['scheduled', 'completed', 'canceled', 'blocked'])[1 + mod(n / 50, 4)] as status) st;

insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel)
select j.tenant_id, gen_random_uuid(), j.contact_id, j.id, 'job_upcoming', 'before_' || h || 'h', j.start_at, j.start_at - h * interval '1 hour', j.start_at - h * interval '1 hour',
       j.start_at,
       'email' from jobs j cross join (values (2), (24)) as v(h) where j.tenant_id = :t
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 50,000 jobs."""
    return plans.seed(admin_engine, SEED, rows=50_000, analyze=(*TABLES, "organizations", "contacts", "reps"))


@pytest.fixture
def ids(crowd, admin_engine):
    with admin_engine.connect() as connection:
        statement = """select md5(:s || 'o0')::uuid as organization, md5(:s || 'c0')::uuid as contact, md5(:s || 'r7')::uuid as rep,
                              md5(:s || 's7')::uuid as series, md5(:s || 'j7')::uuid as job, now() as now"""
        return connection.execute(text(statement), {"s": crowd.slug}).one()


def jobs(tx, sort, times=None, **equal):
    return service.find(tx, request(sort), equal, times=times or {})


LISTS = {
    "jobs": lambda tx, _: jobs(tx, "start_at"),
    "jobs to come": lambda tx, ids: jobs(tx, "start_at", {"start_from": ids.now}),
    "jobs that were": lambda tx, ids: jobs(tx, "-start_at", {"start_before": ids.now}),
    "jobs that changed last": lambda tx, _: jobs(tx, "-updated_at"),
    "completed jobs": lambda tx, ids: jobs(tx, "-start_at", {"start_before": ids.now}, status="completed"),
    "a client's jobs": lambda tx, ids: jobs(tx, "start_at", contact_id=ids.contact),
    "an organization's jobs": lambda tx, ids: jobs(tx, "-start_at", organization_id=ids.organization),
    "a rep's day": lambda tx, ids: jobs(tx, "start_at", {"start_from": ids.now}, assignee_id=ids.rep, status="scheduled"),
    "a series": lambda tx, ids: jobs(tx, "start_at", series_id=ids.series),
    "reminders of a job": lambda tx, ids: reminders.of_job(tx, ids.job, request("send_at")),
    "services": lambda tx, _: services.find(tx, request("created_at"), active=True),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_its_page_through_an_index(plan, ids, name):
    plans.check(plan(lambda tx: LISTS[name](tx, ids)), {*TABLES, "organizations", "contacts", "reps"}, most=3_000)


def test_whether_somebody_has_the_time_is_found_through_an_index(crowd, ids):
    """The question stands in a function (app.busy): its own statement is looked at, as the application's role."""
    statement = text("""explain (analyze, format json)
      select j.id from jobs j where j.tenant_id = app.tenant() and j.assignee_id = :a and j.status in ('scheduled', 'in_progress')
         and j.start_at > cast(:n as timestamptz) - interval '31 days' and j.start_at < cast(:n as timestamptz) + interval '1 hour'
         and j.end_at > :n order by j.start_at, j.id limit 20""")
    tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.ADMINS))
    [found] = tx.execute(statement, {"a": ids.rep, "n": ids.now}).scalar_one()
    db.rollback(tx)

    plans.check(found, {"jobs"}, most=3_000)
