"""Reminders that are due: sent, held, left out or called off, by what holds at that moment."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from clientway.db import job_transaction
from clientway.messaging.suppressions import service as suppressions
from clientway.work.reminders import claiming, dispatching
from tests.work.reminding import MORNING

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
SENT = ("sent", None)


def test_a_job_is_reminded_of_a_day_and_two_hours_before(reminding):
    job = reminding.book(3 * DAY)
    start = reminding.now + 3 * DAY

    assert reminding.at(start - DAY - MINUTE).states == {}
    assert reminding.at(start - DAY).states == {"sent": 2}
    assert reminding.dispatch().states == {}
    assert reminding.at(start - 2 * HOUR + 14 * MINUTE).states == {"sent": 2}

    assert set(reminding.states(job).values()) == {SENT}
    mail, sms = sorted(reminding.providers.sent[:2], key=lambda one: one.channel)
    rows = reminding.rows(job)
    assert {one.id for one in reminding.providers.sent} == {row.id for row in rows}
    assert {(mail.to, sms.to)} == {(("ana@home.example",), ("+13055550123",))}
    assert mail.subject == "Deep clean on Thursday, June 4, 2026, 11:00 AM"
    assert "Where: 1 Main St, Miami, FL 33101" in mail.text
    assert "June 4" in sms.text
    assert {row.address for row in rows} == {"ana@home.example", "+13055550123"}
    assert all(row.provider_message_id and row.sent_at and row.attempts == 1 and row.lease_token is None for row in rows)


def test_what_went_out_is_on_the_timeline_and_counted(reminding):
    reminding.book(DAY)
    reminding.dispatch()

    lines = reminding.write("select activity_type, title, client_visible, metadata from activities where tenant_id = :t order by 1").all()
    assert [(line.activity_type, line.title, line.client_visible) for line in lines] == [
        ("email_sent", "Reminder sent: Deep clean", True),
        ("sms_sent", "Reminder sent by text: Deep clean", True),
    ]
    assert {line.metadata["reminder_id"] for line in lines} == {str(one.id) for one in reminding.providers.sent}
    contact = reminding.write("select * from contacts where tenant_id = :t and id = :c", c=reminding.site.contact_id).one()
    assert (contact.total_emails_received, contact.last_contacted_at) == (1, reminding.now)


def test_an_invoice_is_reminded_of_on_what_is_still_owed(reminding):
    invoice = reminding.bill(5 * DAY)
    reminding.write(
        "update invoices set allocated_cents = 2000, payment_page_status = 'ready', payment_url = 'https://pay.example/1', payment_page_ref = 'x'"
        " where tenant_id = :t"
    )

    assert reminding.at(datetime(2026, 6, 4, 13, tzinfo=UTC)).states == {"sent": 2}
    mail = next(one for one in reminding.providers.sent if one.channel == "email")
    assert "$100.00 for invoice" in mail.text
    assert "https://pay.example/1" in mail.text
    assert "June 6, 2026" in mail.text

    reminding.write("update invoices set allocated_cents = 12000 where tenant_id = :t")
    assert reminding.at(datetime(2026, 6, 6, 13, tzinfo=UTC)).states == {"canceled": 2}
    assert reminding.states(invoice)["due_day", "sms"] == ("canceled", "invoice paid")


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ("update jobs set status = 'canceled', canceled_at = now() where tenant_id = :t", "canceled", "job canceled"),
        ("update jobs set start_at = start_at + interval '1 hour', end_at = end_at + interval '1 hour' where tenant_id = :t", "canceled", "job moved"),
        ("update contacts set do_not_contact = true where tenant_id = :t", "skipped", "do_not_contact"),
        ("update contacts set deleted_at = now() where tenant_id = :t", "skipped", "deleted"),
        ("update contacts set email = null, email_norm = null, phone = null, phone_e164 = null where tenant_id = :t", "skipped", "no_address"),
        ("update organizations set lifecycle_stage = 'blacklist' where tenant_id = :t", "skipped", "blacklisted"),
        ("insert into messaging_settings (tenant_id, reminder_rules) values (:t, '[]')", "skipped", "rule switched off"),
    ],
)  # fmt: skip
def test_what_speaks_against_it_at_that_moment_holds(reminding, change, state, reason):
    """Each written past the services, that call reminders off themselves: the last look is the one that counts."""
    job = reminding.book(3 * DAY)
    reminding.write(change)

    reminding.at(reminding.now + 2 * DAY)
    assert {one for (rule, _), one in reminding.states(job).items() if rule == "before_24h"} == {(state, reason)}
    assert reminding.providers.sent == []


def test_it_goes_to_the_address_of_now(reminding):
    reminding.book(3 * DAY)
    reminding.write("update contacts set email = 'new@home.example', email_norm = 'new@home.example' where tenant_id = :t")

    reminding.at(reminding.now + 2 * DAY)
    assert {one.to for one in reminding.providers.sent} == {("new@home.example",), ("+13055550123",)}


@pytest.mark.parametrize(("late", "goes"), [(6 * HOUR, True), (6 * HOUR + MINUTE, False)])
def test_a_late_one_goes_as_long_as_it_is_worth_something(reminding, late, goes):
    job = reminding.book(2 * DAY)
    reminding.at(reminding.now + DAY + late)

    assert reminding.states(job)["before_24h", "email"] == (SENT if goes else ("skipped", "expired"))
    # Eleven in the morning and six hours, or seven: no quiet hour.
    assert bool(reminding.providers.sent) == goes


def test_a_text_waits_for_the_morning_where_the_client_is(reminding):
    """The job is at nine in the morning: its reminder of the day before is due at nine, in Los Angeles that is six."""
    reminding.write("update contacts set time_zone = 'America/Los_Angeles' where tenant_id = :t")
    job = reminding.book(2 * DAY - 2 * HOUR)
    due = reminding.now + DAY - 2 * HOUR

    assert reminding.at(due).states == {"sent": 1, "scheduled": 1}
    held = next(row for row in reminding.rows(job) if row.channel == "sms" and row.rule == "before_24h")
    assert (held.state, held.state_reason, held.next_at) == ("scheduled", "quiet hours", due + 2 * HOUR)
    assert reminding.at(due + HOUR).states == {}
    assert reminding.at(due + 2 * HOUR).states == {"sent": 1}
    assert [one.channel for one in reminding.providers.sent] == ["email", "sms"]


def test_a_text_that_would_wait_for_longer_than_it_is_worth_is_left_out(reminding):
    """Two hours before five in the morning."""
    job = reminding.book(18 * HOUR)

    assert reminding.at(reminding.now + 16 * HOUR).states == {"sent": 1, "skipped": 1}
    assert reminding.states(job)["before_2h", "sms"] == ("skipped", "quiet hours until it expires")


@pytest.mark.parametrize("clocks_change", [datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 3, 14, tzinfo=UTC)])
def test_where_the_clock_changes_nobody_is_woken_and_all_are_told_once(reminding, clocks_change):
    """The day before and the day itself, in Los Angeles; jobs at every second hour of that day."""
    reminding.write("update contacts set time_zone = 'America/Los_Angeles' where tenant_id = :t")
    reminding.now = clocks_change - 3 * DAY
    jobs = [reminding.book(3 * DAY + hours * HOUR) for hours in range(0, 36, 4)]

    moment = clocks_change - DAY - HOUR
    while moment < clocks_change + 34 * HOUR:
        moment += HOUR
        before = len(reminding.providers.sent)
        reminding.at(moment)
        for one in reminding.providers.sent[before:]:
            hour = moment.astimezone(ZoneInfo("America/Los_Angeles")).hour
            assert one.channel == "email" or 8 <= hour < 21
    sent = [one.id for one in reminding.providers.sent]
    assert len(sent) == len(set(sent))
    assert sum(row.channel == "email" and row.state == "sent" for job in jobs for row in reminding.rows(job)) == 2 * len(jobs)
    assert not [row for row in reminding.rows() if row.state not in ("sent", "skipped")]


def test_what_was_decided_long_ago_is_decided_anew(reminding):
    """A slow provider: the last of a batch is no longer to be woken when its turn comes."""
    reminding.now = datetime(2026, 6, 2, 0, 59, 50, tzinfo=UTC)
    for second in range(6):
        reminding.book(2 * HOUR + timedelta(seconds=second) - MINUTE)

    def answer(_message):
        # 21:00 in New York is over.
        reminding.now = max(reminding.now, datetime(2026, 6, 2, 1, 0, 31, tzinfo=UTC))

    reminding.providers.answer = answer
    reminding.dispatch()

    said = {row.state_reason for row in reminding.rows() if row.state != "sent"}
    assert said == {"quiet hours until it expires"}
    assert len([one for one in reminding.providers.sent if one.channel == "sms"]) <= 3


def test_a_worker_that_comes_late_changes_nothing(reminding):
    """Its lease is over and another one has sent the reminders."""
    job = reminding.book(2 * HOUR)
    late = dispatching.claim(reminding.tenant.id, dispatching.Dispatched(), now=lambda: reminding.now)
    assert {row.state for row in reminding.rows(job)} == {"claimed"}
    assert reminding.at(reminding.now + claiming.LEASE - timedelta(seconds=1)).states == {}

    assert reminding.at(reminding.now + MINUTE).states == {"sent": 2}
    before = reminding.rows(job)
    assert {row.attempts for row in before} == {2}
    done = dispatching.Dispatched()
    outcomes = [dispatching.Outcome(row.id, "failed", "too late") for row in late.rows]
    assert dispatching.settle(late, (), outcomes, late.rows, done, now=lambda: reminding.now) == []
    assert (reminding.rows(job), done.states) == (before, {})


def test_a_job_that_is_called_off_between_two_parts_of_a_batch_is_not_reminded_of(reminding):
    jobs = [reminding.book(2 * HOUR + timedelta(seconds=second)) for second in range(8)]
    answered = []

    def answer(message):
        if not answered:
            answered.append(message)
            reminding.write("update jobs set status = 'canceled', canceled_at = now() where tenant_id = :t and id = :j", j=jobs[-1])

    reminding.providers.answer = answer
    reminding.at(reminding.now + MINUTE)
    assert set(reminding.states(jobs[-1]).values()) == {("canceled", "job canceled")}
    assert len(reminding.providers.sent) == 14


@pytest.mark.parametrize("moment", ["claimed", "being sent"])
def test_who_answers_stop_while_others_are_written_to_gets_nothing_more(reminding, moment):
    """Claimed by the thousand, sent by the handful: what a client says meanwhile counts."""

    def stop(_message=None):
        with reminding.transaction() as tx:
            suppressions.suppress(tx, "sms", "+13055550123", "stop")

    for second in range(9):
        reminding.book(2 * HOUR + timedelta(seconds=second))
    if moment == "being sent":
        reminding.providers.answer = stop
        reminding.at(reminding.now + MINUTE)
    else:
        batch = dispatching.claim(reminding.tenant.id, dispatching.Dispatched(), now=lambda: reminding.now + MINUTE)
        stop()
        with reminding.transaction() as tx:
            wanted = claiming.look(tx, [row.id for row in batch.rows], batch.token, "America/New_York")
        assert {row.channel for row in wanted} == {"email"}

    spared = [row for row in reminding.rows() if (row.state, row.state_reason) == ("skipped", "suppressed")]
    assert {row.channel for row in spared} == {"sms"}
    # Three are on their way when the first of them says so.
    assert 9 - (3 if moment == "being sent" else 0) <= len(spared) <= 9
    assert len(spared) + len([one for one in reminding.providers.sent if one.channel == "sms"]) == 9


def test_who_cancels_while_it_is_claimed_comes_first(reminding, monkeypatch):
    """Somebody holds the job and is about to cancel it: nobody waits, and the look right before the provider finds it canceled."""
    job, other = reminding.book(2 * HOUR), reminding.book(2 * HOUR)
    changing = job_transaction(reminding.tenant.id, now=reminding.now)
    tx = changing.__enter__()
    canceled = "update jobs set status = 'canceled', canceled_at = :n where tenant_id = app.tenant() and id = :j"
    tx.execute(text(canceled), {"n": tx.now, "j": job})
    look = claiming.look

    def after_that(*given):
        if not finished:
            finished.append(changing.__exit__(None, None, None))
        return look(*given)

    finished = []
    monkeypatch.setattr(claiming, "look", after_that)
    assert reminding.dispatch().states == {"sent": 2}
    assert set(reminding.states(other).values()) == {SENT}
    assert set(reminding.states(job).values()) == {("canceled", "job canceled")}


def test_a_tenant_whose_reminders_fail_keeps_no_other_waiting(reminding, other_tenant, monkeypatch):
    reminding.book(2 * HOUR)
    claim = dispatching.claim

    def broken(tenant_id, *given, **how):
        if tenant_id == other_tenant.id:
            raise ZeroDivisionError
        return claim(tenant_id, *given, **how)

    monkeypatch.setattr(dispatching, "claim", broken)
    with pytest.raises(ExceptionGroup, match="not sent"):
        dispatching.dispatch([other_tenant.id, reminding.tenant.id], now=lambda: reminding.now)
    assert len(reminding.providers.sent) == 2


def test_what_time_does_not_suffice_for_waits_untried(reminding):
    for second in range(8):
        reminding.book(2 * HOUR + timedelta(seconds=second))
    reminding.now += MINUTE
    over = iter([False] * 4)

    # It is asked before each tenant, each replanning and each part.
    done = reminding.dispatch(until=lambda: next(over, True))
    assert done.states == {"sent": 3, "scheduled": 13}
    assert sorted(row.attempts for row in reminding.rows()) == [0] * 13 + [1] * 3
    assert reminding.dispatch().states == {"sent": 13}


def test_all_tenants_with_something_due_are_found(reminding, other_tenant):
    reminding.book(2 * HOUR)

    assert reminding.tenant.id in claiming.tenants_due(reminding.now)
    assert other_tenant.id not in claiming.tenants_due(reminding.now)
    assert reminding.tenant.id not in claiming.tenants_due(MORNING - MINUTE)
    with job_transaction(reminding.tenant.id, now=reminding.now) as tx:
        assert claiming.pick(tx, 10, uuid4())
    assert reminding.tenant.id not in claiming.tenants_due(reminding.now + MINUTE)
    assert reminding.tenant.id in claiming.tenants_due(reminding.now + claiming.LEASE)
