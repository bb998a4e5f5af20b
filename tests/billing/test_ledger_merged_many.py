"""A merge of clients with many paid invoices is undone within what a statement may take (5 s; it takes about half a one)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway import access, db, tokens
from clientway.lifecycle.merges import service as merges
from clientway.lifecycle.merges import undoing
from clientway.lifecycle.merges.schemas import MergeRequest
from tests.lifecycle.merging import client, contact, run  # noqa: F401  (fixtures)

MANY = 2000
# As a payment of each invoice leaves it; without the triggers, which would take longer than all the rest.
PAID = """
set local session_replication_role = replica;
insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, number_text, issued_on, due_on, opened_at, paid_at,
                      subtotal_cents, total_cents, allocated_cents)
select :t, gen_random_uuid(), :o, :c, 'USD', 'paid', :first + n, n, now(), now(), now(), now(), 100, 100, 100 from generate_series(1, :many) n;
insert into payments (tenant_id, id, organization_id, contact_id, amount_cents, currency, status, method, captured_at, allocated_cents)
select :t, i.id, :o, :c, 100, 'USD', 'succeeded', 'cash', now(), 100 from invoices i where i.contact_id = :c;
insert into allocations (tenant_id, id, payment_id, invoice_id, amount_cents)
select :t, i.id, i.id, i.id, 100 from invoices i where i.contact_id = :c;
"""


@pytest.fixture
def pair(admin_engine, tenant, client, contact):  # noqa: F811
    found = (client(), client())
    with admin_engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        for place, one in enumerate(found):
            given = {"t": tenant.id, "o": contact(one)["organization_id"], "c": one, "first": place * MANY, "many": MANY}
            for statement in PAID.split(";")[:-1]:
                names = {name: value for name, value in given.items() if f":{name}" in statement}
                connection.execute(text(statement), names)
    return found


def test_many_paid_invoices_go_back_without_looking_through_all_of_them_for_each(tenant, pair):
    survivor, merged = pair
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
    try:
        merge = merges.merge(tx, survivor, MergeRequest(merged_id=merged))
        undone = undoing.undo(tx, merge.id)
    finally:
        db.rollback(tx)

    assert (undone.given_back["invoices"], undone.given_back["payments"]) == (MANY, MANY)
