"""API keys, members and sessions find their page through an index at 40,000 rows each."""

import pytest

from clientway.identity.api_keys import service as api_keys
from clientway.identity.members import service as members
from clientway.identity.sessions import service as sessions
from tests import plans
from tests.plans import request

TABLES = ("api_keys", "memberships", "sessions", "users")
# Most sessions are over; so are half of the keys.
SEED = """
insert into users (id, email, email_norm, name)
select md5(:s || 'u' || n)::uuid, n || '@' || :s || '.example', n || '@' || :s || '.example', 'Ann' from generate_series(1, :rows) n;

insert into memberships (tenant_id, id, user_id, role, created_at)
select :t, md5(:s || 'm' || n)::uuid, md5(:s || 'u' || n)::uuid, (array['admin', 'editor', 'viewer', 'viewer'])[1 + mod(n, 4)],
       now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into api_keys (tenant_id, id, name, prefix, token_hash, role, created_at, revoked_at)
select :t, md5(:s || 'k' || n)::uuid, 'key', 'cw', md5(:s || n) || md5(n::text), 'viewer', now() - n * interval '1 minute',
       case when mod(n, 2) = 0 then now() end from generate_series(1, :rows) n;

insert into sessions (tenant_id, id, user_id, token_hash, method, created_at, last_seen_at, expires_at)
select :t, md5(:s || 's' || n)::uuid, md5(:s || 'u' || 1 + mod(n, 1000))::uuid, md5(:s || 's' || n) || md5(n::text), 'email_link',
       now() - n * interval '1 minute', now() - n * interval '1 second', now() - n * interval '1 minute' + interval '12 hours'
  from generate_series(1, :rows) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 members, keys and sessions."""
    return plans.seed(admin_engine, SEED, analyze=TABLES)


@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
@pytest.mark.parametrize("include_revoked", [True, False])
def test_api_keys_are_found_through_an_index(plan, include_revoked, sort):
    plans.check(plan(lambda tx: api_keys.page(tx, request(sort), include_revoked=include_revoked)), {*TABLES}, most=500)


@pytest.mark.parametrize("sort", ["-created_at", "created_at"])
@pytest.mark.parametrize("role", [None, "admin", "viewer"])
def test_members_are_found_through_an_index(plan, role, sort):
    plans.check(plan(lambda tx: members.page(tx, request(sort), role=role)), {*TABLES}, most=1000)


def test_live_sessions_are_found_through_an_index(plan):
    # All that are live, some seven hundred, are looked at; none of the others is.
    plans.check(plan(lambda tx: sessions.page(tx, request("-created_at"), None)), {*TABLES}, most=3000)


def test_one_s_own_sessions_are_found_through_an_index(plan, crowd):
    plans.check(plan(lambda tx: sessions.page(tx, request("-created_at"), crowd.user_id)), {*TABLES}, most=1000)
