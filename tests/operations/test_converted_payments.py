"""What staff recorded of payments before there were invoices, brought to what there is now: by an administrator as Aurora has."""

import pytest
from alembic import command
from sqlalchemy import text

from clientway import administration
from clientway.ids import uuid7
from clientway.migrations import run
from tests.operations.test_schema import admin as _admin
from tests.operations.test_schema import cluster as _cluster
from tests.operations.test_schema import superuser

admin, cluster = _admin, _cluster
# (name, tenant, status, cents, due_on, paid_at, disputed_at, dispute_closed_at, note), in the order in which they were recorded.
OLD = [
    ("due", 0, "due", 100, "2026-11-30", None, None, None, "call them"),
    ("paid bill", 0, "paid", 200, "2026-10-31", "2026-10-30T09:00:00Z", None, None, None),
    ("paid", 0, "paid", 300, None, "2026-10-29T09:00:00Z", None, None, "cash"),
    ("void bill", 0, "void", 400, "2026-10-31", None, "2026-10-01T09:00:00Z", "2026-10-02T09:00:00Z", None),
    ("void", 0, "void", 500, None, None, None, None, None),
    ("in dispute", 0, "paid", 600, "2026-09-30", "2026-09-29T09:00:00Z", "2026-10-05T09:00:00Z", None, None),
    ("dispute over", 0, "paid", 700, None, "2026-09-28T09:00:00Z", "2026-10-05T09:00:00Z", "2026-10-06T09:00:00Z", None),
    ("dollars", 0, "paid", 900, "2026-09-30", "2026-09-29T09:00:00Z", None, None, None),
    ("elsewhere", 1, "due", 800, "2026-12-31", None, None, None, None),
]


@pytest.fixture(scope="module")
def converted(admin, cluster):
    """The database after the migration, and the ids of what was there before, by name."""
    with pytest.MonkeyPatch.context() as patch:
        upgrade = command.upgrade
        patch.setattr(run.command, "upgrade", lambda config, _: upgrade(config, "0008"))
        patch.setattr(run.zones, "write", lambda _: None)
        assert run.migrate(admin) == "0008"
    ids = {name: uuid7() for name, *_ in OLD}
    tenants, organizations, contact = [uuid7(), uuid7()], [uuid7(), uuid7()], uuid7()
    with superuser(cluster, "clientway") as connection:
        for n, tenant in enumerate(tenants):
            given = {"t": tenant, "o": organizations[n], "s": f"t{n}"}
            connection.execute(text("insert into tenants (tenant_id, name, slug, currency) values (:t, 'T', :s, 'EUR')"), given)
            connection.execute(
                text(
                    "insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :o, 'Bo', :s, 'bo', '')"
                ),
                given,
            )
        connection.execute(
            text("""insert into contacts (tenant_id, id, organization_id, slug, is_primary, email, email_norm, phone, name_norm, search_text)
                    values (:t, :c, :o, 'ana', true, 'ana@bo.example', 'ana@bo.example', '305 555 0123', 'ana', '')"""),
            {"t": tenants[0], "c": contact, "o": organizations[0]},
        )
        for minute, (name, n, status, cents, due_on, paid_at, disputed_at, closed_at, note) in enumerate(OLD):
            row = {
                "tenant_id": tenants[n], "id": ids[name], "organization_id": organizations[n], "status": status, "amount_cents": cents,
                "currency": "USD" if name == "dollars" else "EUR", "due_on": due_on, "paid_at": paid_at, "disputed_at": disputed_at, "dispute_closed_at": closed_at, "note": note,
                "created_at": f"2026-09-01T09:{minute:02}:00Z", "version": 3,
            }  # fmt: skip
            names = ", ".join(row)
            connection.execute(text(f"insert into payments ({names}) values ({', '.join(f':{name}' for name in row)})"), row)
    assert run.migrate(admin) == run.newest()
    return {"ids": {**ids, "contact": contact}, "tenants": tenants, "cluster": cluster}


@pytest.fixture
def rows(converted):
    """What a statement finds, as the superuser."""

    def find(statement, **given):
        with superuser(converted["cluster"], "clientway") as connection:
            return [tuple(row) for row in connection.execute(text(statement), given)]

    return find


def test_what_was_due_once_is_an_invoice_numbered_as_it_came(converted, rows):
    found = rows(
        """select number_text, status, total_cents, allocated_cents, balance_cents, payment_state, due_on::text, paid_at is not null,
                  voided_at is not null, currency from invoices where tenant_id = :t order by number""",
        t=converted["tenants"][0],
    )

    assert found == [
        ("INV-1", "open", 100, 0, 100, "unpaid", "2026-11-30", False, False, "EUR"),
        ("INV-2", "paid", 200, 200, 0, "paid", "2026-10-31", True, False, "EUR"),
        ("INV-3", "void", 400, 0, 400, "unpaid", "2026-10-31", False, True, "EUR"),
        ("INV-4", "void", 500, 0, 500, "unpaid", "2026-09-01", False, True, "EUR"),
        ("INV-5", "paid", 600, 600, 0, "disputed", "2026-09-30", True, False, "EUR"),
        ("INV-6", "paid", 900, 900, 0, "paid", "2026-09-30", True, False, "USD"),
    ]
    assert rows("select i.total_cents, number from invoices i where tenant_id = :t", t=converted["tenants"][1]) == [(800, 1)]
    assert rows("select tenant_id, last_number from billing_settings order by last_number") == [
        (converted["tenants"][1], 1), (converted["tenants"][0], 6)
    ]  # fmt: skip
    assert rows("select distinct description, quantity_thousandths from invoice_lines") == [("Recorded before invoices", 1000)]
    assert rows("""select count(*) from invoices i join invoice_lines l on l.invoice_id = i.id and l.amount_cents = i.subtotal_cents
                    where (select count(*) from invoice_lines x where x.invoice_id = i.id) = 1""") == [(7,)]


def test_what_was_paid_is_a_payment_that_keeps_its_id(converted, rows):
    ids = converted["ids"]
    found = rows(
        "select id, amount_cents, allocated_cents, unapplied_cents, payment_state, method, provider, note, contact_id, version from payments order by amount_cents"
    )

    by = ("other", "staff")
    assert found == [
        (ids["paid bill"], 200, 200, 0, "applied", *by, None, ids["contact"], 3),
        (ids["paid"], 300, 0, 300, "unapplied", *by, "cash", ids["contact"], 3),
        (ids["in dispute"], 600, 600, 0, "disputed", *by, None, ids["contact"], 3),
        (ids["dispute over"], 700, 0, 700, "unapplied", *by, None, ids["contact"], 3),
        (ids["dollars"], 900, 900, 0, "applied", *by, None, ids["contact"], 3),
    ]
    assert rows("select payment_id, status, closed_at is null from disputes order by amount_cents") == [
        (ids["in dispute"], "open", True), (ids["dispute over"], "won", False)
    ]  # fmt: skip


def test_the_books_agree_with_what_triggers_would_count(converted, rows):
    contact = converted["ids"]["contact"]

    by_currency = "select currency, sum(amount_cents) from ledger_entries where contact_id = :c group by 1 order by 1"
    assert rows(by_currency, c=contact) == [("EUR", 800), ("USD", 900)]
    # In the tenant's own currency.
    assert rows("select ltv_cents from contacts where id = :c", c=contact) == [(800,)]
    before = [rows(f"select to_jsonb(x) from {table} x order by id") for table in ("payments", "invoices")]
    with superuser(converted["cluster"], "clientway") as connection:
        for table, procedure in (("payments", "sum_payment"), ("invoices", "sum_invoice")):
            for tenant_id, row_id in connection.execute(text(f"select tenant_id, id from {table}")).all():
                connection.execute(text(f"call app.{procedure}(:t, :i)"), {"t": tenant_id, "i": row_id})
    assert [rows(f"select to_jsonb(x) from {table} x order by id") for table in ("payments", "invoices")] == before


def test_nothing_of_what_was_there_is_forgotten(converted, rows):
    kept = rows("select changes -> 'before' ->> 'note', changes -> 'before' ->> 'status' from audit_log where action = 'payment.converted'")

    assert len(kept) == len(OLD)
    assert ("call them", "due") in kept


def test_row_security_and_triggers_are_as_before(converted, rows):
    assert (
        rows(
            "select relname from pg_class where relname in ('contacts', 'audit_log', 'tenants', 'invoices', 'payments') and not relforcerowsecurity"
        )
        == []
    )
    assert rows("select tgname from pg_trigger where not tgisinternal and tgenabled <> 'O'") == []
    assert rows("select to_regclass('public.staff_payments')") == [(None,)]
    assert rows("select proname from pg_proc where proname = 'derived_id'") == []
    assert rows("select email_norm, is_primary from contact_emails") == [("ana@bo.example", True)]


def test_the_administrator_needs_no_right_over_rows(admin):
    with administration.engine(admin).connect() as connection:
        assert connection.scalar(text("select rolsuper or rolbypassrls from pg_roles where rolname = current_user")) is False
