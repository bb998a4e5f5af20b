"""Numbers without gaps: whoever opens at the same moment, whatever is rolled back, and when nobody hears of the commit."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from clientway.billing.credits import service as credit_notes
from clientway.billing.credits.schemas import CreditNoteCreate
from clientway.billing.invoices import service
from clientway.billing.invoices.schemas import InvoiceCreate
from clientway.billing.payments import service as payments
from clientway.billing.payments.schemas import PaymentCreate
from clientway.errors import Problem
from tests.billing.invoicing import LINE, job
from tests.billing.invoicing import billed as _billed
from tests.billing.paying import as_admin, keyed, make_client
from tests.billing.paying import client as _client
from tests.test_db import proxy as _proxy

client, billed, proxy = _client, _billed, _proxy


class _GaveUpError(Exception):
    pass


def _give_up(now):
    if now:
        raise _GaveUpError


def _service(billed, function, *given):
    """As a request does it, but in a thread of its own: the number that came of it, or the status of the refusal."""
    try:
        with as_admin(billed.tenant) as tx:
            return json.loads(function(tx, *given)).get("number")
    except Problem as refused:
        return int(refused.status) * 1000


def _numbers(billed):
    return billed.rows("select number from invoices where tenant_id = :t and number is not null order by 1")


def test_sixteen_who_open_at_once_get_sixteen_numbers_in_a_row(billed, admin_engine, invoke):
    clients = [billed, *(make_client(admin_engine, billed.tenant, invoke) for _ in range(3))]
    drafts = [UUID(billed.draft(contact_id=clients[n % 4].contact_id)["id"]) for n in range(16)]
    together = threading.Barrier(16)

    def open_(draft):
        together.wait()
        return _service(billed, service.open_, draft)

    with ThreadPoolExecutor(16) as threads:
        numbers = list(threads.map(open_, drafts))

    assert sorted(numbers) == list(range(1, 17)) == _numbers(billed)
    assert billed.invoke("billing/billing_settings").json["next_number"] == 17


@pytest.mark.parametrize("round_", range(2))
def test_what_is_rolled_back_leaves_no_gap(billed, round_):
    drafts = [UUID(billed.draft()["id"]) for _ in range(8)]
    together = threading.Barrier(16)

    def act(n):
        together.wait()
        try:
            with as_admin(billed.tenant) as tx:
                if n % 2:
                    service.create(tx, InvoiceCreate.model_validate({"contact_id": billed.contact_id, "lines": [LINE], "open": True}))
                else:
                    service.open_(tx, drafts[n // 2])
                _give_up(n % 3 == 0)
        except _GaveUpError:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        done = list(threads.map(act, range(16)))

    assert _numbers(billed) == list(range(1, sum(done) + 1))
    assert sum(done) == 10


def test_two_who_open_the_same_draft_open_it_once(billed):
    draft = billed.draft()["id"]
    together = threading.Barrier(4)

    def open_(_):
        together.wait()
        return _service(billed, service.open_, UUID(draft))

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(open_, range(4))) == [1, 409_000, 409_000, 409_000]
    assert _numbers(billed) == [1]
    assert len(billed.told("invoice_opened")) == 1


def test_two_who_bill_the_same_job_bill_it_once(billed):
    job_id = job(billed.engine, billed.tenant, billed.organization_id, billed.contact_id)
    together = threading.Barrier(4)

    def bill(_):
        together.wait()
        return _service(billed, service.create, InvoiceCreate(job_id=job_id, open=True))

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(bill, range(4))) == [1, 409_000, 409_000, 409_000]


def test_a_payment_and_a_credit_that_race_take_no_more_than_is_owed(billed):
    opened = billed.opened()
    together = threading.Barrier(4)

    def act(n):
        together.wait()
        if n % 2:
            return _service(billed, credit_notes.create, UUID(opened["id"]), CreditNoteCreate(amount_cents=7_000, reason="x"))
        return _service(billed, payments.record, PaymentCreate(amount_cents=7_000, invoice_id=UUID(opened["id"])))

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(act, range(4)))

    # Whoever came first took its 7,000, and a payment after it the rest.
    assert done.count(None) >= 2
    found = billed.read(opened["id"])
    assert found["credited_cents"] + found["allocated_cents"] == 10_000 - found["balance_cents"]
    assert (found["status"], found["balance_cents"]) == ("paid", 0)


def test_who_opens_pays_credits_and_voids_at_once_never_waits_in_a_circle(billed, admin_engine, invoke):
    clients = [billed, make_client(admin_engine, billed.tenant, invoke)]
    quotes = [_quote(invoke, one) for one in clients]
    ready = [UUID(billed.draft(contact_id=clients[n % 2].contact_id, open=n % 3 == 0)["id"]) for n in range(24)]
    together = threading.Barrier(8)

    def act(n):
        together.wait()
        done = []
        for m in range(6):
            one, invoice_id = clients[(n + m) % 2], ready[(5 * n + 7 * m) % 24]
            new = InvoiceCreate.model_validate({"contact_id": one.contact_id, "lines": [LINE], "open": True})
            deposit = PaymentCreate(amount_cents=2_500, quote_id=quotes[(n + m) % 2])
            act = [
                (service.create, new),
                (service.open_, invoice_id),
                (payments.record, PaymentCreate(amount_cents=6_000, invoice_id=invoice_id)),
                (credit_notes.create, invoice_id, CreditNoteCreate(amount_cents=3_000, reason="x")),
                (payments.record, deposit),
                (service.void, invoice_id),
            ][(n + m) % 6]
            try:
                with as_admin(billed.tenant) as tx:
                    act[0](tx, *act[1:])
            except Problem as refused:
                done.append(refused.code)
        return done

    with ThreadPoolExecutor(8) as threads:
        refused = {code for codes in threads.map(act, range(8)) for code in codes}

    assert refused <= {"invoice_move_refused", "invoice_not_payable", "invoice_not_open", "invoice_has_payments", "credit_too_large"}
    last = billed.invoke("billing/billing_settings").json["next_number"] - 1
    assert _numbers(billed) == list(range(1, last + 1))
    assert (
        billed.rows("""select id from invoices where tenant_id = :t and status <> 'void' and (status = 'paid') <> (balance_cents = 0)
                           and status <> 'draft'""")
        == []
    )


def _quote(invoke, one):
    deal = invoke("lifecycle/organization_deals", method="POST", path={"organization_id": one.organization_id}, body={"name": "x"}).json
    quote = invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal["id"]}, body={"title": "x", "amount_cents": 1})
    return UUID(quote.json["id"])


def test_the_database_does_not_let_a_number_be_given_twice(billed):
    opened = billed.opened()
    draft = billed.draft()

    with billed.engine.connect() as connection, pytest.raises(Exception, match="invoices_number"):
        connection.execute(
            text("""update invoices i set number = 1, status = 'open', issued_on = o.issued_on, due_on = o.due_on, opened_at = o.opened_at
                      from invoices o where o.id = :o and i.id = :d"""),
            {"o": opened["id"], "d": draft["id"]},
        )


def open_draft(billed):
    return "invoice_open", {"invoice_id": billed.draft()["id"]}, None, 200, {"numbers": 1, "invoice_opened": 1}


def make_open(billed):
    body = {"contact_id": billed.contact_id, "lines": [LINE], "open": True}
    return "invoices", {}, body, 201, {"numbers": 1, "invoice_opened": 1}


def credit(billed):
    body = {"amount_cents": 10_000, "reason": "x"}
    after = {"numbers": 1, "invoice_opened": 1, "credit_issued": 1, "invoice_paid": 1, "credited": 10_000}
    return "invoice_credit_notes", {"invoice_id": billed.opened()["id"]}, body, 201, after


def _books(billed):
    told = {kind: len(billed.told(kind)) for kind in ("invoice_opened", "credit_issued", "invoice_paid")}
    [credited] = billed.rows("select coalesce(sum(amount_cents), 0)::bigint from credit_notes where tenant_id = :t")
    [last] = billed.rows("select coalesce(max(last_number), 0) from billing_settings where tenant_id = :t")
    assert _numbers(billed) == list(range(1, last + 1))
    return {name: count for name, count in {"numbers": last, "credited": credited, **told}.items() if count}


@pytest.mark.parametrize("arrange", [open_draft, make_open, credit])
@pytest.mark.parametrize("where", ["before it arrives", "after it is answered"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "always"])
def test_a_number_is_given_once_though_the_answer_to_commit_is_lost(billed, invoke, proxy, arrange, where, once):
    function, path, body, status, after = arrange(billed)
    headers, before = {"Idempotency-Key": uuid4().hex}, _books(billed)
    invoke("billing/invoices")
    commits = proxy.cut_commits(where, once=once)
    answer = invoke(f"billing/{function}", method="POST", path=path, body=body, headers=headers)
    proxy.heal()

    assert commits
    if once:
        assert answer.status == status, answer.body
        assert _books(billed) == after
    else:
        assert (answer.status, answer.json["code"]) == (503, "commit_unknown")
        assert _books(billed) == (before if where == "before it arrives" else after)
    again = invoke(f"billing/{function}", method="POST", path=path, body=body, headers=headers)
    assert again.status == status, again.body
    assert _books(billed) == after


def test_every_request_keeps_to_its_budget(billed, invoke, proxy):
    billed.reachable().connected()
    counted = {}

    def count(name, function, **how):
        proxy.reset()
        answer = invoke(f"billing/{function}", **how)
        assert answer.status < 400, answer.body
        counted[name] = proxy.flights
        return answer

    body = {"contact_id": billed.contact_id, "lines": [LINE]}
    deal = billed.invoke(
        "lifecycle/organization_deals", method="POST", path={"organization_id": billed.organization_id}, body={"name": "x"}
    )
    quote = billed.invoke("lifecycle/deal_quotes", method="POST", path={"deal_id": deal.json["id"]}, body={"title": "x", "amount_cents": 1})
    for _ in range(2):  # the first of each warms up
        for paid, what in ((10_000, "all of it"), (9_000, "a part of it")):
            one = {"invoice_id": billed.draft()["id"]}
            billed.pay(paid, quote_id=quote.json["id"])
            count(f"open, a deposit pays {what}", "invoice_open", method="POST", path=one, headers=keyed())
            billed.pay(paid, quote_id=quote.json["id"])
            count(f"draft and open, a deposit pays {what}", "invoices", method="POST", body={**body, "open": True}, headers=keyed())
        draft = count("draft", "invoices", method="POST", body=body, headers=keyed())
        opened = count("draft and open", "invoices", method="POST", body={**body, "open": True}, headers=keyed()).json
        path = {"invoice_id": draft.json["id"]}
        draft = count("change lines", "invoice", method="PATCH", path=path, body={"lines": [LINE]}, headers={"If-Match": draft.etag})
        draft = count("change notes", "invoice", method="PATCH", path=path, body={"notes": "x"}, headers={"If-Match": draft.etag})
        count("open", "invoice_open", method="POST", path=path, headers=keyed())
        count("credit", "invoice_credit_notes", method="POST", path=path, body={"amount_cents": 10_000, "reason": "x"}, headers=keyed())
        other = {"invoice_id": opened["id"]}
        count("write off", "invoice_uncollectible", method="POST", path=other)
        count("void", "invoice_void", method="POST", path=other)
        count("read", "invoice", path=path)
        count("list", "invoices")
        count("list credits", "invoice_credit_notes", path=path)
        settings = count("read settings", "billing_settings")
        count("change settings", "billing_settings", method="PATCH", body={"terms_days": 5}, headers={"If-Match": settings.etag})

    # What a deposit pays goes along with what becomes of the invoice then, and the reminders of what is still owed with the effects.
    budget = dict.fromkeys(counted, 2) | {
        "open, a deposit pays all of it": 5, "open, a deposit pays a part of it": 5,
        "draft and open, a deposit pays all of it": 6, "draft and open, a deposit pays a part of it": 6,
        "draft": 5, "draft and open": 5, "change lines": 4, "change notes": 3, "open": 4, "credit": 5, "write off": 3, "void": 3,
        "change settings": 3,
    }  # fmt: skip
    print(counted)
    assert {name: count for name, count in counted.items() if count > budget[name]} == {}, counted
