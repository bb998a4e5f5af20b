"""The list of client accounts, and what a recalculation picks, go through an index in a tenant of 100,000 accounts."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from clientway import access, db, tokens
from clientway.lifecycle.accounts import queries, reports
from clientway.lifecycle.accounts.schemas import Filters
from clientway.paging import Request
from tests.fixtures import make_tenant

SEED = (
    "insert into reps (tenant_id, id, slug, name) select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep ' || n from generate_series(1, 200) n",
    """insert into organizations (tenant_id, id, legal_name, slug, lifecycle_stage, name_norm, search_text)
       select :t, md5(:s || n)::uuid, 'Place ' || n, 'place-' || n, 'client', 'place', 'place' from generate_series(1, 100000) n""",
    """insert into client_accounts (tenant_id, id, organization_id, client_since, status, support_plan_tier, churn_risk, assigned_rep_id,
                                    health_computed_at, health_dirty_at, updated_at, created_at)
       select :t, md5(:s || 'a' || n)::uuid, md5(:s || n)::uuid, now(), (array['active', 'paused', 'cancelled', 'churned'])[1 + mod(n, 4)],
              (array['none', 'core', 'professional', 'premium'])[1 + mod(n, 4)], (array['low', 'medium', 'high', 'critical'])[1 + mod(n, 4)],
              md5(:s || 'r' || (1 + mod(n, 200)))::uuid, now(), case when mod(n, 500) = 0 then now() end,
              now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, 100000) n""",
)


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 100,000 accounts, 200 of them marked."""
    made = make_tenant(admin_engine)
    with admin_engine.connect() as connection:
        for statement in SEED:
            connection.execute(text(statement), {"t": made.id, "s": made.slug} if ":s" in statement else {"t": made.id})
        for table in ("organizations", "client_accounts", "reps", "health_snapshots", "activities"):
            connection.execute(text(f"analyze {table}"))
    return made


def scanned(node):
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return found.union(*(scanned(child) for child in node.get("Plans", [])))


def check(answer):
    [plan] = answer if isinstance(answer, list) else json.loads(answer)
    assert not scanned(plan["Plan"]) & {"client_accounts", "organizations"}, json.dumps(plan, indent=1)
    assert plan["Execution Time"] < 1000, json.dumps(plan, indent=1)


@pytest.mark.parametrize("sort", ["-updated_at", "updated_at", "-created_at", "created_at"])
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"status": "paused"}, {"tier": "core"}, {"risk": "critical"}, {"rep": "rep-7"}, {"updated_since": datetime(2020, 1, 1, tzinfo=UTC)},
        {"status": "active", "risk": "critical"}, {"status": "paused", "tier": "core", "rep": "rep-7"},
    ],
    ids=str,
)  # fmt: skip
def test_accounts_are_found_through_an_index(crowd, monkeypatch, asked, sort):
    tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.VIEWERS), now=datetime.now(UTC))
    execute, plans = tx.execute, []

    def explain(statement, parameters=None):
        sql = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})).replace(":", r"\:")
        plans.append(execute(text(f"explain (analyze, format json) {sql}")).scalar_one())
        return execute(statement, parameters)

    monkeypatch.setattr(tx, "execute", explain)
    queries.find(tx, Request(25, None, sort, {}), Filters(**asked))
    db.rollback(tx)

    [plan] = plans
    check(plan)


def test_a_recalculation_picks_and_gathers_through_an_index(crowd):
    tx = db.begin(db.Job(crowd.id), now=datetime.now(UTC))
    picking = {"day": tx.now.date(), "batch": 1000}
    picked = tx.execute(reports.PICK, picking).scalars().all()
    plan = tx.execute(text(f"explain (analyze, format json) {reports.PICK.text}"), picking).scalar_one()
    count = reports.recalculate(tx)
    db.rollback(tx)

    check(plan)
    assert len(picked) == count == 200
