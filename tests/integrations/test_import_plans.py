"""Imports, their rows and saved mappings find their page through an index at 40,000 rows each."""

import pytest
from sqlalchemy import text

from clientway.integrations.imports import queries
from tests import plans
from tests.plans import request

TABLES = ("imports", "import_rows", "import_mappings")
# One import has half of the rows, and one in a thousand of them failed.
SEED = """
insert into imports (tenant_id, id, status, source, filename, created_at)
select :t, md5(:s || 'i' || n)::uuid, (array['completed', 'previewed', 'failed', 'cancelled', 'completed'])[1 + mod(n, 5)], 'list', 'list.csv',
       now() - n * interval '1 minute' from generate_series(0, :rows) n;

insert into import_rows (tenant_id, import_id, row_number, outcome)
select :t, md5(:s || 'i' || case when mod(n, 2) = 0 then 0 else n end)::uuid, n,
       case when mod(n, 1000) = 0 then 'failed' when mod(n, 3) = 0 then 'updated' else 'created' end
  from generate_series(1, :rows) n;

insert into import_mappings (tenant_id, id, name, mapping)
select :t, md5(:s || 'm' || n)::uuid, 'mapping ' || n, '{}' from generate_series(1, :rows) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 imports, rows and mappings."""
    return plans.seed(admin_engine, SEED, analyze=TABLES)


@pytest.fixture
def large(crowd, admin_engine):
    with admin_engine.connect() as connection:
        return connection.execute(text("select md5(:s || 'i0')::uuid"), {"s": crowd.slug}).scalar_one()


@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
@pytest.mark.parametrize("status", [None, "previewed", "failed", "running"])
def test_imports_are_found_through_an_index(plan, status, sort):
    plans.check(plan(lambda tx: queries.find(tx, request(sort), status)), {*TABLES}, most=500)


@pytest.mark.parametrize("sort", ["row_number", "-row_number"])
@pytest.mark.parametrize("outcome", [None, "failed", "skipped", "created"])
def test_rows_of_an_import_are_found_through_an_index(plan, large, outcome, sort):
    plans.check(plan(lambda tx: queries.rows(tx, large, request(sort), outcome)), {*TABLES}, most=200)


@pytest.mark.parametrize("sort", ["name", "-name"])
def test_mappings_are_found_through_an_index(plan, sort):
    plans.check(plan(lambda tx: queries.mappings(tx, request(sort))), {*TABLES}, most=200)
