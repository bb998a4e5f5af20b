"""Lists of payments, refunds, disputes and ledger entries, and what is locked, find their rows through an index at 40,000 each."""

import pytest
from sqlalchemy import text

from clientway.billing.disputes import service as disputes
from clientway.billing.ledger import queries as ledger
from clientway.billing.ledger import service as ledgers
from clientway.billing.payments import service as payments
from clientway.billing.refunds import service as refunds
from tests import plans
from tests.plans import request

TABLES = ("payments", "refunds", "disputes", "ledger_entries", "allocations", "invoices")
# Every hundredth row belongs to one organization, which is large, and the others to a thousand. Triggers sum up row by row,
# which is not what is looked at here.
SEED = """
set session_replication_role = replica;

insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'place-' || n, n::text, '' from generate_series(0, 1000) n;

insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'o' || n)::uuid, 'c-' || n, '', '' from generate_series(0, 1000) n;

insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, issued_on, due_on, opened_at)
select :t, md5(:s || 'i' || n)::uuid, md5(:s || 'o' || k.one)::uuid, md5(:s || 'c' || k.one)::uuid, 'USD', 'open', n, current_date, current_date, now()
  from generate_series(1, :rows) n, lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as one) k;

insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at, quote_id, created_at, updated_at)
select :t, md5(:s || 'p' || n)::uuid, md5(:s || 'o' || k.one)::uuid, md5(:s || 'c' || k.one)::uuid, 1, 'USD',
       (array['succeeded', 'pending', 'failed'])[1 + mod(n, 3)], 'cash', case when mod(n, 3) = 0 then now() end, null,
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n, lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as one) k;

insert into allocations (tenant_id, id, payment_id, invoice_id, amount_cents)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || 'p' || n)::uuid, md5(:s || 'i' || n)::uuid, 1 from generate_series(1, :rows) n;

insert into refunds (tenant_id, id, payment_id, amount_cents, currency, status, created_at)
select :t, md5(:s || 'r' || n)::uuid, md5(:s || 'p' || n)::uuid, 1, 'USD', 'failed', now() - n * interval '1 minute' from generate_series(1, :rows) n;

insert into disputes (tenant_id, id, organization_id, payment_id, amount_cents, currency, status, opened_at, closed_at, updated_at)
select :t, md5(:s || 'd' || n)::uuid, md5(:s || 'o' || k.one)::uuid, md5(:s || 'p' || n)::uuid, 1, 'USD', (array['won', 'lost'])[1 + mod(n, 2)], now(), now(),
       now() - n * interval '1 minute'
  from generate_series(1, :rows) n, lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as one) k;

insert into ledger_entries (tenant_id, id, organization_id, contact_id, kind, amount_cents, currency, payment_id, source_key, occurred_at)
select :t, md5(:s || 'l' || n)::uuid, md5(:s || 'o' || k.one)::uuid, md5(:s || 'c' || k.one)::uuid, 'payment', 1, 'USD', md5(:s || 'p' || n)::uuid, n::text,
       now() - n * interval '1 minute'
  from generate_series(1, :rows) n, lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as one) k;

analyze payments, refunds, disputes, ledger_entries, allocations, invoices, organizations, contacts;

set session_replication_role = origin
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 rows of each kind."""
    return plans.seed(admin_engine, SEED)


@pytest.fixture
def ids(crowd, admin_engine):
    with admin_engine.connect() as connection:
        statement = """select md5(:s || 'o0')::uuid as organization, md5(:s || 'c7')::uuid as contact, md5(:s || 'p3')::uuid as payment,
                              md5(:s || 'i9')::uuid as invoice"""
        return connection.execute(text(statement), {"s": crowd.slug}).one()


def _payments(tx, sort="-updated_at", **equal):
    given = {"status": None, "provider": None, "contact_id": None, "organization_id": None, "updated_since": None}
    return payments.find(tx, request(sort), **given | equal)


LISTS = {
    "payments": lambda tx, _ids: _payments(tx),
    "failed payments": lambda tx, _ids: _payments(tx, "updated_at", status="failed"),
    "payments of a contact": lambda tx, ids: _payments(tx, contact_id=ids.contact),
    "payments of an organization": lambda tx, ids: _payments(tx, organization_id=ids.organization),
    "payments of one": lambda tx, ids: payments.of_organization(tx, ids.organization, request("-created_at"), status=None),
    "refunds": lambda tx, ids: refunds.of_payment(tx, ids.payment, request("-created_at")),
    "disputes": lambda tx, _ids: disputes.find(
        tx, request("-updated_at"), status="won", payment_id=None, organization_id=None, updated_since=None
    ),
    "ledger": lambda tx, ids: ledgers.of_client(tx, ids.contact, request("-occurred_at"), verify=False),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_its_page_through_an_index(plan, ids, name):
    plans.check(plan(lambda tx: LISTS[name](tx, ids)), {*TABLES, "organizations"}, most=3_000)


@pytest.mark.parametrize("what", ["payment", "invoice", "contact"])
def test_what_is_locked_is_found_through_an_index(crowd, ids, tx_of_crowd, what):
    given = {
        "payment_id": None,
        "provider": None,
        "provider_id": None,
        "invoice_ids": "{}",
        "organization_id": None,
        "contact_id": None,
        "quote_id": None,
    }
    given |= {"payment_id": ids.payment} if what == "payment" else {}
    given |= {"invoice_ids": f"{{{ids.invoice}}}"} if what == "invoice" else {}
    given |= {"contact_id": ids.contact} if what == "contact" else {}

    found = tx_of_crowd.execute(text(f"explain (analyze, format json) {ledger._LOCK.text}"), given).scalar_one()

    plans.check(found[0], {*TABLES, "organizations", "contacts"}, most=100)


@pytest.fixture
def tx_of_crowd(crowd):
    from datetime import UTC, datetime

    from clientway import access, db, tokens

    tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.ADMINS), now=datetime.now(UTC))
    yield tx
    db.rollback(tx)
