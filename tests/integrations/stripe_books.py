"""Books that Stripe tells of: a connected tenant with an open invoice, the states as they are read, and the consumer."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.integrations.stripe import applying

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def books(admin_engine, tenant):
    """A connected tenant with a client and an open invoice of 120.00, 20.00 of it tax; and what stands in the books."""
    given = {"t": tenant.id, "e": uuid7(), "o": uuid7(), "c": uuid7(), "i": uuid7(), "now": BEGAN}
    with admin_engine.connect() as connection:
        for statement in (
            "insert into stripe_accounts (tenant_id, endpoint_id, mode, status, account_id) values (:t, :e, 'key', 'connected', null)",
            "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text, stripe_customer_id) values (:t, :o, 'X', 'x', '', '', 'cus_1')",
            "insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text, status) values (:t, :c, :o, 'c', '', '', 'lead')",
            """insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, number_text, subtotal_cents, tax_cents,
                                     total_cents, issued_on, due_on, opened_at, payment_page_status, payment_page_cents)
               values (:t, :i, :o, :c, 'USD', 'open', 1, 'INV-0001', 10000, 2000, 12000, '2026-11-01', '2026-11-15', :now, 'pending', 12000)""",
        ):
            connection.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})

    class Books:
        endpoint, organization, contact, invoice = given["e"], given["o"], given["c"], given["i"]

        def row(self, sql):
            with admin_engine.connect() as connection:
                return connection.execute(text(sql), {"t": tenant.id}).one_or_none()

        def rows(self, sql):
            with admin_engine.connect() as connection:
                return connection.execute(text(sql), {"t": tenant.id}).all()

        @property
        def state(self):
            """The invoice, what the client is worth, and the organization's stage."""
            return tuple(self.row("""
                select i.status, i.balance_cents, c.ltv_cents, o.lifecycle_stage from invoices i join contacts c on c.id = i.contact_id
                  join organizations o on o.id = i.organization_id where i.tenant_id = :t"""))  # fmt: skip

    return Books()


def payment(books, tenant, status="succeeded", **more):
    return {
        "kind": "payment", "id": "pi_1", "status": status, "amount_cents": 12000, "currency": "USD", "at": BEGAN.isoformat(), "method": "card",
        "failure": None, "customer": None, "refunds": [], "disputes": [],
        "metadata": {"clientway_tenant": str(tenant.id), "clientway_invoice": str(books.invoice)}, **more,
    }  # fmt: skip


def refund(cents=12000, status="succeeded", **more):
    return {
        "id": "re_1",
        "amount_cents": cents,
        "currency": "USD",
        "status": status,
        "at": BEGAN.isoformat(),
        "failure": None,
        "metadata": {},
        **more,
    }


def dispute(status, cents=12000):
    return {"id": "dp_1", "amount_cents": cents, "currency": "USD", "status": status, "reason": "fraudulent", "at": BEGAN.isoformat()}


@pytest.fixture
def tell(books):
    """Have the consumer hear a state, read so many minutes after the beginning."""

    def told(state, *, event=None, minutes=0, endpoint=None, account_id=None):
        return applying.apply(json.dumps({
            "kind": "event", "endpoint": str(endpoint or books.endpoint), "account_id": account_id,
            "event": {"id": event or f"evt_{uuid4().hex}", "type": "payment_intent.succeeded", "created": 1},
            "subject": {"kind": "payment_intent", "id": "pi_1"}, "state": state,
            "fetched_at": (BEGAN + timedelta(minutes=minutes)).isoformat(),
        }))  # fmt: skip

    return told
