"""Every list finds its first page through an index, under row security, in a tenant of 40,000 rows."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, text

from clientway.lifecycle.contacts import queries as contacts
from clientway.lifecycle.contacts.schemas import Filters as ContactFilters
from clientway.lifecycle.locations import queries as locations
from clientway.lifecycle.organizations import queries as organizations
from clientway.lifecycle.organizations.schemas import Filters as OrganizationFilters
from clientway.lifecycle.reps import queries as reps
from tests import plans
from tests.fixtures import make_tenant
from tests.plans import request

NEVER_SCANNED = {"organizations", "contacts", "locations", "organization_tags"}
SEED = """
insert into reps (tenant_id, id, slug, name)
select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep ' || n from generate_series(1, 200) n;

insert into organizations (tenant_id, id, legal_name, slug, lifecycle_stage, source, assigned_rep_id, name_norm, search_text, updated_at, created_at)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'place-' || n,
       (array['lead', 'prospect', 'mql', 'sql', 'opportunity', 'client', 'churned', 'blacklist'])[1 + mod(n, 8)], 'source-' || mod(n, 40),
       md5(:s || 'r' || (1 + mod(n, 200)))::uuid, md5(n::text), 'place ' || n || chr(10) || md5(n::text),
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into organization_tags (tenant_id, organization_id, tag)
select :t, md5(:s || 'o' || n)::uuid, 'tag-' || mod(n, 50) from generate_series(1, :rows) n;

insert into locations (tenant_id, id, organization_id, name, slug, state, pos_system, is_primary, created_at)
select :t, md5(:s || 'l' || n)::uuid, md5(:s || 'o' || n)::uuid, 'Main', 'main-' || n, 'S' || mod(n, 50), 'pos-' || mod(n, 20), true, now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into contacts (tenant_id, id, organization_id, first_name, email, email_norm, slug, role_type, source, name_norm, search_text, is_primary, updated_at, created_at)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'o' || n)::uuid, 'Ann ' || n, n || '@x.example', n || '@x.example', 'ann-' || n,
       (array['owner', 'gm', 'manager', 'chef', 'other'])[1 + mod(n, 5)], 'source-' || mod(n, 40), md5('c' || n), 'ann ' || n || chr(10) || n || '@x.example', true,
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 organizations, each with a tag, a location and a contact; beside it one half as large."""
    small, large = make_tenant(admin_engine), make_tenant(admin_engine)
    plans.seed(admin_engine, SEED, small, rows=plans.ROWS // 2, analyze=(*NEVER_SCANNED, "reps"))
    return plans.seed(admin_engine, SEED, large, analyze=(*NEVER_SCANNED, "reps"))


def check(plan):
    plans.check(plan, NEVER_SCANNED)


SORTS = ("-updated_at", "updated_at", "-created_at", "name", "-name")


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"lifecycle_stage": "client"}, {"source": "source-7"}, {"tag": "tag-7"}, {"rep": "rep-7"}, {"state": "S7"}, {"pos_system": "pos-7"},
        {"state": "S7", "pos_system": "pos-7"}, {"q": "place 4242"}, {"q": "4242@x"}, {"q": "ab"}, {"q": "nothing like it"},
        {"include_deleted": True}, {"updated_since": datetime(2020, 1, 1, tzinfo=UTC)}, {"created_before": datetime(2020, 1, 1, tzinfo=UTC)},
        {"lifecycle_stage": "client", "source": "source-5", "tag": "tag-5"},
    ],
    ids=str,
)  # fmt: skip
def test_organizations_are_found_through_an_index(plan, asked, sort):
    check(plan(lambda tx: organizations.find(tx, request(sort), OrganizationFilters(**asked))))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"lifecycle_stage": "client"}, {"q": "ann 4242"}, {"q": "4242@x"}, {"q": "ab"}, {"email_norm": "7@x.example"}, {"role_type": "gm"},
        {"source": "source-7"}, {"is_primary": True}, {"do_not_contact": False}, {"include_deleted": True},
    ],
    ids=str,
)  # fmt: skip
def test_contacts_are_found_through_an_index(plan, asked, sort):
    check(plan(lambda tx: contacts.find(tx, request(sort), ContactFilters(**asked))))


BELONGINGS = {
    "locations": lambda tx, one: locations.find(tx, one, request("created_at"), include_deleted=False),
    "contacts": lambda tx, one: contacts.of_organization(tx, one, request("-created_at"), include_deleted=False),
    "clients": lambda tx, _: reps.clients(tx, request("-updated_at"), OrganizationFilters(rep="rep-7")),
}


@pytest.mark.parametrize("kind", BELONGINGS)
def test_what_belongs_to_an_organization_or_a_rep_is_found_through_an_index(plan, crowd, admin_engine, kind):
    with admin_engine.connect() as connection:
        one = connection.execute(text("select id from organizations where tenant_id = :t limit 1"), {"t": crowd.id}).scalar_one()
    check(plan(lambda tx: BELONGINGS[kind](tx, one)))


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("pattern", ["%place 4242%", "%4242@x%", "%nothing like it%", "%place%"])
@pytest.mark.parametrize("table", ["organizations", "contacts"])
def test_a_search_looks_into_the_trigrams_alone(crowd, admin_url, table, pattern, mode):
    """The body of app.search_…: what EXPLAIN of a list does not show, run as the role that it runs as."""
    engine = create_engine(admin_url.replace("postgresql://", "postgresql+pg8000://", 1))
    with engine.begin() as connection:
        connection.exec_driver_sql("set local role clientway_search")
        connection.exec_driver_sql(f"set local plan_cache_mode = {mode}")
        connection.execute(text("select set_config('app.tenant_id', :t, true)"), {"t": str(crowd.id)})
        statement = text("select prosrc from pg_proc where oid = cast(:f as regprocedure)")
        body = connection.execute(statement, {"f": f"app.search_{table}(text, integer)"}).scalar_one()
        body = body.replace("p_pattern", "$1").replace("p_limit", "$2")
        connection.exec_driver_sql(f"prepare search(text, integer) as {body}")
        statement = text(f"explain (analyze, format json) execute search('{pattern}', 1000)")
        # The quickest counts: any one of them may have waited for a processor.
        tries = [connection.execute(statement).scalar_one() for _ in range(3)]
        connection.exec_driver_sql("deallocate search")
    engine.dispose()

    explained = min(tries, key=lambda one: one[0]["Execution Time"])
    assert explained[0]["Execution Time"] < 250, json.dumps(explained, indent=1)
    if pattern != "%place%":
        assert "Seq Scan" not in json.dumps(explained), json.dumps(explained, indent=1)
