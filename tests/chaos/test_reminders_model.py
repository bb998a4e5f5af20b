"""Reminders while jobs are booked, moved, called off and paid for, clocks jump and providers fail: against a model, in both modes.

Hypothesis draws the story; a world that looks every quarter of an hour and one that sleeps until it is woken are told the same.
"""

import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from clientway import config, wake
from clientway.work.reminders import planning
from clientway.work.reminders import service as reminders
from tests.chaos.reminding import GRID, Wanted, World, goes_at, is_quiet
from tests.fixtures import make_tenant
from tests.work.conftest import make_site
from tests.work.reminding import Providers, Reminding

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
JOB_RULES = {"before_24h": (24 * HOUR, 6 * HOUR), "before_2h": (2 * HOUR, 45 * MINUTE)}
INVOICE_RULES = {"due_minus_2d": -2, "due_day": 0}
ZONES = ["America/New_York", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "Europe/London"]
# Among them the days on which clocks change.
STARTS = [
    datetime(2026, 6, 1, 12, tzinfo=UTC),
    datetime(2026, 10, 31, 6, tzinfo=UTC),
    datetime(2027, 3, 13, 6, tzinfo=UTC),
    datetime(2026, 9, 26, tzinfo=UTC),
]
QUARTERS = st.integers(1, 4 * 60).map(lambda number: number * GRID)


class Story(RuleBasedStateMachine):
    """What is told to both worlds, and what should come of it."""

    engine = monkeypatch = tally = None

    @initialize(
        start=st.sampled_from(STARTS), zone=st.sampled_from(ZONES), faults=st.booleans(), times=st.lists(QUARTERS, min_size=3, max_size=6)
    )
    def begin(self, start, zone, faults, times):
        self.faults = faults
        self.zone, self.now = ZoneInfo(zone), start
        self.wanted, self.gone, self.live, self.clean, self.fault = {}, {}, {}, True, None
        self.worlds = []
        for wakes in (False, True):
            tenant = make_tenant(self.engine)
            told = Reminding(self.engine, tenant, make_site(self.engine, tenant), Providers(), self.now)
            told.write("update tenants set time_zone = :z where tenant_id = :t", z=zone)
            told.write("update contacts set time_zone = :z where tenant_id = :t", z=zone)
            world = World(told, wakes)
            world.settings = lambda wakes: dataclasses.replace(config.settings(), wakes=wakes)
            self.worlds.append(world)
        self.book_all(times)
        self.bill(len(times))

    def tell(self, what):
        """Have the same happen in both worlds, with the settings of each."""
        for world in self.worlds:
            with self.monkeypatch.context() as patch:
                kept = world.settings(wakes=world.wakes)
                patch.setattr(planning, "settings", lambda kept=kept: kept)
                patch.setattr(wake, "settings", lambda kept=kept: kept)
                world.reminding.now = self.now
                what(world)

    def plan_job(self, number, start):
        for name, (ahead, late) in JOB_RULES.items():
            send_at = start - ahead
            if send_at < self.now:
                if name == "before_24h" or start - self.now < 15 * MINUTE:
                    continue
                send_at = self.now
            for channel in ("email", "sms"):
                one = Wanted(number, name, channel, start, send_at, min(send_at + late, start))
                self.want(one)

    def want(self, one):
        key = (one.subject, one.rule, one.channel, one.anchor)
        if key not in self.gone:
            self.wanted[key] = one

    def drop(self, number):
        self.wanted = {key: one for key, one in self.wanted.items() if one.subject != number}

    @rule(times=st.lists(QUARTERS, min_size=1, max_size=4))
    def book(self, times):
        self.book_all(times)

    def book_all(self, times):
        for ahead in times:
            number, start = len(self.live), self.now + ahead
            self.tell(lambda world, ahead=ahead: world.subjects.append(world.reminding.book(ahead)))
            self.live[number] = ("job", start)
            self.plan_job(number, start)

    @rule(days=st.integers(0, 6))
    def bill_one(self, days):
        self.bill(days)

    def bill(self, days):
        number = len(self.live)
        # The day as the tenant's clock has it.
        due_on = self.now.astimezone(self.zone).date() + timedelta(days=days)
        self.tell(lambda world: world.subjects.append(world.reminding.bill(timedelta(), due_on=due_on)))
        anchor = self.nine(due_on)
        self.live[number] = ("invoice", anchor)
        for name, offset in INVOICE_RULES.items():
            send_at = self.nine(due_on + timedelta(days=offset))
            if send_at >= self.now:
                for channel in ("email", "sms"):
                    self.want(Wanted(number, name, channel, anchor, send_at, send_at + 6 * HOUR))

    def nine(self, day: date) -> datetime:
        return datetime.combine(day, time(9), self.zone).astimezone(UTC)

    def some(self, kind, choice):
        found = [number for number, one in self.live.items() if one and one[0] == kind]
        return found[choice % len(found)] if found else None

    @precondition(lambda self: self.some("job", 0) is not None)
    @rule(choice=st.integers(0, 9), ahead=QUARTERS)
    def move(self, choice, ahead):
        number, start = self.some("job", choice), self.now + ahead
        self.tell(lambda world: world.reminding.change(world.subjects[number], start_at=start, end_at=start + HOUR))
        if start != self.live[number][1]:
            self.drop(number)
        self.live[number] = ("job", start)
        self.plan_job(number, start)

    @precondition(lambda self: self.some("job", 0) is not None)
    @rule(choice=st.integers(0, 9), status=st.sampled_from(["canceled", "completed", "in_progress"]))
    def end(self, choice, status):
        number = self.some("job", choice)
        more = {"completed_at": self.now} if status == "completed" else {"canceled_at": self.now} if status == "canceled" else {}
        self.tell(lambda world: world.reminding.change(world.subjects[number], status=status, **more))
        self.drop(number)
        self.live[number] = None

    @precondition(lambda self: self.some("invoice", 0) is not None)
    @rule(choice=st.integers(0, 9), how=st.sampled_from(["paid", "void", "noticed late"]))
    def pay(self, choice, how):
        number = self.some("invoice", choice)

        def settle(world):
            invoice = world.subjects[number]
            given = {"i": invoice, "s": "void" if how == "void" else "paid"}
            # The last look finds it, too, when nobody has called the reminders off.
            world.reminding.write(
                "update invoices set status = :s, allocated_cents = case :s when 'paid' then total_cents else 0 end,"
                " paid_at = case :s when 'paid' then now() end, voided_at = case :s when 'void' then now() end where tenant_id = :t and id = :i",
                **given,
            )
            if how != "noticed late":
                with world.reminding.transaction() as tx:
                    reminders.cancel_invoice(tx, invoice, f"invoice {how}")

        self.tell(settle)
        self.drop(number)
        self.live[number] = None

    @rule(span=st.one_of(st.integers(1, 12), st.integers(1, 200)).map(lambda number: number * GRID))
    def wait(self, span):
        self.wait_for(span)

    def wait_for(self, span):
        until = self.now + span
        for world in self.worlds:
            world.reminding.now, world.fault = self.now, self.fault
            world.live(self.monkeypatch, until)
        self.pass_to(until)

    def pass_to(self, until):
        """What the model says went out or was left out meanwhile."""
        for key, one in list(self.wanted.items()):
            if one.send_at <= until:
                moment = goes_at(one, max(one.send_at, self.now), self.zone)
                if moment is None or moment <= until:
                    self.gone[key] = moment is not None
                    del self.wanted[key]
        self.now = until
        self.look()

    @rule(hours=st.integers(-5, 30))
    def jump(self, hours):
        """The clock is put forward or back; then everybody looks."""
        self.now += hours * HOUR
        for world in self.worlds:
            world.reminding.now, world.fault = self.now, self.fault
            world.run(self.monkeypatch, times=2)
        self.pass_to(self.now)

    @rule()
    def deliver_twice(self):
        for world in self.worlds:
            world.reminding.now, world.fault = self.now, self.fault
            world.run(self.monkeypatch, times=2)
        self.pass_to(self.now)

    @precondition(lambda self: self.faults)
    @rule(fault=st.sampled_from(["outage", "unclear", "death", None]))
    def fail(self, fault):
        self.fault, self.clean = fault, self.clean and fault is None

    def look(self):
        """What holds whatever happened, and what holds while nothing failed."""
        sent = []
        for world in self.worlds:
            rows = {row.id: row for row in world.reminding.rows()}
            numbers = {subject: number for number, subject in enumerate(world.subjects)}
            times = {}
            for reminder, channel, moment in world.taken:
                row = rows[reminder]
                times[reminder] = times.get(reminder, 0) + 1
                assert moment <= row.expires_at, "after it was of use"
                assert channel == "email" or not is_quiet(moment, self.zone), "in quiet hours"
            assert {one for one, count in times.items() if count > 1} <= world.doubtful, "twice without a reason"
            for row in rows.values():
                assert (row.state == "sent") <= (row.id in times)
                assert row.state == "sent" or row.id not in times or row.id in world.doubtful
            sent.append(
                {(numbers[row.job_id or row.invoice_id], row.rule, row.channel, row.anchor_at) for row in rows.values() if row.id in times}
            )
        if self.clean:
            model = {key for key, went in self.gone.items() if went}
            assert sent[0] == sent[1], "the two modes differ"
            assert sent[0] == model, "what was sent is not what was to be"

    def teardown(self):
        if not getattr(self, "worlds", ()):
            return
        # What has not been told of yet: to the end of it.
        self.fault = None
        self.wait_for(72 * HOUR)
        for world in self.worlds:
            name = "by being woken" if world.wakes else "by looking every quarter of an hour"
            self.tally[f"reminders that went out {name}{'' if self.clean else ', in stories with faults'}"] += len(world.taken)
            self.tally["of them again, where nobody knew"] += len(world.taken) - len({one for one, _, _ in world.taken})


def test_both_modes_send_what_the_model_says(admin_engine, database_url, monkeypatch, size, tally, request):
    story = type("Told", (Story,), {"engine": admin_engine, "monkeypatch": monkeypatch, "tally": tally})
    chosen = settings(
        max_examples=size(short=2, long=120), stateful_step_count=size(short=4, long=25), database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip
    run_seed = request.getfixturevalue("seed")
    print(f"CLIENTWAY_CHAOS_SEED={run_seed}")
    run_state_machine_as_test(seed(run_seed)(story), settings=chosen)
