"""The days of recurring invoices: each is billed on its own and once, whatever was missed, paused or changed."""

import json
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from clientway.billing.payments import service as payments
from clientway.billing.payments.schemas import PaymentCreate
from clientway.billing.recurring import issue, service
from clientway.billing.recurring.schemas import RecurringInvoiceCreate, RecurringInvoicePatch, RecurringInvoiceWithInvoices
from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.lifecycle.deals import service as deals
from clientway.lifecycle.deals.schemas import DealCreate
from clientway.lifecycle.people import service as people
from clientway.lifecycle.people.schemas import PersonInput
from clientway.lifecycle.quotes import service as quotes
from clientway.lifecycle.quotes.schemas import QuoteCreate
from tests.billing.invoicing import CARE_PLAN


@pytest.fixture
def at(tx):
    """Have it be another moment."""

    def move(*moment):
        tx.now = datetime(*moment, tzinfo=UTC)

    move(2026, 3, 15, 12)
    return move


@pytest.fixture
def client(tx, at):
    return people.upsert(tx, PersonInput(first_name="Ana", last_name="Ruiz", email="ana@home.example")).contact_id


def sent(body):
    return json.dumps(body, default=str)


def begin(tx, client, **given):
    body = {
        "contact_id": client,
        "name": "Care plan",
        "lines": CARE_PLAN,
        "rrule": "FREQ=MONTHLY;BYMONTHDAY=31,-1",
        "starts_on": "2026-03-01",
    }
    answer = service.create(tx, RecurringInvoiceCreate.model_validate_json(sent({**body, **given})))
    return RecurringInvoiceWithInvoices.model_validate_json(answer)


def change(tx, recurring, **given):
    patch = RecurringInvoicePatch.model_validate_json(sent(given))
    return RecurringInvoiceWithInvoices.model_validate_json(service.change(tx, recurring.id, patch, version=recurring.version))


def read(tx, recurring):
    return RecurringInvoiceWithInvoices.model_validate_json(service.read(tx, recurring.id))


def invoices(tx, recurring):
    statement = (
        "select i.* from invoices i where i.tenant_id = app.tenant() and i.recurring_invoice_id = :r order by i.number, i.recurring_on"
    )
    return tx.execute(text(statement), {"r": recurring.id}).all()


def issue_due(tx):
    """What the schedule does for one tenant, in one transaction."""
    made = 0
    while due := issue.due(tx, 10):
        made += sum(issue.issue(tx, one) for one in due)
    return made


def test_a_deposit_is_for_what_was_quoted_and_pays_no_recurring_invoice(tx, at, client):
    recurring = begin(tx, client)
    holder = people.hold(tx, client).organization_id
    deal_id = json.loads(deals.create(tx, holder, DealCreate(name="Roof")))["id"]
    quote_id = json.loads(quotes.create(tx, UUID(deal_id), QuoteCreate(title="Roof", amount_cents=5)))["id"]
    payments.record(tx, PaymentCreate(amount_cents=1, quote_id=UUID(quote_id)))

    at(2026, 3, 31, 12)
    assert issue_due(tx) == 1
    assert [one.allocated_cents for one in invoices(tx, recurring)] == [0]


def test_each_invoice_is_made_and_opened_on_its_day(tx, at, client):
    recurring = begin(tx, client)
    assert (recurring.next_on, recurring.status, recurring.invoices) == (date(2026, 3, 31), "active", [])
    for day in (16, 30):
        at(2026, 3, day, 12)
        assert issue_due(tx) == 0
    at(2026, 3, 31, 0, 5)
    assert (issue_due(tx), issue_due(tx)) == (1, 0)
    at(2026, 4, 30, 9)
    assert issue_due(tx) == 1

    made = invoices(tx, recurring)
    assert [(one.recurring_on, one.issued_on, one.status, one.number) for one in made] == [
        (date(2026, 3, 31), date(2026, 3, 31), "open", 1),
        (date(2026, 4, 30), date(2026, 4, 30), "open", 2),
    ]
    assert {(one.subtotal_cents, one.tax_cents, one.total_cents, one.contact_id) for one in made} == {(1500, 150, 1650, client)}
    after = read(tx, recurring)
    assert (after.next_on, after.issued_count) == (date(2026, 5, 31), 2)
    assert [(one.recurring_on, one.status, one.balance_cents) for one in after.invoices] == [
        (date(2026, 4, 30), "open", 1650),
        (date(2026, 3, 31), "open", 1650),
    ]


def test_a_day_is_one_of_the_tenants_calendar_or_of_the_zone_given(tx, at, client):
    sydney = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-20", time_zone="Australia/Sydney")
    hawaii = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-20", time_zone="Pacific/Honolulu")
    at(2026, 3, 19, 13, 30)  # half past midnight of the 20th in Sydney
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 0)
    at(2026, 3, 20, 9, 30)  # half an hour before the 20th in Hawaii
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 0)
    at(2026, 3, 20, 10, 30)
    issue_due(tx)
    assert (len(invoices(tx, sydney)), len(invoices(tx, hawaii))) == (1, 1)


def test_days_that_were_missed_are_caught_up_with_in_order(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-16")
    at(2026, 4, 4, 12)
    [due] = issue.due(tx, 10)
    assert issue.issue(tx, due) == issue.CATCH_UP
    assert issue_due(tx) == 20 - issue.CATCH_UP
    made = invoices(tx, recurring)
    assert [one.recurring_on for one in made] == [date(2026, 3, 16) + timedelta(days=n) for n in range(20)]
    assert [one.number for one in made] == list(range(1, 21))


def test_nothing_is_billed_for_the_past(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=MONTHLY", starts_on="2025-01-20")
    assert recurring.next_on == date(2026, 3, 20)


def test_what_is_paused_does_not_catch_up(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=WEEKLY", starts_on="2026-03-16")
    at(2026, 3, 17)
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), status="paused", status_reason="on leave")
    at(2026, 4, 14)
    assert issue_due(tx) == 0
    recurring = change(tx, recurring, status="active")
    assert (recurring.next_on, recurring.status_reason) == (date(2026, 4, 20), None)
    at(2026, 4, 21)
    assert issue_due(tx) == 1
    assert [one.recurring_on for one in invoices(tx, recurring)] == [date(2026, 3, 16), date(2026, 4, 20)]


def test_a_resume_on_its_own_day_bills_it_once(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15")
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), status="paused")
    recurring = change(tx, recurring, status="active")
    assert (recurring.next_on, issue_due(tx)) == (date(2026, 3, 16), 0)


def test_a_change_of_the_rule_bills_no_day_twice(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=WEEKLY;BYDAY=SU", starts_on="2026-03-15")
    issue_due(tx)
    recurring = change(tx, read(tx, recurring), rrule="FREQ=DAILY", lines=[{"description": "Less", "unit_price_cents": 100}])
    assert recurring.next_on == date(2026, 3, 16)
    at(2026, 3, 16, 12)
    issue_due(tx)
    assert [(one.recurring_on, one.total_cents) for one in invoices(tx, recurring)] == [(date(2026, 3, 15), 1650), (date(2026, 3, 16), 100)]


def test_a_rule_that_has_ended_ends_it(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY;COUNT=3", starts_on="2026-03-15")
    at(2026, 4, 1)
    assert issue_due(tx) == 3
    after = read(tx, recurring)
    assert (after.status, after.status_reason, after.next_on, after.issued_count) == ("ended", "its rule has ended", None, 3)


def test_drafts_wait_where_it_says_so(tx, at, client):
    recurring = begin(tx, client, rrule="FREQ=DAILY;COUNT=1", starts_on="2026-03-15", auto_open=False, notes="Thanks", terms_days=7)
    issue_due(tx)
    [made] = invoices(tx, recurring)
    assert (made.status, made.number, made.notes, made.terms_days) == ("draft", None, "Thanks", 7)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update contacts set deleted_at = now() where tenant_id = app.tenant() and id = :c", "client deleted"),
        (
            """update organizations set lifecycle_stage = 'blacklist' where tenant_id = app.tenant()
                and id = (select organization_id from contacts where tenant_id = app.tenant() and id = :c)""",
            "client blacklisted",
        ),
    ],
)
def test_a_client_who_is_gone_ends_it_with_the_reason(tx, at, client, statement, reason):
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15")
    tx.execute(text(statement), {"c": client})
    assert issue_due(tx) == 0
    after = read(tx, recurring)
    assert (after.status, after.status_reason, after.invoices) == ("ended", reason, [])


def test_prices_of_a_service_are_those_of_the_day(tx, at, client):
    service_id = uuid7()
    tx.execute(text("insert into services (id, name, price_cents, currency) values (:i, 'Deep clean', 12000, 'USD')"), {"i": service_id})
    recurring = begin(tx, client, rrule="FREQ=DAILY", starts_on="2026-03-15", lines=[{"service_id": service_id}])
    issue_due(tx)
    tx.execute(text("update services set price_cents = 15000 where tenant_id = app.tenant() and id = :i"), {"i": service_id})
    at(2026, 3, 16, 12)
    issue_due(tx)
    assert [one.total_cents for one in invoices(tx, recurring)] == [12000, 15000]


@pytest.mark.parametrize(
    ("given", "pointer", "code"),
    [
        ({"rrule": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=DAILY;UNTIL=20260301"}, "#/rrule", "rrule_never_occurs"),
        ({"rrule": "FREQ=MINUTELY"}, "#/rrule", "unsupported_rrule"),
        ({"starts_on": "1999-01-01"}, "#/starts_on", "too_far"),
        ({"starts_on": "9999-01-01"}, "#/starts_on", "too_far"),
        ({"contact_id": str(uuid7())}, "#/contact_id", "unknown_contact"),
        ({"lines": [{"service_id": str(uuid7())}]}, "#/lines/0/service_id", "unknown_service"),
        ({"lines": [{"description": "x"}]}, "#/lines/0/unit_price_cents", "missing"),
        ({"lines": [{"description": "x", "unit_price_cents": -1}]}, "#/lines", "negative_total"),
    ],
)
def test_what_cannot_be_billed_is_refused(tx, at, client, given, pointer, code):
    with pytest.raises(Unprocessable) as refused:
        begin(tx, client, **given)
    assert [(one.pointer, one.code) for one in refused.value.errors] == [(pointer, code)]
