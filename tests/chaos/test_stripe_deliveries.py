"""Every event of Stripe's ten times, in any order, read early or late, by eight workers: each counts once, nothing goes back."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from clientway.ids import uuid7
from tests.chaos.stripes import Stripe
from tests.served import ROOT

WORKERS = 8

# What may never happen to a row, said to the database itself: it would fail the statement that does it.
_WATCH = """
create function pg_temp_watch() returns trigger language plpgsql as $$
declare was jsonb := to_jsonb(old); is_now jsonb := to_jsonb(new);
begin
  if was ->> 'status' in ('succeeded', 'won', 'lost') and was ->> 'status' <> is_now ->> 'status'
     or (was ->> 'refunded_cents')::bigint > (is_now ->> 'refunded_cents')::bigint
     or (was ->> 'fetched_at')::timestamptz > (is_now ->> 'fetched_at')::timestamptz then
    raise exception 'a state went back: % to %', was, is_now;
  end if;
  return new;
end $$;
"""


@pytest.fixture
def watched(admin_engine):
    """No state may go back while the test runs."""
    with admin_engine.connect() as connection:
        connection.exec_driver_sql(_WATCH, execution_options={"no_parameters": True})
        for table in ("payments", "refunds", "disputes", "stripe_objects"):
            connection.execute(text(f"create trigger watch before update on {table} for each row execute function pg_temp_watch()"))
    yield
    with admin_engine.connect() as connection:
        for table in ("payments", "refunds", "disputes", "stripe_objects"):
            connection.execute(text(f"drop trigger watch on {table}"))
        connection.execute(text("drop function pg_temp_watch()"))


@pytest.fixture
def shop(admin_engine, tenant, draw, size):
    """A tenant with clients, open invoices of 20 % tax, and an account at Stripe."""
    endpoint, invoices = uuid7(), []
    given = {"t": tenant.id, "now": datetime.now(UTC), "endpoint": endpoint}
    with admin_engine.connect() as connection:
        connection.execute(
            text("insert into stripe_accounts (tenant_id, endpoint_id, mode, status) values (:t, :endpoint, 'key', 'connected')"), given
        )
        for number in range(size(short=40, long=800)):
            ids = {"o": uuid7(), "c": uuid7()}
            connection.execute(text("insert into organizations (tenant_id, id, legal_name, slug, name_norm, search_text) values (:t, :o, 'X', :s, '', '')"), given | ids | {"s": f"o{number}"})  # fmt: skip
            connection.execute(text("insert into contacts (tenant_id, id, organization_id, slug, name_norm, search_text) values (:t, :c, :o, :s, '', '')"), given | ids | {"s": f"c{number}"})  # fmt: skip
            for _ in range(5):
                net = draw.randrange(100, 50_000, 5)
                row = {"i": uuid7(), "n": len(invoices) + 1, "net": net, "tax": net // 5, "total": net + net // 5}
                connection.execute(text("""
                    insert into invoices (tenant_id, id, organization_id, contact_id, currency, status, number, subtotal_cents, tax_cents, total_cents,
                                          issued_on, due_on, opened_at)
                    values (:t, :i, :o, :c, 'USD', 'open', :n, :net, :tax, :total, current_date, current_date, :now)"""), given | ids | row)  # fmt: skip
                invoices.append((row["i"], row["total"]))
    return endpoint, invoices


def test_each_event_counts_once_and_no_state_goes_back(shop, watched, tenant, admin_engine, draw, seed, size, tally, tmp_path):
    endpoint, invoices = shop
    stripe = Stripe(tenant.id, invoices, draw)
    stripe.happen(size(short=200, long=5000))
    deliveries = stripe.deliveries(endpoint, size(short=5, long=10))
    files = []
    for number in range(WORKERS):
        files.append(str(tmp_path / f"{number}.json"))
        (tmp_path / f"{number}.json").write_text(json.dumps(deliveries[number::WORKERS]))

    path = os.pathsep.join([str(ROOT), str(ROOT / "functions"), str(ROOT / "shared")])
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.stripes"], input=json.dumps({"files": files}), cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "DATABASE_POOL_SIZE": "1", "POWERTOOLS_LOG_LEVEL": "CRITICAL"},
    )  # fmt: skip
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-5000:]
    told = [json.loads((tmp_path / f"{number}.done").read_text()) for number in range(WORKERS)]
    assert sum(one["done"] for one in told) == len(deliveries)

    with admin_engine.connect() as connection:

        def count(sql):
            return connection.execute(text(sql), {"t": tenant.id}).scalar()

        effects = sum(count(f"select count(*) from {table} where tenant_id = :t") for table in ("payments", "refunds", "disputes"))
        effects += count("select count(*) from disputes where tenant_id = :t and status <> 'open'")
        events = count("select count(*) from stripe_events where tenant_id = :t")
        kept = {
            row.provider_id: row for row in connection.execute(text("select * from payments where tenant_id = :t"), {"t": tenant.id}).all()
        }
        ledger = count("select sum(amount_cents) from ledger_entries where tenant_id = :t")
        ltv = count("select sum(ltv_cents) from contacts where tenant_id = :t")

    # An event heard of again and again is one event, and what happened is what is in the books, thing by thing.
    assert events == len(stripe.history)
    assert effects == len(stripe.history)
    assert set(kept) == {one.id for one in stripe.payments}
    for one in stripe.payments:
        row = kept[one.id]
        lost = sum(dispute["amount_cents"] for dispute in one.disputes if dispute["status"] == "lost")
        assert (row.status, row.amount_cents, row.lost_cents) == ("succeeded", one.amount, lost)
        assert row.refunded_cents == sum(refund["amount_cents"] for refund in one.refunds)
        assert row.open_disputes == sum(dispute["status"] == "open" for dispute in one.disputes)
        assert row.allocated_cents == one.amount or lost
    taken = sum(one.amount for one in stripe.payments)
    given_back = sum(refund["amount_cents"] for one in stripe.payments for refund in one.refunds)
    lost = sum(dispute["amount_cents"] for one in stripe.payments for dispute in one.disputes if dispute["status"] == "lost")
    # Without the tax, which is a sixth of what was paid; each entry rounds to a cent.
    assert ledger == ltv
    assert abs(6 * int(ledger) - 5 * (taken - given_back - lost)) <= 6 * len(stripe.history)
    tally["events"] += events
    tally["deliveries"] += len(deliveries)
    tally["deliveries tried again"] += sum(one["again"] for one in told)
    tally["deliveries a second"] += round(len(deliveries) / took)
