"""What picking due reminders and listing them costs does not depend on how many others there are."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.db import job_transaction
from clientway.work.reminders import claiming, planning
from clientway.work.reminders import service as reminders
from tests import plans

NOW = datetime(2026, 6, 1, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("database_url")
SEED = """
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, md5(:s)::uuid, 'Ana', 'ana', 'ana', '');
insert into contacts (tenant_id, id, organization_id, slug, first_name, name_norm, search_text, email, email_norm)
select :t, md5(:s || 'c' || n)::uuid, md5(:s)::uuid, 'ana-' || n, 'Ana', 'ana', '', n || '@home.example', n || '@home.example' from generate_series(1, 500) n;
insert into jobs (tenant_id, id, organization_id, contact_id, title, start_at, end_at, time_zone, currency)
select :t, md5(:s || 'j' || n)::uuid, md5(:s)::uuid, md5(:s || 'c' || (1 + mod(n, 500)))::uuid, 'Clean', a.at, a.at + interval '1 hour', 'UTC', 'USD'
  from generate_series(1, :rows / 4) n cross join lateral (select timestamptz '2026-06-01 00:00Z' + interval '1 day' + (n - 20) * interval '1 minute' as at) a;
insert into reminders (tenant_id, id, contact_id, job_id, type, rule, anchor_at, send_at, next_at, expires_at, channel, state)
select :t, gen_random_uuid(), j.contact_id, j.id, 'job_upcoming', r.rule, j.start_at, j.start_at - r.ahead, j.start_at - r.ahead, j.start_at, 'email', r.state
  from jobs j cross join (values ('before_24h', interval '1 day', 'scheduled'), ('before_2h', interval '2 hours', 'scheduled'),
                                 ('old_1', interval '2 days', 'sent'), ('old_2', interval '3 days', 'canceled')) r(rule, ahead, state)
 where j.tenant_id = :t
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    return plans.seed(admin_engine, SEED, analyze=("contacts", "jobs", "reminders"))


def explained(tx, statement, given):
    found = tx.execute(text(f"explain (analyze, format json) {statement}"), given).scalar_one()
    return found[0]["Plan"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def test_what_is_due_is_found_without_what_is_not(crowd):
    with job_transaction(crowd.id, now=NOW) as tx:
        given = {"now": NOW, "reminder_rules": planning.DEFAULTS, "token": uuid4(), "lease_until": NOW}
        plan = explained(tx, claiming._PICK.format(size=100), given)

    assert "reminders_due" in {node.get("Index Name") for node in nodes(plan)}
    assert "reminders" not in plans.scanned(plan)
    assert "jobs" not in plans.scanned(plan)
    # Twenty are due, of twenty thousand that wait.
    read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes(plan) if node.get("Relation Name") == "reminders"]
    assert max(read) <= 25


def test_who_has_something_due_is_a_probe(crowd):
    assert crowd.id in claiming.tenants_due(NOW)
    assert crowd.id not in claiming.tenants_due(datetime(2026, 5, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "equal",
    [{}, {"state": "sent"}, {"contact_id": "c"}, {"job_id": "j"}, {"type": "job_upcoming"}, {"channel": "email"}],
    ids=lambda one: "-".join(one) or "all",
)
@pytest.mark.parametrize("sort", ["send_at", "-send_at"])
def test_a_page_of_reminders_reads_little_more_than_it_shows(crowd, plan, equal, sort):
    def find(tx):
        ids = {
            "contact_id": "select id from contacts where tenant_id = app.tenant() limit 1",
            "job_id": "select id from jobs where tenant_id = app.tenant() limit 1",
        }
        asked = {name: tx.scalar(text(ids[name])) if name in ids else value for name, value in equal.items()}
        return reminders.find(tx, plans.request(sort, **asked), asked, due_before=None, due_after=None)

    found = plan(find)["Plan"]
    assert "reminders" not in plans.scanned(found)
    assert plans.touched(found) <= 500
