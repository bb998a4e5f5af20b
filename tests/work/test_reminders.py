"""When clients are reminded, and what becomes of it when a job or an invoice moves."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.work.jobs import queries
from clientway.work.jobs.queries import NewJob, Span
from clientway.work.reminders import rules, service

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = {"before_24h": timedelta(hours=24), "before_2h": timedelta(hours=2)}


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (
            timedelta(days=3),
            {"before_24h": (timedelta(hours=24), timedelta(hours=18)), "before_2h": (timedelta(hours=2), timedelta(minutes=75))},
        ),
        (
            timedelta(hours=24),
            {"before_24h": (timedelta(hours=24), timedelta(hours=18)), "before_2h": (timedelta(hours=2), timedelta(minutes=75))},
        ),
        (timedelta(hours=24) - timedelta(seconds=1), {"before_2h": (timedelta(hours=2), timedelta(minutes=75))}),
        (timedelta(hours=2), {"before_2h": (timedelta(hours=2), timedelta(minutes=75))}),
        (timedelta(minutes=90), {"before_2h": (timedelta(minutes=90), timedelta(minutes=45))}),
        (timedelta(minutes=30), {"before_2h": (timedelta(minutes=30), timedelta(0))}),
        (timedelta(minutes=15), {"before_2h": (timedelta(minutes=15), timedelta(0))}),
        (timedelta(minutes=15) - timedelta(seconds=1), {}),
        (timedelta(0), {}),
        (-timedelta(days=2), {}),
    ],
)
def test_what_is_planned_for_a_job_depends_on_how_long_it_is_ahead(ahead, expected):
    """Each reminder: how long before the start it goes out, and how long before the start it expires."""
    start = NOW + ahead

    assert {one.rule: (start - one.send_at, start - one.expires_at) for one in rules.of_job(start, NOW)} == expected


@given(st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=60)))
def test_a_reminder_of_a_job_is_never_in_the_past_nor_of_use_after_the_start(ahead):
    start = NOW + ahead
    for one in rules.of_job(start, NOW):
        assert NOW <= one.send_at < one.expires_at <= start == one.anchor_at
        assert one.send_at >= start - HOURS[one.rule]
        assert start - NOW >= timedelta(minutes=15)


@given(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.sampled_from(["America/New_York", "Australia/Sydney", "Asia/Kolkata", "UTC"]))
def test_an_invoice_is_reminded_of_at_nine_local_time(due_on, name):
    zone = ZoneInfo(name)
    found = rules.of_invoice(due_on, zone, datetime(2025, 1, 1, tzinfo=UTC))

    local = [one.send_at.astimezone(zone) for one in found]
    assert [(at.date(), at.hour, at.minute) for at in local] == [(due_on - timedelta(days=2), 9, 0), (due_on, 9, 0)]
    assert {one.anchor_at for one in found} == {found[1].send_at}
    assert all(one.expires_at - one.send_at == timedelta(hours=6) for one in found)


def test_an_invoice_that_is_due_tomorrow_is_reminded_of_once():
    assert [one.rule for one in rules.of_invoice(date(2026, 3, 3), UTC, NOW)] == ["due_day"]
    assert rules.of_invoice(date(2026, 3, 2), UTC, NOW) == ()


def new_job(tx, site, **others):
    start = others.pop("start_at", tx.now + timedelta(days=3))
    row = {
        "id": uuid7(), "organization_id": site.organization_id, "contact_id": site.contact_id, "title": "Deep clean", "start_at": start,
        "end_at": start + timedelta(hours=1), "time_zone": "UTC", "currency": "USD", "assignee_id": site.rep_id, **others,
    }  # fmt: skip
    return NewJob(**row)


def standing(tx, subject):
    statement = text(
        "select rule, channel, state, anchor_at, send_at, state_reason from reminders"
        " where tenant_id = app.tenant() and coalesce(job_id, invoice_id) = :id order by rule, channel, anchor_at"
    )
    return tx.execute(statement, {"id": subject}).all()


def alive(tx, subject):
    return [(one.rule, one.channel, one.anchor_at) for one in standing(tx, subject) if one.state == "scheduled"]


def test_jobs_are_inserted_with_their_reminders_and_make_a_client(tx, site):
    rows = [new_job(tx, site, start_at=tx.now + timedelta(days=day)) for day in (1, 2, 3)]

    assert queries.insert(tx, rows) == [row.id for row in rows]
    for row in rows:
        expected = [(rule, channel, row.start_at) for rule in ("before_24h", "before_2h") for channel in ("email", "sms")]
        assert alive(tx, row.id) == expected
    assert tx.scalar(text("select status from contacts where tenant_id = app.tenant() and id = :c"), {"c": site.contact_id}) == "active"


@pytest.mark.parametrize(("column", "left"), [("email_norm", "sms"), ("phone_e164", "email")])
def test_only_a_way_that_reaches_the_contact_is_planned(tx, site, column, left):
    other = column.partition("_")[0]
    tx.execute(
        text(f"update contacts set {column} = null, {other} = null where tenant_id = app.tenant() and id = :c"), {"c": site.contact_id}
    )
    row = new_job(tx, site)
    queries.insert(tx, [row])

    assert {one.channel for one in standing(tx, row.id)} == {left}


def test_a_job_that_cannot_stand_is_left_out_and_the_others_go_in(tx, site):
    first, same, later = new_job(tx, site), new_job(tx, site), new_job(tx, site, start_at=tx.now + timedelta(days=4))
    blocked = new_job(tx, site, status="blocked", status_reason="overlap")
    queries.insert(tx, [first])

    assert queries.insert(tx, [same, later, blocked]) == [blocked.id, later.id]
    assert standing(tx, same.id) == standing(tx, blocked.id) == []


def test_moving_there_and_back_leaves_one_set_of_reminders(tx, site):
    row = new_job(tx, site)
    queries.insert(tx, [row])
    there = row.start_at + timedelta(days=1)
    queries.update(tx, [{"id": row.id, "start_at": there, "end_at": there + timedelta(hours=1)}])

    assert {at for _, _, at in alive(tx, row.id)} == {there}
    assert {one.state_reason for one in standing(tx, row.id) if one.state == "canceled"} == {"job moved"}

    queries.update(tx, [{"id": row.id, "start_at": row.start_at, "end_at": row.end_at}])
    assert {at for _, _, at in alive(tx, row.id)} == {row.start_at}
    assert len(standing(tx, row.id)) == 8


def test_what_went_out_is_not_planned_again(tx, site):
    row = new_job(tx, site)
    queries.insert(tx, [row])
    tx.execute(
        text("update reminders set state = 'sent' where tenant_id = app.tenant() and job_id = :j and rule = 'before_24h'"), {"j": row.id}
    )
    queries.update(tx, [{"id": row.id, "status": "canceled", "canceled_at": tx.now}])
    assert {(one.rule, one.state) for one in standing(tx, row.id)} == {("before_24h", "sent"), ("before_2h", "canceled")}
    queries.update(tx, [{"id": row.id, "status": "scheduled", "canceled_at": None, "start_at": row.start_at}])

    assert {(one.rule, one.state) for one in standing(tx, row.id)} == {("before_24h", "sent"), ("before_2h", "scheduled")}


def test_who_is_busy_is_told_by_what(tx, site):
    row = new_job(tx, site)
    queries.insert(tx, [row])
    hour = timedelta(hours=1)
    found = queries.busy(
        tx,
        [
            Span(assignee_id=site.rep_id, start_at=row.end_at, end_at=row.end_at + hour),
            Span(assignee_id=site.rep_id, start_at=row.start_at - hour, end_at=row.start_at + hour / 2),
            Span(assignee_id=site.other_rep_id, start_at=row.start_at, end_at=row.end_at),
            Span(assignee_id=site.rep_id, start_at=row.start_at, end_at=row.end_at, job_id=row.id),
        ],
    )

    assert {n: [one["id"] for one in jobs] for n, jobs in found.items()} == {1: [str(row.id)]}


def invoice(tx, site, *, due_on, status="open"):
    invoice_id = uuid7()
    statement = """insert into invoices (id, organization_id, contact_id, currency, status, number, issued_on, due_on, opened_at)
      values (:i, :o, :c, 'USD', :s, 1, :d, :d, now())"""
    tx.execute(text(statement), {"i": invoice_id, "o": site.organization_id, "c": site.contact_id, "s": status, "d": due_on})
    return invoice_id


def test_an_invoices_reminders_follow_its_due_date_and_end_with_it(tx, site):
    due_on = tx.now.date() + timedelta(days=10)
    one = invoice(tx, site, due_on=due_on)
    service.plan_invoice(tx, one)
    assert [(rule, channel) for rule, channel, _ in alive(tx, one)] == [
        ("due_day", "email"), ("due_day", "sms"), ("due_minus_2d", "email"), ("due_minus_2d", "sms")
    ]  # fmt: skip
    first = standing(tx, one)
    service.plan_invoice(tx, one)
    assert standing(tx, one) == first

    moved = due_on + timedelta(days=5)
    tx.execute(text("update invoices set due_on = :d where tenant_id = app.tenant() and id = :i"), {"d": moved, "i": one})
    service.plan_invoice(tx, one, due_on=moved, time_zone="America/New_York")
    assert {at.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None) for _, _, at in alive(tx, one)} == {
        datetime.combine(moved, rules.INVOICE_HOUR)
    }

    service.cancel_invoice(tx, one, "invoice paid")
    assert alive(tx, one) == []
    assert {row.state_reason for row in standing(tx, one)} == {"due date moved", "invoice paid"}


def test_an_invoice_that_is_not_open_is_not_reminded_of(tx, site):
    void = invoice(tx, site, due_on=tx.now.date() + timedelta(days=9))
    tx.execute(text("update invoices set status = 'void', voided_at = now() where tenant_id = app.tenant() and id = :i"), {"i": void})
    service.plan_invoice(tx, void)
    service.plan_invoice(tx, void, due_on=tx.now.date() + timedelta(days=9), time_zone="no/such zone")

    assert standing(tx, void) == []
