"""A batch is claimed by what stands in indexes, also while nobody has counted the rows yet: a campaign is sent right after its freezing."""

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


@pytest.fixture(scope="module")
def campaign(admin_engine, database_url) -> Launched:
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


@pytest.mark.parametrize("counted", [False, True], ids=["not analyzed", "analyzed"])
@pytest.mark.parametrize("chunk", [0, 1])
def test_a_batch_costs_what_it_has_and_not_what_the_campaign_has(chunk, counted, campaign, admin_engine):
    if counted:
        with admin_engine.connect() as admin:
            admin.execute(text(f"analyze {', '.join(LARGE)}"))
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
    # The whole of the chunk is looked at for its first; of everything else what belongs to the batch.
    assert read.pop("campaign_sends") <= 100
    assert max(read.values()) <= AT_ONCE
