"""Lists of suggestions, merges and households find their page through an index in a tenant of many; a look takes up where it was."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.lifecycle.duplicates import queries
from clientway.lifecycle.duplicates import service as duplicates
from clientway.lifecycle.households import service as households
from clientway.lifecycle.merges import service as merges
from tests import plans
from tests.plans import request

ROWS = 50_000
TABLES = ("duplicate_suggestions", "contact_merges", "households", "household_members", "contact_addresses", "contacts")
SEED = """
insert into contacts (tenant_id, id, slug, first_name, last_name, name_norm, search_text, birth_date, created_at, updated_at)
select :t, md5(:s || 'c' || n)::uuid, 'c-' || n, (array['Ana', 'Bo', 'Cy', 'Di'])[1 + mod(n, 4)],
       translate(substr(md5((n / 2)::text), 1, 6), '0123456789abcdef', 'bcdfglmnprstvzae'), '', '', date '1950-01-01' + mod(n * 31, 20000),
       now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into contact_addresses (tenant_id, id, contact_id, address1, city, postal, address_key, updated_at)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || 'c' || n)::uuid, n / 2 || ' Oak St', 'Miami', '33101', n / 2 || ' oak st|33101|FL',
       now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into duplicate_suggestions (tenant_id, id, contact_id, other_id, score, reasons, status)
select :t, md5(:s || 'd' || n)::uuid, least(md5(:s || 'c' || n), md5(:s || 'c' || n + 1))::uuid, greatest(md5(:s || 'c' || n), md5(:s || 'c' || n + 1))::uuid,
       40 + mod(n, 60), '[]', (array['open', 'open', 'dismissed', 'merged'])[1 + mod(n, 4)] from generate_series(1, :rows - 1) n;

insert into contact_merges (tenant_id, id, survivor_id, merged_id, before, after, moved, undo_until, created_at)
select :t, md5(:s || 'm' || n)::uuid, md5(:s || 'c' || 1 + mod(n, 500))::uuid, md5(:s || 'c' || n + 1000)::uuid, '{}', '{}', '{}', now(),
       now() - n * interval '1 minute' from generate_series(1, :rows - 1000) n;

insert into households (tenant_id, id, name, created_at, updated_at)
select :t, md5(:s || 'h' || n)::uuid, 'H', now() - n * interval '1 minute', now() - n * interval '1 minute' from generate_series(1, :rows / 4) n;

insert into household_members (tenant_id, household_id, contact_id)
select :t, md5(:s || 'h' || n)::uuid, md5(:s || 'c' || n)::uuid from generate_series(1, :rows / 4) n;
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 50,000 contacts, most of them suspected of something."""
    return plans.seed(admin_engine, SEED, rows=ROWS, analyze=TABLES)


LISTS = {
    "suggestions": lambda tx, _id: duplicates.find(tx, request("-score"), status="open", min_score=None, contact_id=None),
    "likely ones": lambda tx, _id: duplicates.find(tx, request("score"), status="open", min_score=70, contact_id=None),
    "a contact's": lambda tx, one: duplicates.find(tx, request("-score"), status="open", min_score=None, contact_id=one),
    "merges": lambda tx, _id: merges.find(tx, request("-created_at"), contact_id=None, undone=None),
    "a contact's merges": lambda tx, one: merges.find(tx, request("-created_at"), contact_id=one, undone=False),
    "households": lambda tx, _id: households.find(tx, request("-updated_at")),
    "suggested households": lambda tx, _id: households.suggestions(tx, request("address")),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_reads_its_page(plan, crowd, admin_engine, name):
    with admin_engine.connect() as connection:
        one = connection.execute(text("select md5(:s || 'c7')::uuid"), {"s": crowd.slug}).scalar()

    # Which addresses several have is counted over all of them.
    plans.check(plan(lambda tx: LISTS[name](tx, one)), set(TABLES), most=None if name == "suggested households" else 2_000)


def test_a_look_at_everybody_goes_through_batch_by_batch(crowd, monkeypatch):
    compared = []

    def counted(tx, ids, find=queries.candidates):
        pairs = find(tx, ids)
        compared.append(len(pairs))
        return pairs

    monkeypatch.setattr(queries, "candidates", counted)
    tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.ADMINS), now=datetime.now(UTC))
    try:
        counts = [duplicates._step(tx, 200)[0] for _ in range(5)]
    finally:
        db.rollback(tx)

    assert counts == [200] * 5
    assert 0 < max(compared) <= 200 * 30
