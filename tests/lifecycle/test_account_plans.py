"""The list of client accounts, and what a recalculation picks, go through an index in a tenant of 40,000 accounts."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway import db
from clientway.lifecycle.accounts import queries, reports
from clientway.lifecycle.accounts.schemas import Filters
from tests import plans

TABLES = {"client_accounts", "organizations"}
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
    """A tenant of 40,000 accounts, 200 of them marked."""
    analyze = ("organizations", "client_accounts", "reps", "health_snapshots", "activities")
    return plans.seed(admin_engine, ";\n".join(SEED), analyze=analyze)


@pytest.mark.parametrize("sort", ["-updated_at", "updated_at", "-created_at", "created_at"])
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"status": "paused"}, {"tier": "core"}, {"risk": "critical"}, {"rep": "rep-7"}, {"updated_since": datetime(2020, 1, 1, tzinfo=UTC)},
        {"status": "active", "risk": "critical"}, {"status": "paused", "tier": "core", "rep": "rep-7"},
    ],
    ids=str,
)  # fmt: skip
def test_accounts_are_found_through_an_index(plan, asked, sort):
    plans.check(plan(lambda tx: queries.find(tx, plans.request(sort), Filters(**asked))), TABLES)


def test_a_recalculation_picks_and_gathers_through_an_index(crowd):
    tx = db.begin(db.Job(crowd.id), now=datetime.now(UTC))
    picking = {"day": tx.now.date(), "batch": 1000}
    picked = tx.execute(reports.PICK, picking).scalars().all()
    [plan] = tx.execute(text(f"explain (analyze, format json) {reports.PICK.text}"), picking).scalar_one()
    count = reports.recalculate(tx)
    db.rollback(tx)

    plans.check(plan, TABLES)
    assert len(picked) == count == 200
