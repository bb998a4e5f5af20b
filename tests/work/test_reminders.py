"""When clients are reminded, and what becomes of it when a job or an invoice moves."""

import json
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.errors import Unprocessable
from clientway.ids import uuid7
from clientway.work.jobs import queries
from clientway.work.jobs.queries import NewJob, Span
from clientway.work.reminders import rules, service


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
def test_what_is_planned_for_a_job_depends_on_how_long_it_is_ahead(tx, site, ahead, expected):
    """Each reminder: how long before the start it goes out, and how long before the start it expires."""
    start = tx.now + ahead
    row = new_job(tx, site, start_at=start)
    queries.insert(tx, [row])

    found = standing(tx, row.id)
    assert {one.rule: (start - one.send_at, start - one.expires_at) for one in found} == expected
    assert all(one.send_at == one.next_at and one.anchor_at == start for one in found)


RULE_NAMES = st.text("abcdefgh_019", min_size=1, max_size=8)


@st.composite
def rule_rows(draw):
    """Rules of jobs as a tenant could set them, with offsets that lie close together."""
    names = draw(st.lists(RULE_NAMES, unique=True, max_size=5))
    offset = st.one_of(st.integers(15, 180), st.integers(15, 43_200))
    channels = st.sampled_from([("email",), ("sms",), ("email", "sms")])
    return [
        rules.ReminderRule("job_upcoming", name, draw(offset), draw(st.integers(15, 600)), draw(channels), draw(st.booleans()))
        for name in names
    ]


def expected_of(found, start, now):
    """What these rules say of a job, by the words of the design: the model of the statement."""
    planned = set()
    for rule in (one for one in found if one.enabled):
        for channel in rule.channels:
            at = start - timedelta(minutes=rule.offset)
            nearer = [
                o
                for o in found
                if o.enabled and channel in o.channels and o.offset < rule.offset and start - timedelta(minutes=o.offset) < now
            ]
            if at < now:
                if rule.offset > 120 or nearer or start - now < timedelta(minutes=15):
                    continue
                at = now
            planned.add((rule.name, channel, at, min(at + timedelta(minutes=rule.max_lateness), start)))
    return planned


def keep_rules(tx, found):
    statement = """insert into messaging_settings (reminder_rules) values (cast(:r as jsonb))
      on conflict (tenant_id) do update set reminder_rules = excluded.reminder_rules"""
    tx.execute(text(statement), {"r": json.dumps(rules.as_rows(found))})


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(found=rule_rows(), ahead=st.one_of(st.integers(-60, 300), st.integers(-60, 60_000)))
def test_the_tenants_own_rules_decide(tx, site, found, ahead):
    assume(len({one.offset for one in found}) == len(found))
    keep_rules(tx, found)
    row = new_job(tx, site, start_at=tx.now + timedelta(minutes=ahead), assignee_id=None)
    queries.insert(tx, [row])

    planned = standing(tx, row.id)
    assert {(one.rule, one.channel, one.send_at, one.expires_at) for one in planned} == expected_of(found, row.start_at, tx.now)
    assert all(tx.now <= one.send_at < one.expires_at <= row.start_at for one in planned)


@pytest.mark.parametrize("name", ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize("day", [date(2026, 11, 1), date(2027, 3, 14), date(2027, 3, 16), date(2027, 10, 3), date(2036, 7, 1)])
def test_an_invoice_is_reminded_of_at_nine_local_time(tx, site, name, day):
    """Also where the clock changes on that day or between the reminder and it."""
    tx.now = datetime(2026, 10, 1, tzinfo=UTC)
    tx.execute(text("update tenants set time_zone = :z where tenant_id = app.tenant()"), {"z": name})
    late = rules.ReminderRule("invoice_due", "overdue", 7, 60, ("email",))
    keep_rules(tx, [*rules.DEFAULTS, late])
    one = invoice(tx, site, due_on=day)
    service.plan_invoice(tx, one)

    zone, found = ZoneInfo(name), [row for row in standing(tx, one) if row.channel == "email"]
    local = {row.rule: row.send_at.astimezone(zone).replace(tzinfo=None) for row in found}
    ahead = {"due_minus_2d": -2, "due_day": 0, "overdue": 7}
    assert local == {rule: datetime.combine(day + timedelta(days=days), rules.INVOICE_HOUR) for rule, days in ahead.items()}
    assert {row.anchor_at.astimezone(zone).replace(tzinfo=None) for row in found} == {datetime.combine(day, rules.INVOICE_HOUR)}
    assert {row.rule: row.expires_at - row.send_at for row in found} == {
        "due_minus_2d": timedelta(hours=6), "due_day": timedelta(hours=6), "overdue": timedelta(hours=1)
    }  # fmt: skip


def test_an_invoice_that_is_due_tomorrow_is_reminded_of_once(tx, site):
    tomorrow, today = (invoice(tx, site, due_on=tx.now.date() + timedelta(days=ahead), number=n) for n, ahead in enumerate((2, 0), 1))
    tx.now = tx.now.replace(hour=12)
    for one in (tomorrow, today):
        service.plan_invoice(tx, one)

    assert {row.rule for row in standing(tx, tomorrow)} == {"due_day"}
    assert standing(tx, today) == []


def test_a_zone_that_nobody_knows_is_taken_as_utc(tx, site):
    tx.execute(text("update tenants set time_zone = 'Mars/Olympus' where tenant_id = app.tenant()"))
    one = invoice(tx, site, due_on=tx.now.date() + timedelta(days=9))
    service.plan_invoice(tx, one)

    assert {row.anchor_at.astimezone(UTC).hour for row in standing(tx, one)} == {9}


@pytest.mark.parametrize(
    ("change", "errors"),
    [
        ({"offset": 14}, [("#/reminder_rules/0/offset", "out_of_range")]),
        ({"type": "invoice_due", "offset": 31}, [("#/reminder_rules/0/offset", "out_of_range")]),
        ({"channels": ["email", "email"]}, [("#/reminder_rules/0/channels", "duplicate")]),
        ({"name": "other"}, [("#/reminder_rules/1/name", "duplicate")]),
    ],
)
def test_rules_that_cannot_be_together_are_refused(change, errors):
    rows = [{**rules.as_rows(rules.DEFAULTS)[0], **change}, {**rules.as_rows(rules.DEFAULTS)[1], "name": "other"}]

    with pytest.raises(Unprocessable) as refused:
        rules.parse(rows)
    assert [(one.pointer, one.code) for one in refused.value.errors] == errors


def test_there_are_ten_rules_of_a_type_at_most():
    rows = [{**rules.as_rows(rules.DEFAULTS)[0], "name": f"r{number}"} for number in range(11)]

    assert len(rules.parse(rows[:10])) == 10
    with pytest.raises(Unprocessable, match="cannot be like this"):
        rules.parse(rows)
    assert rules.parse(rules.as_rows(rules.DEFAULTS)) == rules.DEFAULTS


def new_job(tx, site, **others):
    start = others.pop("start_at", tx.now + timedelta(days=3))
    row = {
        "id": uuid7(), "organization_id": site.organization_id, "contact_id": site.contact_id, "title": "Deep clean", "start_at": start,
        "end_at": start + timedelta(hours=1), "time_zone": "UTC", "currency": "USD", "assignee_id": site.rep_id, **others,
    }  # fmt: skip
    return NewJob(**row)


def standing(tx, subject):
    statement = text(
        "select rule, channel, state, anchor_at, send_at, next_at, expires_at, state_reason from reminders"
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


def invoice(tx, site, *, due_on, status="open", number=1):
    invoice_id = uuid7()
    statement = """insert into invoices (id, organization_id, contact_id, currency, status, number, issued_on, due_on, opened_at)
      values (:i, :o, :c, 'USD', :s, :n, :d, :d, now())"""
    tx.execute(text(statement), {"i": invoice_id, "o": site.organization_id, "c": site.contact_id, "s": status, "n": number, "d": due_on})
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
    tx.execute(text("update tenants set time_zone = 'America/New_York' where tenant_id = app.tenant()"))
    service.plan_invoice(tx, one)
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

    assert standing(tx, void) == []
