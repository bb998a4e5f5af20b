"""What Stripe says and what senders report, in the books: each once, in any order, whatever breaks in between."""

import importlib
import json
import os
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from clientway import db
from clientway.config import settings
from clientway.ids import uuid7
from clientway.integrations.stripe import applying
from tests.fixtures import EVENTS, LambdaContext
from tests.integrations.stripe_books import BEGAN, dispute, payment, refund
from tests.integrations.stripe_books import books as _books
from tests.integrations.stripe_books import tell as _tell
from tests.test_db import proxy as _proxy

proxy, books, tell = _proxy, _books, _tell


def test_a_payment_pays_its_invoice_and_makes_a_client(tell, books, tenant):
    assert tell(payment(books, tenant)) == "applied"
    assert books.state == ("paid", 0, 10000, "client")
    kinds = [row[0] for row in books.rows("select activity_type from activities where tenant_id = :t order by 1")]
    assert kinds == ["invoice_paid", "payment_received", "stage_changed"]


def test_the_same_event_counts_once_and_another_of_the_same_state_changes_nothing(tell, books, tenant):
    assert tell(payment(books, tenant), event="evt_1") == "applied"
    assert tell(payment(books, tenant), event="evt_1", minutes=5) == "duplicate"
    assert tell(payment(books, tenant), event="evt_2", minutes=6) == "unchanged"
    assert books.row("select count(*) from ledger_entries where tenant_id = :t") == (1,)
    assert books.row("select count(*) from stripe_events where tenant_id = :t") == (2,)


def test_an_older_state_after_a_newer_one_changes_nothing(tell, books, tenant):
    tell(payment(books, tenant, refunds=[refund(5000)]), minutes=10)
    before = books.state
    assert tell(payment(books, tenant), minutes=5) == "unchanged"
    assert tell(payment(books, tenant, "failed", failure="declined"), minutes=20) == "unchanged"
    assert books.state == before == ("paid", 0, 5833, "client")


def test_a_declined_payment_leaves_the_invoice_and_a_later_one_pays_it(tell, books, tenant):
    assert tell(payment(books, tenant, "failed", failure="Your card was declined.")) == "applied"
    assert books.state == ("open", 12000, 0, "lead")
    assert tell(payment(books, tenant), minutes=1) == "applied"
    assert books.state == ("paid", 0, 10000, "client")


def test_a_refund_does_not_reopen_and_a_lost_dispute_does(tell, books, tenant):
    tell(payment(books, tenant, refunds=[refund(6000)]))
    assert books.state == ("paid", 0, 5000, "client")
    tell(payment(books, tenant, refunds=[refund(6000)], disputes=[dispute("open", 6000)]), minutes=1)
    assert books.state == ("paid", 0, 5000, "client")
    tell(payment(books, tenant, refunds=[refund(6000)], disputes=[dispute("lost", 6000)]), minutes=2)
    assert books.state == ("open", 6000, 0, "client")
    assert tell(payment(books, tenant, refunds=[refund(6000)], disputes=[dispute("open", 6000)]), minutes=3) in {"applied", "unchanged"}
    assert books.row("select status from disputes where tenant_id = :t") == ("lost",)


def test_a_won_dispute_leaves_everything_as_it_was(tell, books, tenant):
    tell(payment(books, tenant, disputes=[dispute("open")]))
    assert books.row("select open_disputes from invoices where tenant_id = :t") == (1,)
    tell(payment(books, tenant, disputes=[dispute("won")]), minutes=1)
    assert books.state == ("paid", 0, 10000, "client")
    assert books.row("select open_disputes from invoices where tenant_id = :t") == (0,)


def test_a_customers_payment_for_what_stands_at_stripe_is_no_credit(tell, books, tenant):
    """A subscription's period was paid with it; as credit it could have paid an invoice as well."""
    assert tell(payment(books, tenant, customer="cus_1", metadata={})) == "applied"
    assert books.row("select unapplied_cents, payment_state, organization_id from payments where tenant_id = :t") == (
        0,
        "applied",
        books.organization,
    )
    assert books.row("select sum(amount_cents) from ledger_entries where tenant_id = :t") == (12000,)
    assert books.state[::3] == ("open", "client")


def test_a_client_is_worth_what_their_subscription_pays_without_the_tax(tell, books, tenant, invoke, admin_engine):
    with admin_engine.connect() as connection:
        connection.execute(text("update contacts set is_primary = true where tenant_id = :t"), {"t": tenant.id})
    paid = payment(books, tenant, customer="cus_1", metadata={}, tax_cents=2000)

    assert tell(paid) == "applied"
    assert books.state == ("open", 12000, 10000, "client")
    given_back = {**paid, "refunds": [refund(7001, metadata={})]}
    assert tell(given_back, minutes=1) == "applied"

    ledger = invoke("billing/client_ledger", path={"contact_id": books.contact}, query={"verify": "true"}).json
    assert ledger["verification"] == {"ltv_cents": 4166, "ledger_cents": 4166, "recounted_cents": 4166, "agrees": True}
    # What pays an invoice of ours has its tax there.
    assert tell({**payment(books, tenant, tax_cents=2000), "id": "pi_2"}, minutes=2) == "applied"
    assert books.state == ("paid", 0, 14166, "client")


def test_what_is_not_ours_is_nobodys(tell, books, tenant, other_tenant):
    assert tell(payment(books, tenant, metadata={})) == "unknown_object"
    assert tell(payment(books, tenant, metadata={"clientway_invoice": str(uuid7())})) == "unknown_object"
    assert tell(payment(books, tenant, metadata={"clientway_tenant": str(other_tenant.id), "clientway_invoice": str(books.invoice)})) == "unknown_object"  # fmt: skip
    assert tell(payment(books, tenant, metadata={"clientway_invoice": "nonsense"})) == "unknown_object"
    assert tell(None) == "unknown_object"
    assert tell(payment(books, tenant), endpoint=uuid7()) == "unknown_object"
    assert books.state == ("open", 12000, 0, "lead")
    assert books.row("select count(*) from payments where tenant_id = :t") == (0,)
    # And once its invoice is known, it counts after all.
    assert tell(payment(books, tenant), minutes=1) == "applied"


def test_another_tenants_endpoint_reaches_no_invoice_of_ours(tell, books, tenant, other_tenant, admin_engine):
    theirs = uuid7()
    with admin_engine.connect() as connection:
        connection.execute(text("insert into stripe_accounts (tenant_id, endpoint_id, mode, status) values (:t, :e, 'key', 'connected')"), {"t": other_tenant.id, "e": theirs})  # fmt: skip
    forged = {"clientway_tenant": str(other_tenant.id), "clientway_invoice": str(books.invoice)}
    assert tell(payment(books, tenant, metadata=forged), endpoint=theirs) == "unknown_object"
    assert books.state == ("open", 12000, 0, "lead")


def test_a_connected_accounts_events_are_its_tenants(tell, books, tenant, admin_engine):
    with admin_engine.connect() as connection:
        account = f"acct_{uuid4().hex}"
        connection.execute(text("update stripe_accounts set mode = 'connect', account_id = :a where tenant_id = :t"), {"t": tenant.id, "a": account})  # fmt: skip
    assert tell(payment(books, tenant), endpoint="connect", account_id="acct_nobody") == "unknown_object"
    assert tell(payment(books, tenant), endpoint="connect", account_id=account) == "applied"
    restricted = {"kind": "account", "id": account, "charges_enabled": False}
    assert tell(restricted, endpoint="connect", account_id=account, minutes=1) == "applied"
    assert books.row("select status from stripe_accounts where tenant_id = :t") == ("restricted",)
    gone = {"kind": "deauthorized", "id": "ca_1"}
    assert tell(gone, endpoint="connect", account_id=account, minutes=2) == "applied"
    assert books.row("select status from stripe_accounts where tenant_id = :t") == ("disconnected",)
    # Connected anew, it is restricted and withdrawn anew, though Stripe says the same as before.
    with admin_engine.connect() as connection:
        connection.execute(text("update stripe_accounts set status = 'connected' where tenant_id = :t"), {"t": tenant.id})
    assert tell(restricted, endpoint="connect", account_id=account, minutes=3) == "applied"
    assert tell(gone, endpoint="connect", account_id=account, minutes=4) == "applied"
    assert books.row("select status from stripe_accounts where tenant_id = :t") == ("disconnected",)
    # It is heard of until the last of its pages is closed: somebody may be paying there.
    with admin_engine.connect() as connection:
        connection.execute(text("update stripe_accounts set open_pages = 1 where tenant_id = :t"), {"t": tenant.id})
    intent = payment(books, tenant)
    assert tell({**intent, "id": "pi_late"}, endpoint="connect", account_id=account, minutes=5) == "applied"
    reported = {"kind": "report", "tenant_id": str(tenant.id), "id": str(uuid7()), "topic": "stripe.account.disconnect"}
    gateway = {"endpoint_id": str(books.endpoint), "mode": "connect", "account_id": account}
    result = {"closed": 1, "more": False}
    assert applying.apply(json.dumps({**reported, "payload": {"gateway": gateway}, "result": result, "error": None})) == "applied"
    assert tell({**intent, "id": "pi_later"}, endpoint="connect", account_id=account, minutes=6) == "unknown_object"


# Reports -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def report(tenant, books):
    gateway = {"endpoint_id": str(books.endpoint), "mode": "key", "account_id": None}

    def reported(topic, payload, result=None, error=None, *, row=None):
        return applying.apply(json.dumps({
            "kind": "report", "tenant_id": str(tenant.id), "id": str(row or uuid7()), "topic": topic,
            "payload": {"gateway": gateway, **payload}, "result": result,
            "error": error and {"code": "declined", "message": error, "retryable": False},
        }))  # fmt: skip

    return reported


def page_of(books):
    return tuple(
        books.row("select payment_page_status, payment_url, payment_page_ref, payment_page_error from invoices where tenant_id = :t")
    )


def test_the_page_that_was_made_is_the_invoices(report, books):
    asked = {"invoice_id": str(books.invoice), "amount_cents": 12000}
    made = {"url": "https://pay.example/1", "ref": "plink_1"}
    row = uuid7()
    assert report("stripe.page.create", asked, made, row=row) == "applied"
    assert page_of(books) == ("ready", "https://pay.example/1", "plink_1", None)
    assert report("stripe.page.create", asked, {"url": "https://pay.example/2", "ref": "plink_2"}, row=row) == "duplicate"
    assert page_of(books)[2] == "plink_1"


def test_why_there_is_no_page_is_said(report, books):
    assert report("stripe.page.create", {"invoice_id": str(books.invoice), "amount_cents": 12000}, error="Amount too small") == "applied"
    assert page_of(books) == ("failed", None, None, "Amount too small")


def asked_for_refund(invoke, books, cents=5000):
    answer = invoke(
        "billing/payment_refunds", path={"payment_id": books.row("select id from payments where tenant_id = :t")[0]},
        body={"amount_cents": cents, "reason": "Not what was agreed"}, headers={"idempotency-key": uuid4().hex}, method="POST",
    )  # fmt: skip
    assert answer.status == 201, answer.json
    [asked] = books.rows(
        "select payload from outbox where tenant_id = :t and topic = 'stripe.refund.create' order by created_at desc limit 1"
    )
    return asked[0]


def test_a_refund_moves_the_books_only_once_stripe_has_made_it(tell, report, invoke, books, tenant):
    tell(payment(books, tenant))
    payload = asked_for_refund(invoke, books)
    assert books.state == ("paid", 0, 10000, "client")
    assert report("stripe.refund.create", payload, {"id": "re_1", "status": "succeeded"}) == "applied"
    assert books.state == ("paid", 0, 5833, "client")
    # Stripe's own event of it is the same refund.
    tell(payment(books, tenant, refunds=[refund(5000, metadata={"clientway_refund": payload["refund_id"]})]), minutes=1)
    assert books.state == ("paid", 0, 5833, "client")
    assert books.row("select count(*) from refunds where tenant_id = :t") == (1,)


def test_the_event_of_a_refund_may_come_before_the_report(tell, report, invoke, books, tenant):
    tell(payment(books, tenant))
    payload = asked_for_refund(invoke, books)
    tell(payment(books, tenant, refunds=[refund(5000, metadata={"clientway_refund": payload["refund_id"]})]), minutes=1)
    assert report("stripe.refund.create", payload, {"id": "re_1", "status": "pending"}) == "applied"
    assert books.row("select status, count(*) over () from refunds where tenant_id = :t") == ("succeeded", 1)
    assert books.state == ("paid", 0, 5833, "client")


def test_of_two_refunds_that_carry_our_id_both_count(tell, report, invoke, books, tenant):
    tell(payment(books, tenant))
    payload = asked_for_refund(invoke, books)
    report("stripe.refund.create", payload, {"id": "re_1", "status": "succeeded"})
    twice = [refund(5000, id=one, metadata={"clientway_refund": payload["refund_id"]}) for one in ("re_1", "re_2")]
    assert tell(payment(books, tenant, refunds=twice), minutes=1) == "applied"
    assert books.row("select refunded_cents from payments where tenant_id = :t") == (10000,)


def test_a_refund_that_fails_leaves_the_books_untouched(tell, report, invoke, books, tenant):
    tell(payment(books, tenant))
    payload = asked_for_refund(invoke, books)
    assert report("stripe.refund.create", payload, error="Insufficient funds") == "applied"
    assert books.state == ("paid", 0, 10000, "client")
    assert books.row("select status, failure from refunds where tenant_id = :t") == ("failed", "Insufficient funds")
    assert books.row("select refunding_cents, refunded_cents from payments where tenant_id = :t") == (0, 0)


# Faults --------------------------------------------------------------------------------------------------------------


def through_the_handler(body):
    event = json.loads((EVENTS / "integrations/apply_stripe.json").read_text())
    event["Records"][0]["body"] = body
    return importlib.import_module("integrations.apply_stripe").handler(event, LambdaContext())["batchItemFailures"]


def test_poison_stays_in_the_queue(books):
    assert through_the_handler("{}")
    assert through_the_handler("not JSON")


def test_what_the_database_does_not_answer_is_delivered_again(monkeypatch, books, tenant, tell):
    def away(*_args, **_kwargs):
        raise db.Unavailable("away")

    body = json.dumps({
        "kind": "event", "endpoint": str(books.endpoint), "account_id": None, "event": {"id": "evt_1", "type": "x", "created": 1},
        "subject": {"kind": "payment_intent", "id": "pi_1"}, "state": payment(books, tenant), "fetched_at": BEGAN.isoformat(),
    })  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(applying.queries, "keep", away)
        assert through_the_handler(body)
    assert books.state == ("open", 12000, 0, "lead")
    assert books.row("select count(*) from stripe_events where tenant_id = :t") == (0,)
    assert through_the_handler(body) == []
    assert books.state == ("paid", 0, 10000, "client")


@pytest.mark.parametrize("where", ["before it arrives", "after it is answered"])
def test_money_neither_gets_lost_nor_doubled_when_the_line_breaks_at_commit(proxy, books, tenant, where, job_url, monkeypatch):
    # The proxy stands before the application's role; consumers have one of their own.
    port = urlsplit(os.environ["JOB_DATABASE_URL"]).port
    monkeypatch.setenv("JOB_DATABASE_URL", job_url.replace(f":{urlsplit(job_url).port}/", f":{port}/"))
    settings.cache_clear()
    body = json.dumps({
        "kind": "event", "endpoint": str(books.endpoint), "account_id": None, "event": {"id": "evt_1", "type": "x", "created": 1},
        "subject": {"kind": "payment_intent", "id": "pi_1"}, "state": payment(books, tenant, refunds=[refund(6000)]),
        "fetched_at": BEGAN.isoformat(),
    })  # fmt: skip
    seen = []

    def is_the_effects(data):
        # The commit that the effects ride with, not that of asking whose event it is.
        found = b"commit\x00" in data and b"activit" in data
        seen.extend([data] if found else [])
        return found and len(seen) == 1

    setattr(proxy, "cut_before" if where == "before it arrives" else "cut_after", is_the_effects)
    assert through_the_handler(body)
    proxy.heal()
    assert seen
    assert books.state[0] == ("open" if where == "before it arrives" else "paid")
    assert through_the_handler(body) == []
    assert books.state == ("paid", 0, 5000, "client")
    for table in ("payments", "refunds", "stripe_events"):
        assert books.row(f"select count(*) from {table} where tenant_id = :t") == (1,)


def test_a_refund_that_was_given_up_and_was_made_after_all_counts(tell, report, invoke, books, tenant):
    tell(payment(books, tenant))
    payload = asked_for_refund(invoke, books)
    report("stripe.refund.create", payload, error="Stripe did not answer")
    assert books.state == ("paid", 0, 10000, "client")
    made = refund(5000, metadata={"clientway_refund": payload["refund_id"]})
    assert tell(payment(books, tenant, refunds=[made]), minutes=1) == "applied"
    assert books.row("select status, count(*) over () from refunds where tenant_id = :t") == ("succeeded", 1)
    assert books.state == ("paid", 0, 5833, "client")


def test_what_was_open_before_the_account_was_connected_gets_its_page(report, tell, books, admin_engine, tenant):
    with admin_engine.connect() as connection:
        connection.execute(text("update invoices set payment_page_status = 'none', payment_page_cents = null where tenant_id = :t"), {"t": tenant.id})  # fmt: skip
        connection.execute(text("update stripe_accounts set status = 'pending' where tenant_id = :t"), {"t": tenant.id})
    account = f"acct_{uuid4().hex}"
    result = {"account_id": account, "livemode": False, "key_hint": "rk_test_…abcd"}
    assert report("stripe.account.connected", {}, result) == "applied"
    assert page_of(books)[0] == "pending"
    [asked] = books.rows("select payload from outbox where tenant_id = :t and topic = 'stripe.page.create'")
    assert (asked[0]["invoice_id"], asked[0]["amount_cents"], asked[0]["gateway"]["account_id"]) == (str(books.invoice), 12000, account)
    # Another report asks for no second page.
    report("stripe.account.connected", {}, result)
    assert books.row("select count(*) from outbox where tenant_id = :t and topic = 'stripe.page.create'") == (1,)
    # What could be paid at an account that is given up can be no more.
    report("stripe.page.create", asked[0], {"url": "https://pay.example/1", "ref": "plink_1"})
    assert page_of(books)[0] == "ready"
    assert tell({"kind": "deauthorized", "id": "ca_1"}) == "applied"
    assert page_of(books) == ("none", None, None, None)
