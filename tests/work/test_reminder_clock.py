"""The hour of invoices, as the database is told it: as offsets, never as a time zone."""

import json
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from clientway.ids import uuid7
from clientway.work.reminders import claiming, clock, planning, service

NOW = datetime(2026, 10, 1, tzinfo=UTC)
CHANGES = ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "Antarctica/Troll"]
NO_ZONES = ["Mars/Olympus", "America", "../etc/passwd", "America/New_York'; select 1", "\x00"]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def told(tx, zone, first, last, now=NOW):
    """When the database has it nine o'clock on each day."""
    statement = f"""with {clock.NINE}
      select g.day, {clock.moment("g.day")} from (select d::date as day from generate_series(
        cast(:first as timestamp), cast(:last as timestamp), interval '1 day') d) g"""
    given = {"nine": clock.offsets(zone, now), "first": first, "last": last}
    return dict(iter(tx.execute(text(statement), given)))


@pytest.mark.parametrize("zone", CHANGES)
def test_the_database_has_nine_o_clock_of_every_day_as_the_zone_has_it(tx, zone):
    found = told(tx, zone, date(2025, 8, 27), date(2036, 10, 31))

    assert len(found) == 4084
    assert {day for day, moment in found.items() if moment != datetime.combine(day, time(9), ZoneInfo(zone)).astimezone(UTC)} == set()
    assert {day for day, moment in found.items() if moment != clock.hour_on(day, zone)} == set()


def test_a_day_that_the_clocks_skipped_and_days_beyond_have_their_hour_too(tx):
    skipped = datetime(2011, 12, 30, 19, tzinfo=UTC)
    found = told(tx, "Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31), now=datetime(2011, 12, 1, tzinfo=UTC))
    assert list(found.values()) == [skipped - DAY, skipped, skipped]
    assert clock.hour_on(date(2011, 12, 30), "Pacific/Apia") == skipped

    assert told(tx, "Europe/London", date(2001, 7, 1), date(2001, 7, 1)) == {date(2001, 7, 1): datetime(2001, 7, 1, 9, tzinfo=UTC)}
    assert told(tx, "Europe/London", date(2101, 7, 1), date(2101, 7, 1)) == {date(2101, 7, 1): datetime(2101, 7, 1, 9, tzinfo=UTC)}


@given(zone=st.text(max_size=40).filter(lambda one: one not in available_timezones()) | st.sampled_from(NO_ZONES))
def test_what_is_told_are_days_and_seconds_whatever_the_name(zone):
    first, *others = json.loads(clock.offsets(zone, NOW))

    assert first == {"day": "-infinity", "east": 0}
    assert others == []


def test_who_knows_the_zone_asks_once(tx, monkeypatch):
    tx.execute(text("update tenants set time_zone = 'America/New_York' where tenant_id = app.tenant()"))
    execute, asked = tx.execute, []
    monkeypatch.setattr(tx, "execute", lambda statement, given=None: asked.append(f"{statement} {given}") or execute(statement, given))
    service.plan_invoice(tx, uuid7(), time_zone="America/New_York")
    known = len(asked)
    service.plan_invoice(tx, uuid7())

    assert (known, len(asked)) == (1, 3)
    assert [one for one in asked if "New_York" in one] == []
    assert ['"east": -18000' in one for one in asked] == [True, False, True]


def test_rules_that_change_move_invoices_by_the_tenants_clock(reminding):
    """And where the zone is another since, what stood by the old clock is called off."""
    invoice = reminding.bill(9 * DAY)
    reminding.write("update tenants set time_zone = 'Australia/Lord_Howe' where tenant_id = :t")
    reminding.write(
        "insert into messaging_settings (tenant_id, replan_since) values (:t, :n) on conflict (tenant_id) do update set replan_since = :n",
        n=reminding.now,
    )
    with reminding.transaction() as tx:
        assert planning.replan(tx) == 1
        assert planning.replan(tx) == 0

    nine = clock.hour_on((reminding.now + 9 * DAY).date(), "Australia/Lord_Howe")
    rows = reminding.rows(invoice)
    assert {(row.anchor_at == nine, row.state, row.state_reason) for row in rows} == {
        (False, "canceled", "rule changed"), (True, "scheduled", None)
    }  # fmt: skip


@pytest.mark.parametrize("claimed", [False, True])
def test_an_invoice_whose_due_date_moved_unnoticed_is_not_reminded_of(reminding, monkeypatch, claimed):
    """Found when it is picked, and when it is looked at right before it is sent."""
    invoice = reminding.bill(9 * DAY)
    move = "update invoices set due_on = due_on + 1 where tenant_id = :t and id = :i"
    look = claiming.look

    def after_that(*given):
        reminding.write(move, i=invoice)
        return look(*given)

    if claimed:
        monkeypatch.setattr(claiming, "look", after_that)
    else:
        reminding.write(move, i=invoice)
    reminding.at(min(row.send_at for row in reminding.rows(invoice)) + MINUTE)

    assert reminding.providers.sent == []
    assert {row.state_reason for row in reminding.rows(invoice) if row.rule == "due_minus_2d"} == {"due date moved"}
