"""Timelines, chains of stages and reps find their page through an index, however much else the tenant has."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway.lifecycle.reps import queries as reps
from clientway.lifecycle.stages import queries as stages
from clientway.lifecycle.timeline import queries as timeline
from clientway.lifecycle.timeline.rules import ActivityType
from tests import plans
from tests.plans import request

TABLES = ("activities", "lifecycle_transitions", "reps", "organizations")
# Every tenth line belongs to one organization, which has seen much, and the others to a thousand.
SEED = """
insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'place-' || n, n::text, '' from generate_series(0, 1000) n;

insert into activities (tenant_id, id, organization_id, activity_type, title, performed_by_type, occurred_at)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || 'o' || case when mod(n, 10) = 0 then 0 else 1 + mod(n, 1000) end)::uuid,
       (array['email_sent', 'email_opened', 'email_clicked', 'note_added'])[1 + mod(n / 10, 4)], 'x', 'job', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into lifecycle_transitions (tenant_id, id, organization_id, sequence, from_stage, to_stage, trigger, automatic, actor_type,
                                   changed_at, seconds_in_stage)
select :t, md5(:s || 'l' || n)::uuid, md5(:s || 'o' || case when mod(n, 10) = 0 then 0 else 1 + mod(n, 1000) end)::uuid, n,
       'lead', 'prospect', 'x', true, 'job', now() - n * interval '1 minute', 1
  from generate_series(1, :rows) n;

insert into reps (tenant_id, id, slug, name, active)
select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep', mod(n, 5) = 0 from generate_series(1, :rows) n;
"""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EVERYTHING = {"kind": None, "since": None, "before": None}


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of many lines, moves and reps."""
    return plans.seed(admin_engine, SEED, analyze=TABLES)


@pytest.fixture
def busy(crowd, admin_engine):
    with admin_engine.connect() as connection:
        return connection.execute(text("select md5(:s || 'o0')::uuid"), {"s": crowd.slug}).scalar_one()


@pytest.mark.parametrize("sort", ["-occurred_at", "occurred_at"])
@pytest.mark.parametrize(
    "asked",
    [
        {}, {"kind": ActivityType.EMAIL_CLICKED}, {"kind": ActivityType.DEAL_WON}, {"since": LONG_AGO}, {"before": LONG_AGO},
        {"kind": ActivityType.NOTE_ADDED, "since": LONG_AGO},
    ],
    ids=str,
)  # fmt: skip
def test_a_timeline_is_found_through_an_index(plan, busy, asked, sort):
    plans.check(plan(lambda tx: timeline.timeline(tx, busy, request(sort), **{**EVERYTHING, **asked})), {*TABLES}, most=200)


@pytest.mark.parametrize("sort", ["sequence", "-sequence"])
def test_a_chain_of_stages_is_found_through_an_index(plan, busy, sort):
    plans.check(plan(lambda tx: stages.transitions(tx, busy, request(sort))), {*TABLES}, most=200)


@pytest.mark.parametrize("sort", ["slug", "-slug"])
@pytest.mark.parametrize("active", [None, True, False])
def test_reps_are_found_through_an_index(plan, active, sort):
    plans.check(plan(lambda tx: reps.find(tx, request(sort), active=active)), {*TABLES}, most=500)
