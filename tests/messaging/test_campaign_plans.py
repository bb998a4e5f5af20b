"""A batch is claimed by what stands in indexes, whatever the statistics say: a campaign is sent right after its freezing."""

import json
from datetime import datetime

import pytest
from sqlalchemy import text

from clientway.db import job_transaction
from clientway.messaging.campaigns import claims
from clientway.messaging.delivery.calls import AT_ONCE
from tests import campaigns
from tests.campaigns import Launched
from tests.fixtures import make_tenant

PEOPLE = 1500
LARGE = {"contacts", "campaign_sends", "contact_consents", "suppressions"}
ANALYZE = f"analyze {', '.join(LARGE)}"
# As of a table that nobody ever analyzed. What is fixed for tenant_id stays: analyze leaves it alone as well.
FORGET = f"""
delete from pg_statistic where starelid = any (array['{"', '".join(LARGE)}']::regclass[])
   and (starelid, staattnum) not in (select attrelid, attnum from pg_attribute where attname = 'tenant_id')"""


@pytest.fixture(scope="module")
def campaign(admin_engine, database_url) -> Launched:
    # What autovacuum found before: one campaign of one chunk, half sent.
    before = campaigns.launched(admin_engine, make_tenant(admin_engine), 60)
    before.one("update campaign_sends set state = 'sent' where campaign_id = :c and mod(get_byte(uuid_send(id), 15), 2) = 0")
    before.one(ANALYZE)
    made = campaigns.launched(admin_engine, make_tenant(admin_engine), PEOPLE)
    made.one(
        """insert into suppressions (tenant_id, id, channel, address_hash, reason)
           select :t, gen_random_uuid(), case when mod(n, 2) = 0 then 'email' else 'sms' end, md5(n::text) || md5(n::text), 'hard_bounce'
             from generate_series(1, 6000) n"""
    )
    made.one(
        """update contacts set deleted_at = now(), merged_into = (select max(id::text)::uuid from contacts where tenant_id = :t)
            where tenant_id = :t and id in (select id from contacts where tenant_id = :t order by id limit 300)"""
    )
    made.one("update campaign_sends set state = 'sent' where campaign_id = :c and chunk > 0 and mod(chunk, 2) = 0")
    made.pump()
    return made


def nodes(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("chunk", [0, 1])
@pytest.mark.parametrize("counted", [None, FORGET, ANALYZE], ids=["analyzed before", "not analyzed", "analyzed"])
def test_a_batch_costs_what_it_has_and_not_what_the_campaign_has(chunk, counted, campaign, admin_engine):
    if counted:
        campaign.one(counted)
    turn = datetime.fromisoformat(
        campaign.one("select queued_at::text from campaign_chunks where campaign_id = :c and chunk = :n", n=chunk)
    )
    with job_transaction(campaign.tenant.id) as tx:
        statement = text(f"explain (analyze, format json) {claims._looked('email', 'marketing').text}")
        given = {"campaign": campaign.id, "chunk": chunk, "turn": turn, "now": tx.now, "most": AT_ONCE}
        found = tx.execute(statement, given).scalar_one()
    [explained] = found if isinstance(found, list) else json.loads(found)

    read = {}
    for node in nodes(explained["Plan"]):
        if node.get("Relation Name") in LARGE:
            rows = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            read[node["Relation Name"]] = max(rows, read.get(node["Relation Name"], 0))
    assert explained["Plan"]["Actual Rows"] == AT_ONCE
    assert read.keys() == LARGE
    assert max(read.values()) <= AT_ONCE
