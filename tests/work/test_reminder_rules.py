"""What becomes of a reminder that is due, and of one that was not sent, as tables; and the rules there are without any."""

# ruff: noqa: DTZ001  # local times have no zone

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from clientway.errors import Unprocessable
from clientway.messaging.settings.service import MessagingSettings
from clientway.messaging.templates.rules import Source
from clientway.work.reminders import clock, rules
from clientway.work.reminders.claiming import Due
from clientway.work.reminders.decisions import Decision, again, decide, message
from clientway.work.series.plan import Occurrence, crossing, replan
from tests.work.series import existing

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DUE = Due(
    id=UUID(int=1), type="job_upcoming", channel="sms", attempts=0, expires_at=NOW + timedelta(hours=6), state_reason=None, over=None,
    rule_off=False, exclusion=None, address="+13055550100", consent_event_id=None, address_before=None, consent_before=None,
    contact_zone="UTC", address_zone=None, address_state=None, phone="+13055550100", tenant_zone="UTC",
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "decision"),
    [
        ({}, Decision("claimed")),
        # What is over is over, whatever else is so; then comes whether it is too late, and then whether it may.
        ({"over": "the job is over", "expires_at": NOW - SECOND, "rule_off": True}, Decision("canceled", "the job is over")),
        ({"expires_at": NOW - SECOND, "rule_off": True}, Decision("skipped", "expired")),
        ({"expires_at": NOW - SECOND, "attempts": 1}, Decision("failed", "it could not be sent in time")),
        ({"expires_at": NOW - SECOND, "attempts": 1, "state_reason": "no answer"}, Decision("failed", "no answer")),
        ({"expires_at": NOW}, Decision("claimed")),
        ({"rule_off": True, "exclusion": "suppressed"}, Decision("skipped", "rule switched off")),
        ({"exclusion": "suppressed"}, Decision("skipped", "suppressed")),
        # Nine in the evening in India, four in the morning in Los Angeles.
        ({"contact_zone": "Asia/Kolkata"}, Decision("claimed")),
        ({"contact_zone": "America/Los_Angeles"}, Decision("scheduled", "quiet hours", NOW + timedelta(hours=4))),
        ({"contact_zone": None, "address_zone": "America/Los_Angeles"}, Decision("scheduled", "quiet hours", NOW + timedelta(hours=4))),
        ({"contact_zone": "America/Los_Angeles", "channel": "email"}, Decision("claimed")),
        ({"contact_zone": "America/Los_Angeles", "expires_at": NOW + timedelta(hours=4)},
         Decision("scheduled", "quiet hours", NOW + timedelta(hours=4))),
        ({"contact_zone": "America/Los_Angeles", "expires_at": NOW + timedelta(hours=4) - SECOND},
         Decision("skipped", "quiet hours until it expires")),
        # Without any zone nothing is sent on a guess.
        ({"contact_zone": None, "tenant_zone": "No/Where", "phone": None}, Decision("skipped", "quiet hours until it expires")),
        # A state's hours are for marketing.
        ({"contact_zone": "Etc/GMT+4", "address_state": "KY"}, Decision("claimed")),
    ],
)  # fmt: skip
def test_what_becomes_of_a_reminder_that_is_due(change, decision):
    assert decide(DUE._replace(**change), NOW) == decision


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 15), (9, 15)])
def test_what_was_not_sent_is_sent_a_while_later_as_long_as_that_is_worth_something(attempts, minutes):
    later = NOW + timedelta(minutes=minutes)
    row = SimpleNamespace(id=UUID(int=1), attempts=attempts, expires_at=later)

    found = again(row, "no answer", NOW)
    assert (found.state, found.reason, found.next_at) == ("scheduled", "no answer", later)
    assert not found.untried
    assert not found.opted_out
    row.expires_at -= SECOND
    found = again(row, "no answer", NOW)
    assert (found.state, found.reason, found.next_at) == ("failed", "no answer", None)


OF = MessagingSettings(
    "Bistro", "UTC", None, "Ana of Bistro", "ana@bistro.example", "1 Main St", "+13055550199", False, time(20), time(9), 10, 3, 100, 8000
)
PERSON = {"first_name": "Bo", "last_name": "Ruiz", "email": "bo@x.example", "phone_e164": "+13055550100", "organization_name": "Blue"}


def written(kind, words, **row):
    """The text of a reminder, by the columns that are read for it."""
    row = {"id": UUID(int=1), "type": kind, "channel": "email", "address": "bo@x.example", **row}
    return message(SimpleNamespace(**row, _mapping=PERSON), Source("Hello", words), OF, UUID(int=2)).text


@pytest.mark.parametrize(
    ("hour", "zone", "words"),
    [
        (4, "America/New_York", "Bo of Bistro: Deep clean, Monday, March 2, 2026 at 11:05 PM, 1 Main St, Rosa."),
        (5, "America/New_York", "Bo of Bistro: Deep clean, Tuesday, March 3, 2026 at 12:05 AM, 1 Main St, Rosa."),
        (17, "America/New_York", "Bo of Bistro: Deep clean, Tuesday, March 3, 2026 at 12:05 PM, 1 Main St, Rosa."),
        (20, "America/New_York", "Bo of Bistro: Deep clean, Tuesday, March 3, 2026 at 3:05 PM, 1 Main St, Rosa."),
        (20, "No/Where", "Bo of Bistro: Deep clean, Tuesday, March 3, 2026 at 8:05 PM, 1 Main St, Rosa."),
    ],
)
def test_a_job_is_said_as_the_clock_shows_it_where_it_is(hour, zone, words):
    source = "{{ contact.first_name }} of {{ tenant.name }}: {{ job.title }}, {{ job.date }} at {{ job.time }}, {{ job.address }}, {{ job.assignee }}."
    start = datetime(2026, 3, 3, hour, 5, tzinfo=UTC)

    assert written("job_upcoming", source, job_start_at=start, job_time_zone=zone, job_title="Deep clean", job_address="1 Main St",
                   job_assignee="Rosa") == words  # fmt: skip


def test_an_invoice_is_said_with_what_is_owed_of_it():
    source = "{{ invoice.number }}: {{ invoice.balance }} by {{ invoice.due_date }}, {{ invoice.payment_url }}"

    assert written("invoice_due", source, number_text="INV-7", balance_cents=123450, currency="USD", due_on=date(2026, 3, 4),
                   payment_url="https://pay.example/7") == "INV-7: $1,234.50 by March 4, 2026, https://pay.example/7"  # fmt: skip


def test_who_chooses_nothing_is_reminded_a_day_and_two_hours_before_and_of_invoices_twice():
    assert [(one.type, one.name, one.offset, one.max_lateness, one.channels, one.enabled) for one in rules.DEFAULTS] == [
        ("job_upcoming", "before_24h", 24 * 60, 360, ("email", "sms"), True),
        ("job_upcoming", "before_2h", 120, 45, ("email", "sms"), True),
        ("invoice_due", "due_minus_2d", -2, 360, ("email", "sms"), True),
        ("invoice_due", "due_day", 0, 360, ("email", "sms"), True),
    ]


@pytest.mark.parametrize(("kind", "least", "most", "unit"), [("job_upcoming", 15, 43_200, "minutes"), ("invoice_due", -30, 30, "days")])
def test_a_reminder_is_as_far_ahead_as_it_may_be(kind, least, most, unit):
    rule = replace(rules.DEFAULTS[0], type=kind)
    for offset in (least, most):
        [found] = rules.parse([{**rules.as_rows([rule])[0], "offset": offset, "channels": ["sms"]}])
        assert found == replace(rule, offset=offset, channels=("sms",))
        assert hash(found)
    for offset in (least - 1, most + 1):
        with pytest.raises(Unprocessable) as refusal:
            rules.parse([{**rules.as_rows([rule])[0], "offset": offset}])
        assert [one.message for one in refusal.value.errors] == [
            f"between {least} and {most} {unit} {'before the start' if unit == 'minutes' else 'after the due date'}"
        ]


def test_the_database_is_told_from_which_day_on_nine_o_clock_is_which():
    told = json.loads(clock.offsets("America/New_York", NOW))

    assert told[0] == {"day": "-infinity", "east": -18000}
    assert [one for one in told if one["day"].startswith("2026")] == [
        {"day": "2026-03-08", "east": -14400},
        {"day": "2026-11-01", "east": -18000},
    ]
    # Two years back and eleven ahead, to their last day: what is beyond counts as the nearest.
    assert (told[1]["day"][:4], told[-1]["day"][:4]) == ("2024", "2037")
    assert len(told) == 1 + 2 * (2 + 1 + 11)
    assert clock.hour_on(date(2026, 7, 1), "America/New_York") == datetime(2026, 7, 1, 13, tzinfo=UTC)


def span(start, end):
    return Occurrence(*(datetime(2026, 3, 2, hour) for hour in (start, start, end)))


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([], set()), ([(9, 10), (10, 11)], set()), ([(9, 11), (10, 12)], {1}), ([(10, 12), (9, 11)], {0}),
        # The second has no place, and so is in nobody's way.
        ([(9, 11), (10, 14), (11, 12)], {1}), ([(9, 14), (10, 11), (12, 13)], {1, 2}), ([(9, 10), (11, 12), (11, 13)], {2}),
    ],
)  # fmt: skip
def test_what_begins_while_an_earlier_one_lasts_has_no_place(spans, found):
    assert crossing([span(*one) for one in spans]) == found


def test_of_two_jobs_of_a_day_the_one_that_nobody_touched_goes():
    at = datetime(2026, 3, 2, 9)
    times = [Occurrence(at, at, at)]
    touched, follows = existing(at.replace(hour=8), detached=True), existing(at.replace(hour=10))
    waiting = existing(at.replace(hour=11), "canceled", reason="series changed")

    plan = replan([follows, waiting, touched], times, include_detached=False)

    assert [job for job, _ in plan.stay] == [touched]
    assert (list(plan.cancel), list(plan.create), list(plan.follow)) == ([follows], [], [])


def test_a_job_whose_assignee_was_elsewhere_goes_where_its_series_goes():
    at = datetime(2026, 3, 2, 9)
    assert existing(at, "blocked", reason="overlap").follows(include_detached=False)
    assert not existing(at, "blocked", reason="rain").follows(include_detached=False)
