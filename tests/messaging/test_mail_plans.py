"""Mails find their page, and those that hang are found, through an index at 20,000 rows."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.messaging.mails import queries, service
from tests import plans
from tests.plans import request, scanned, touched

plan = plans.plan
ROWS = 20_000
SEED = """
insert into contacts (tenant_id, id, slug, name_norm, search_text)
select :t, md5(:s || 'c' || n)::uuid, 'c-' || n, '', '' from generate_series(0, 1000) n;

insert into email_messages (tenant_id, id, contact_id, to_addresses, template, subject, body_text, status, created_at, updated_at)
select :t, md5(:s || 'm' || n)::uuid, md5(:s || 'c' || mod(n, 1000))::uuid, '{a@b.example}', 'welcome', 'x', 'x',
       case when mod(n, 1000) = 7 then 'failed' when mod(n, 1000) = 8 then 'pending' else 'sent' end,
       now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, :rows) n
"""
NO = {"status": None, "contact_id": None, "created_from": None, "created_before": None}


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of many mails."""
    return plans.seed(admin_engine, SEED, rows=ROWS, analyze=("email_messages", "contacts"))


@pytest.mark.parametrize("which", ["all", "failed", "contact", "page"])
def test_a_list_reads_its_page_and_little_more(plan, crowd, admin_engine, which):
    with admin_engine.connect() as connection:
        contact_id = UUID(str(connection.execute(text("select md5(:s || 'c7')::uuid"), {"s": crowd.slug}).scalar_one()))
    given = {"all": {}, "page": {}, "failed": {"status": "failed"}, "contact": {"contact_id": contact_id}}[which]

    found = plan(lambda tx: service.find(tx, request("created_at" if which == "page" else "-created_at"), **{**NO, **given}))

    assert scanned(found["Plan"]) == set()
    assert touched(found["Plan"]) < 200


def test_what_hangs_is_found_without_reading_what_is_sent(crowd, admin_engine):
    statement = queries._STALE.text.replace("app.tenant()", f"'{crowd.id}'")
    given = {"since": timedelta(minutes=20), "now": timedelta(0)}
    for name, ago in given.items():
        statement = statement.replace(f":{name}", f"now() - interval '{int(ago.total_seconds())} seconds'")
    statement = statement.replace(":attempts", "12").replace(":most", "100")
    with admin_engine.connect() as connection:
        [found] = connection.execute(text(f"explain (analyze, format json) {statement}")).scalar_one()

    assert scanned(found["Plan"]) == set()
    assert touched(found["Plan"]) < 200
