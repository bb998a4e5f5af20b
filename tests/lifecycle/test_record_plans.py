"""Lists of tickets, deals, quotes, answers and referrals find their page through an index at 40,000 rows each."""

import pytest
from sqlalchemy import text

from clientway.lifecycle.deals import service as deals
from clientway.lifecycle.quotes import service as quotes
from clientway.lifecycle.referrals import service as referrals
from clientway.lifecycle.surveys import service as surveys
from clientway.lifecycle.tickets import service as tickets
from tests import plans
from tests.plans import request

TABLES = ("tickets", "deals", "quotes", "nps_answers", "referrals")
# Every hundredth row belongs to one organization, which is large, and the others to a thousand.
SEED = """
insert into reps (tenant_id, id, slug, name) select :t, md5(:s || 'r' || n)::uuid, 'rep-' || n, 'Rep' from generate_series(1, 50) n;

insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'place-' || n, n::text, '' from generate_series(0, 1000) n;

insert into tickets (tenant_id, id, organization_id, subject, status, priority, resolved_at, created_at, updated_at)
select :t, md5(:s || 't' || n)::uuid, md5(:s || 'o' || case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end)::uuid, 'x',
       (array['open', 'pending', 'resolved'])[1 + mod(n, 3)], (array['low', 'normal', 'high', 'urgent'])[1 + mod(n, 4)],
       case when mod(n, 3) = 2 then now() end, now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into deals (tenant_id, id, organization_id, name, status, stage, owner_rep_id, closed_at, created_at, updated_at)
select :t, md5(:s || 'd' || n)::uuid, md5(:s || 'o' || case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end)::uuid, 'x',
       (array['open', 'won', 'lost'])[1 + mod(n, 3)], (array['qualification', 'proposal', 'negotiation'])[1 + mod(n, 3)], md5(:s || 'r' || 1 + mod(n, 50))::uuid,
       case when mod(n, 3) > 0 then now() end, now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into quotes (tenant_id, id, deal_id, organization_id, title, amount_cents, created_at)
select :t, md5(:s || 'q' || n)::uuid, md5(:s || 'd' || 1 + mod(n, 5000))::uuid, md5(:s || 'o' || mod(n, 1000))::uuid, 'x', 1, now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into nps_answers (tenant_id, id, organization_id, score, answered_at)
select :t, md5(:s || 'n' || n)::uuid, md5(:s || 'o' || case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end)::uuid, mod(n, 11), now() - n * interval '1 minute'
  from generate_series(1, :rows) n;

insert into referrals (tenant_id, id, organization_id, referred_name, created_at)
select :t, md5(:s || 'f' || n)::uuid, md5(:s || 'o' || case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end)::uuid, 'x', now() - n * interval '1 minute'
  from generate_series(1, :rows) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 rows of each kind."""
    return plans.seed(admin_engine, SEED, analyze=(*TABLES, "organizations"))


@pytest.fixture
def ids(crowd, admin_engine):
    with admin_engine.connect() as connection:
        statement = "select md5(:s || 'o0')::uuid as organization, md5(:s || 'd1')::uuid as deal, md5(:s || 'r7')::uuid as rep"
        return connection.execute(text(statement), {"s": crowd.slug}).one()


LISTS = {
    "tickets": lambda tx, _ids: tickets.find(tx, request("-updated_at"), status=None, priority=None, updated_since=None),
    "open tickets": lambda tx, _ids: tickets.find(tx, request("-updated_at"), status="open", priority=None, updated_since=None),
    "urgent tickets": lambda tx, _ids: tickets.find(tx, request("updated_at"), status=None, priority="urgent", updated_since=None),
    "tickets of one": lambda tx, ids: tickets.of_organization(tx, ids.organization, request("-created_at"), status=None),
    "deals": lambda tx, _ids: deals.find(tx, request("-updated_at"), status=None, stage=None, owner_rep_id=None, updated_since=None),
    "won deals": lambda tx, _ids: deals.find(tx, request("-updated_at"), status="won", stage=None, owner_rep_id=None, updated_since=None),
    "a rep's deals": lambda tx, ids: deals.find(
        tx, request("-updated_at"), status="open", stage=None, owner_rep_id=ids.rep, updated_since=None
    ),
    "proposals": lambda tx, _ids: deals.find(
        tx, request("updated_at"), status=None, stage="proposal", owner_rep_id=None, updated_since=None
    ),
    "deals of one": lambda tx, ids: deals.of_organization(tx, ids.organization, request("-created_at"), status="open"),
    "quotes of one": lambda tx, ids: quotes.of_deal(tx, ids.deal, request("-created_at")),
    "answers of one": lambda tx, ids: surveys.of_organization(tx, ids.organization, request("-answered_at")),
    "referrals of one": lambda tx, ids: referrals.of_organization(tx, ids.organization, request("-created_at")),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_its_page_through_an_index(plan, ids, name):
    plans.check(plan(lambda tx: LISTS[name](tx, ids)), {*TABLES, "organizations"}, most=3_000)
