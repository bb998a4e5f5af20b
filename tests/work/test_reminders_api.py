"""The endpoints of reminders, and reminders that follow the rules and addresses of now."""

import importlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from sqlalchemy import text

from clientway import wake
from clientway.config import settings
from clientway.messaging import waking
from clientway.schemas import Page
from clientway.work.reminders import claiming, dispatching, planning, rules
from clientway.work.reminders.schemas import Reminder
from tests.fixtures import LambdaContext

EVENTS = Path(__file__).parents[2] / "events" / "work"

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def page(invoke, **query):
    answer = invoke("work/reminders", query={name: str(value) for name, value in query.items()})
    assert answer.status == 200, answer.body
    Page[Reminder].model_validate_json(answer.body)
    return answer.json


def test_reminders_are_listed_by_their_time_and_filtered(reminding, invoke):
    job, invoice = reminding.book(3 * DAY), reminding.bill(5 * DAY)
    start = reminding.now + 3 * DAY

    first = page(invoke, limit=3)
    rest = page(invoke, limit=100, cursor=first["next_cursor"])
    found = first["data"] + rest["data"]
    assert [one["id"] for one in found] == [str(row.id) for row in sorted(reminding.rows(), key=lambda row: (row.send_at, row.id))]
    assert len(found) == 8
    assert not rest["has_more"]
    assert [one["id"] for one in page(invoke, sort="-send_at")["data"]] == [one["id"] for one in reversed(found)]

    def count(**query):
        return len(page(invoke, **query)["data"])

    assert count(job_id=job) == count(invoice_id=invoice) == count(type="job_upcoming") == count(channel="sms") == 4
    assert count(contact_id=reminding.site.contact_id) == count(state="scheduled") == 8
    assert count(state="sent") == count(contact_id=uuid4()) == 0
    moment = (start - DAY).isoformat()
    assert count(job_id=job, due_before=moment) == 0
    assert count(job_id=job, due_after=moment, due_before=(start - 2 * HOUR).isoformat()) == 2
    shown = page(invoke, job_id=job, limit=1)["data"][0]
    assert (shown["next_at"], shown["attempts"], shown["address"], shown["state"]) == (shown["send_at"], 0, None, "scheduled")
    assert "provider_message_id" not in shown


@pytest.mark.parametrize(
    "query",
    [
        {"state": "gone"},
        {"type": "x"},
        {"channel": "fax"},
        {"due_before": "soon"},
        {"contact_id": "1"},
        {"sort": "state"},
        {"rule": "x"},
        {"cursor": "x"},
    ],
)
def test_what_a_list_cannot_be_asked_for_is_malformed(invoke, query):
    assert invoke("work/reminders", query=query).status == 400


def test_an_invoices_reminders_are_listed(reminding, invoke, other_tenant):
    invoice, empty = reminding.bill(5 * DAY), reminding.bill(-9 * DAY)

    def listed(invoice_id, **how):
        return invoke("work/invoice_reminders", path={"invoice_id": invoice_id}, **how)

    assert {one["rule"] for one in listed(invoice).json["data"]} == {"due_minus_2d", "due_day"}
    assert listed(empty).json["data"] == []
    assert listed(uuid4()).status == listed(invoice, token=other_tenant.admin).status == 404


def test_a_reminder_that_is_called_off_stays_so(reminding, invoke, tenant, other_tenant):
    job = reminding.book(3 * DAY)
    row = reminding.rows(job)[0]

    def cancel(**how):
        return invoke("work/reminder_cancel", method="POST", path={"reminder_id": row.id}, **how)

    assert cancel(token=tenant.viewer).status == 403
    assert cancel(token=other_tenant.admin).status == 404
    assert reminding.rows(job)[0].state == "scheduled"
    answer = cancel(token=tenant.editor)
    assert answer.status == 200
    shown = Reminder.model_validate_json(answer.body)
    assert (shown.state, shown.state_reason, shown.version) == ("canceled", "called off by hand", 2)
    again = cancel()
    assert (again.status, again.json["code"], again.json["state"]) == (409, "reminder_not_scheduled", "canceled")
    audit = reminding.write("select action, object_id from audit_log where tenant_id = :t and object_type = 'reminder'").all()
    assert audit == [("reminder.canceled", row.id)]

    # Whatever plans the job's reminders again: it moves and comes back, and is written as it is.
    there = reminding.now + 4 * DAY
    reminding.change(job, start_at=there, end_at=there + HOUR)
    reminding.change(job, start_at=there - DAY, end_at=there - DAY + HOUR)
    assert sorted(state for state, _ in reminding.states(job).values()).count("canceled") >= 1
    assert next(one for one in reminding.rows(job) if one.id == row.id).state == "canceled"


def keep(reminding, found):
    reminding.write(
        """insert into messaging_settings (tenant_id, reminder_rules, replan_since) values (:t, cast(:r as jsonb), :n)
           on conflict (tenant_id) do update set reminder_rules = excluded.reminder_rules, replan_since = :n, replan_after = null""",
        r=json.dumps(rules.as_rows(found)), n=reminding.now,
    )  # fmt: skip


def alive(reminding, subject):
    return {(row.rule, row.channel, row.send_at) for row in reminding.rows(subject) if row.state == "scheduled"}


def test_reminders_that_stand_follow_rules_that_change(reminding, monkeypatch):
    monkeypatch.setattr(planning, "REPLAN_BATCH", 2)
    jobs = [reminding.book((3 + number) * DAY) for number in range(5)]
    starts = [reminding.now + (3 + number) * DAY for number in range(5)]
    invoice, past = reminding.bill(6 * DAY), reminding.bill(-2 * DAY)
    by_hand = reminding.rows(jobs[0])[0]
    reminding.write(
        "update reminders set state = 'canceled', state_reason = :r where tenant_id = :t and id = :i", r=rules.BY_HAND, i=by_hand.id
    )
    three = rules.ReminderRule("job_upcoming", "before_24h", 3 * 60, 60, ("sms", "email"))
    week = rules.ReminderRule("job_upcoming", "week", 7 * 24 * 60, 60, ("email",))
    late = rules.ReminderRule("invoice_due", "overdue", 5, 60, ("email",))
    keep(reminding, [three, week, late])

    assert reminding.dispatch().replanned == 7
    for number, (job, start) in enumerate(zip(jobs, starts, strict=True)):
        # What was called off by hand is not moved to its new time either.
        wanted = {("before_24h", channel, start - 3 * HOUR) for channel in ("email", "sms") if number or channel != by_hand.channel}
        wanted |= {("week", "email", start - 7 * DAY)} if start - 7 * DAY > reminding.now else set()
        assert alive(reminding, job) == wanted
    assert {rule for rule, _, _ in alive(reminding, invoice)} == {rule for rule, _, _ in alive(reminding, past)} == {"overdue"}
    assert {row.state_reason for row in reminding.rows(jobs[1]) if row.state == "canceled"} == {"rule changed"}
    settings = reminding.write("select replan_since, replan_after from messaging_settings where tenant_id = :t").one()
    assert settings == (None, None)
    before = reminding.rows()
    assert reminding.dispatch().replanned == 0
    assert reminding.rows() == before

    keep(reminding, rules.DEFAULTS)
    reminding.dispatch()
    assert {row.state for row in reminding.rows(jobs[1]) if row.rule != "week"} == {"scheduled"}


def test_what_is_due_already_is_left_to_its_sender(reminding):
    """A reminder that waits for its provider keeps its time though its rule has moved."""
    job = reminding.book(DAY)
    rows = reminding.rows(job)
    moved = rules.ReminderRule("job_upcoming", "before_24h", 12 * 60, 60, ("email", "sms"))
    reminding.now += 10 * MINUTE
    keep(reminding, [moved])
    reminding.write("update reminders set attempts = 1 where tenant_id = :t")

    with reminding.transaction() as tx:
        assert planning.replan(tx) == 1
    assert [(row.state, row.send_at) for row in reminding.rows(job)][:2] == [("scheduled", row.send_at) for row in rows[:2]]


@pytest.mark.parametrize("ahead", [20 * HOUR, 10 * HOUR, HOUR])
def test_who_gains_a_number_after_the_booking_is_reminded_by_text(reminding, ahead):
    reminding.write("update contacts set phone = null, phone_e164 = null where tenant_id = :t")
    job, far, invoice = reminding.book(ahead), reminding.book(9 * DAY), reminding.bill(2 * DAY)
    reminding.write("update contacts set phone_e164 = '+13055550123' where tenant_id = :t")
    before = len(reminding.rows())

    def plan():
        return dispatching.plan_missing([reminding.tenant.id], now=lambda: reminding.now)

    soon = sum(row.send_at < reminding.now + dispatching.PLAN_AHEAD for row in reminding.rows(job))
    assert plan() == soon
    assert plan() == 0
    assert len(reminding.rows()) == before + soon
    assert {(row.rule, row.send_at) for row in reminding.rows(job) if row.channel == "sms"} <= {
        (row.rule, row.send_at) for row in reminding.rows(job) if row.channel == "email"
    }
    assert {row.channel for row in reminding.rows(far) + reminding.rows(invoice)} == {"email"}


def test_where_nothing_wakes_nothing_is_asked_for(reminding):
    reminding.book(3 * HOUR)
    reminding.dispatch()

    assert wishes(reminding) == []


def wishes(reminding):
    statement = "select payload ->> 'at' from outbox where tenant_id = :t and topic = 'wake.reminders' order by 1"
    return list(reminding.write(statement).scalars())


@pytest.fixture
def woken(monkeypatch):
    monkeypatch.setenv("MESSAGE_WAKE", "next_due")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def test_one_shot_wishes_follow_what_is_due_next(reminding, woken, monkeypatch):
    """A booking asks for its first reminder if that is before the next look; each run asks for what is next after it."""
    reminding.book(3 * HOUR)
    first = reminding.now + HOUR
    assert wishes(reminding) == [first.isoformat()]
    reminding.book(9 * DAY)
    reminding.bill(9 * DAY)
    assert len(wishes(reminding)) == 1

    reminding.book(4 * HOUR)
    reminding.write("delete from outbox where tenant_id = :t")
    _, due_at = claiming.next_due()
    # Of all tenants: what is planned, and what another test's worker holds until its lease ends.
    everything = text("select min(case state when 'scheduled' then next_at when 'claimed' then lease_until end) from reminders")
    with reminding.engine.connect() as connection:
        assert connection.scalar(everything) == due_at
    monkeypatch.setattr(
        claiming, "next_due", lambda: (reminding.tenant.id, min(row.next_at for row in reminding.rows() if row.state == "scheduled"))
    )
    reminding.at(first)
    again = [(moment + claiming.LEASE).isoformat() for moment in (first, first + HOUR)]
    assert wishes(reminding) == [again[0], (first + HOUR).isoformat()]
    reminding.at(first + HOUR)
    # What is due in a week is found by the schedule.
    assert wishes(reminding) == [again[0], (first + HOUR).isoformat(), again[1]]


@pytest.mark.parametrize("name", ["dispatch_reminders", "plan_reminders"])
def test_the_functions_run_from_their_events(reminding, name, monkeypatch):
    event = json.loads((EVENTS / f"{name}.json").read_text())
    job = reminding.book(2 * HOUR)
    context = LambdaContext()
    monkeypatch.setattr(context, "get_remaining_time_in_millis", lambda: 60_000)
    # Those of other tests are none of this one's.
    monkeypatch.setattr(dispatching, "all_tenants", lambda: [reminding.tenant.id])
    answer = importlib.import_module(f"work.{name}").handler(event, context)

    assert set(answer) & {"replanned", "planned"}
    # What was due in June is expired by the clock of this machine.
    expected = ("skipped", "expired") if name == "dispatch_reminders" and reminding.now < datetime.now(UTC) else ("scheduled", None)
    assert set(reminding.states(job).values()) == {expected}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-600, "12:05:00"), (0, "12:05:00"), (270, "12:05:00"), (300, "12:05:00"), (301, "12:10:00"), (3599, "13:00:00")],
)
def test_one_shots_stand_at_full_steps_after_their_time(seconds, expected):
    now = datetime(2026, 6, 1, 12, tzinfo=UTC)

    assert wake.rounded(now + timedelta(seconds=seconds), now).time().isoformat() == expected
    assert wake.rounded(now + timedelta(seconds=seconds), now) >= now + timedelta(seconds=max(seconds, 30))


def test_a_wish_becomes_one_entry_that_deletes_itself(monkeypatch):
    event = json.loads((EVENTS.parent / "messaging" / "set_wake.json").read_text())
    arn = "arn:aws:lambda:us-east-1:123456789012:function:DispatchReminders"
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "WAKE_GROUP": "wakes",
        "WAKE_ROLE_ARN": "arn:aws:iam::123456789012:role/wake", "WAKE_REMINDERS_ARN": arn,
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    handler = importlib.import_module("messaging.set_wake").handler
    waking.scheduler.cache_clear()
    with mock_aws():
        client = boto3.client("scheduler")
        client.create_schedule_group(Name="wakes")
        record = event["Records"][0]
        soon = (datetime.now(UTC) + 3 * DAY).replace(microsecond=0)
        told = {**json.loads(record["body"]), "payload": {"at": soon.isoformat()}}
        broken = {**record, "messageId": "broken", "body": json.dumps({**told, "topic": "wake.nobody"})}
        event["Records"] = [{**record, "body": json.dumps(told)}, {**record, "messageId": "again", "body": json.dumps(told)}, broken]

        assert handler(event, LambdaContext())["batchItemFailures"] == [{"itemIdentifier": "broken"}]
        (entry,) = client.list_schedules(GroupName="wakes")["Schedules"]
        found = client.get_schedule(Name=entry["Name"], GroupName="wakes")
    waking.scheduler.cache_clear()
    moment = wake.rounded(soon, datetime.now(UTC))
    assert entry["Name"] == f"reminders-{moment:%Y%m%dT%H%M}"
    assert found["ScheduleExpression"] == f"at({moment:%Y-%m-%dT%H:%M}:00)"
    assert (found["ActionAfterCompletion"], found["Target"]["Arn"]) == ("DELETE", arn)
