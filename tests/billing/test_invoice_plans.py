"""Lists of invoices, and what is locked and settled, find their rows through an index at 40,000 invoices."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.billing.credits import service as credit_notes
from clientway.billing.invoices import answers, queries, service, settling
from tests import plans
from tests.plans import request

TABLES = ("invoices", "invoice_lines", "credit_notes", "allocations", "payments", "reminders")
# Every hundredth row belongs to one organization, which is large, and the others to a thousand; one in ten is open, half of these late.
SEED = """
set session_replication_role = replica;

insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text)
select :t, md5(:s || 'o' || n)::uuid, 'Place ' || n, 'place-' || n, n::text, '' from generate_series(0, 1000) n;

insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text)
select :t, md5(:s || 'c' || n)::uuid, md5(:s || 'o' || n)::uuid, 'c-' || n, '', '' from generate_series(0, 1000) n;

insert into invoices (tenant_id, id, organization_id, contact_id, currency, subtotal_cents, total_cents, allocated_cents, status, number, issued_on,
                      due_on, opened_at, paid_at, created_at, updated_at)
select :t, md5(:s || 'i' || n)::uuid, md5(:s || 'o' || k.one)::uuid, md5(:s || 'c' || k.one)::uuid, 'USD', 100, 100, case when k.paid then 100 else 0 end,
       case when k.paid then 'paid' else 'open' end, n, current_date - 9, current_date + 30 - mod(n, 61), now(), case when k.paid then now() end,
       now() - n * interval '1 minute', now() - n * interval '1 minute'
  from generate_series(1, :rows) n, lateral (select case when mod(n, 100) = 0 then 0 else 1 + mod(n, 1000) end as one, mod(n, 10) > 0 as paid) k;

insert into invoice_lines (tenant_id, id, invoice_id, position, description, quantity_thousandths, unit_price_cents, amount_cents, tax_cents)
select :t, md5(:s || 'l' || n)::uuid, md5(:s || 'i' || n)::uuid, 0, 'x', 1000, 100, 100, 0 from generate_series(1, :rows) n;

insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at)
select :t, md5(:s || 'p' || n)::uuid, md5(:s || 'o' || mod(n, 1000))::uuid, null, 100, 'USD', 'succeeded', 'cash', now() from generate_series(1, :rows) n;

insert into allocations (tenant_id, id, payment_id, invoice_id, amount_cents)
select :t, md5(:s || 'a' || n)::uuid, md5(:s || 'p' || n)::uuid, md5(:s || 'i' || n)::uuid, 100 from generate_series(1, :rows) n;

insert into credit_notes (tenant_id, id, invoice_id, amount_cents, currency, reason)
select :t, md5(:s || 'n' || n)::uuid, md5(:s || 'i' || n)::uuid, 1, 'USD', 'x' from generate_series(1, :rows) n;

insert into reminders (tenant_id, id, contact_id, invoice_id, type, rule, anchor_at, send_at, next_at, expires_at, channel)
select :t, md5(:s || 'r' || n)::uuid, md5(:s || 'c' || mod(n, 1000))::uuid, md5(:s || 'i' || n)::uuid, 'invoice_due', 'due_day', now(), now(), now(), now(), 'email'
  from generate_series(1, :rows) n;

analyze invoices, invoice_lines, credit_notes, allocations, payments, reminders, organizations, contacts;

set session_replication_role = origin
"""


@pytest.fixture(scope="module")
def crowd(admin_engine, database_url):
    """A tenant of 40,000 rows of each kind."""
    return plans.seed(admin_engine, SEED)


@pytest.fixture
def ids(crowd, admin_engine):
    with admin_engine.connect() as connection:
        statement = "select md5(:s || 'o0')::uuid as organization, md5(:s || 'c7')::uuid as contact, md5(:s || 'i10')::uuid as invoice"
        return connection.execute(text(statement), {"s": crowd.slug}).one()


def _find(tx, sort="-updated_at", *, overdue=None, due_before=None, **equal):
    return service.find(tx, request(sort), equal, overdue=overdue, due_before=due_before, updated_since=None)


LISTS = {
    "all": lambda tx, _ids: _find(tx),
    "by creation": lambda tx, _ids: _find(tx, "created_at"),
    "by due date": lambda tx, _ids: _find(tx, "due_on"),
    "open by due date": lambda tx, _ids: _find(tx, "-due_on", status="open"),
    "open": lambda tx, _ids: _find(tx, status="open"),
    "overdue": lambda tx, _ids: _find(tx, "due_on", overdue=True),
    "overdue, last changed": lambda tx, _ids: _find(tx, overdue=True),
    "due soon": lambda tx, _ids: _find(tx, "due_on", due_before=date.today() - timedelta(days=20)),  # noqa: DTZ011  (any day will do)
    "of a contact": lambda tx, ids: _find(tx, contact_id=ids.contact),
    "of a large organization": lambda tx, ids: _find(tx, organization_id=ids.organization),
    "credit notes": lambda tx, ids: credit_notes.of_invoice(tx, ids.invoice, request("-created_at")),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_finds_its_page_through_an_index(plan, ids, name):
    plans.check(plan(lambda tx: LISTS[name](tx, ids)), {*TABLES, "organizations", "contacts"}, most=6_000)


STATEMENTS = {
    "read": (answers.answer(queries._STORED), {"id"}),
    "lock": (queries._LOCK.text, {"id"}),
    "settle": (settling._SETTLE.text, {"ids", "now"}),
    "settle and show": (settling._SETTLE_AND_SHOW.text, {"ids", "now"}),
    "terms": (queries._TERMS.text, set()),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_about_one_invoice_reads_no_more_than_that(crowd, ids, name):
    statement, wanted = STATEMENTS[name]
    given = {
        "id": ids.invoice,
        "ids": [ids.invoice],
        "now": datetime.now(UTC),
        "contact_id": ids.contact,
        "job_id": None,
        "quote_id": None,
        "services": "{}",
        "jobs": "{}",
    }
    tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.ADMINS), now=datetime.now(UTC))
    try:
        parameters = {key: value for key, value in given.items() if re.search(rf":{key}\b", statement)}
        found = tx.execute(text(f"explain (analyze, format json) {statement}"), parameters).scalar_one()
    finally:
        db.rollback(tx)

    assert wanted <= parameters.keys()
    plans.check(found[0], {*TABLES, "organizations", "contacts"}, most=1_000)
