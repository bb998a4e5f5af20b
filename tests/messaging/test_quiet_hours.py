"""When messages may go: never in quiet hours of any zone that somebody may be in, and no later than need be."""

import csv
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clientway.messaging.policy import rules, states
from clientway.messaging.policy.rules import Hours, opening
from clientway.messaging.policy.windows import SUNDAY, Window, _holidays
from tests.data import shared_data

ZONES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles", "America/Anchorage",
    "Pacific/Honolulu", "America/St_Johns", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
)  # fmt: skip
YEAR = datetime(2026, 6, 1, tzinfo=UTC)
MARKETING = rules.hours("sms", "marketing", quiet_hours=False)
TRANSACTIONAL = rules.hours("sms", "transactional", quiet_hours=False)


def at(zone, *moment, fold=0):
    return datetime(*moment, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def admitted(moment, zones, window, state=None):
    """What the rules mean, said plainly: on every wall the clock is inside every window."""
    windows = (*window.windows, *(states.narrowing(states.candidates(state, None), moment) if window.by_state else ()))
    walls = [moment.astimezone(ZoneInfo(zone)) for zone in zones]
    return all(window.admits(wall.date(), wall.time()) for window in windows for wall in walls)


TIMES = st.integers(0, 24 * 60 - 1).map(lambda minutes: time(minutes // 60, minutes % 60))
WINDOWS = st.builds(Window, TIMES, TIMES, st.sampled_from([(), ((SUNDAY, None),), ((SUNDAY, (time(12), time(21))),)]), st.booleans())
HOURS = st.one_of(
    st.sampled_from([MARKETING, TRANSACTIONAL]), st.lists(WINDOWS, min_size=1, max_size=2).map(lambda found: Hours(tuple(found)))
)
MOMENTS = st.integers(0, 370 * 24 * 60).map(lambda minutes: YEAR + timedelta(minutes=minutes))
# The hours around the changes are a thousandth of the year, and where mistakes are.
CHANGES = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 10, 31, 12, tzinfo=UTC), datetime(2027, 3, 13, 12, tzinfo=UTC), datetime(2026, 10, 3, 6, tzinfo=UTC)]),
    st.integers(0, 48 * 60),
)


@settings(max_examples=250)
@given(
    now=st.one_of(MOMENTS, CHANGES),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True),
    window=HOURS,
    state=st.sampled_from([None, "TX", "RI", "Connecticut"]),
)
@example(datetime(2026, 11, 1, 5, 30, tzinfo=UTC), ["America/New_York"], Hours((Window(time(1, 30), time(1, 45)),)), None)
@example(datetime(2027, 3, 14, 6, 30, tzinfo=UTC), ["America/New_York"], Hours((Window(time(2, 30), time(4)),)), None)
def test_an_opening_is_the_earliest_moment_outside_quiet_hours(now, zones, window, state):
    found = opening(now, tuple(zones), window, state)

    last = found or now + rules.FARTHEST
    # By the minute: all windows and all changes of the clock fall on one.
    minute, step = now, timedelta(minutes=1)
    if found == now:
        assert admitted(now, zones, window, state)
        return
    # Every quarter of an hour, and every minute of the last two hours before it.
    while minute < last:
        assert not admitted(minute, zones, window, state), f"{minute} was earlier"
        minute = min(minute + (step if last - minute < timedelta(hours=2) else 7 * step), last)
    if found is not None:
        assert found <= now + rules.FARTHEST
        assert admitted(found, zones, window, state)
        assert not admitted(found - timedelta(seconds=1), zones, window, state)


@pytest.mark.parametrize("zone", ZONES)
def test_no_hour_of_a_year_leads_into_a_quiet_one(zone):
    opened = set()
    for hour in range(0, 8760, 3):
        now = YEAR + timedelta(hours=hour)
        found = opening(now, (zone,), MARKETING)
        wall = found.astimezone(ZoneInfo(zone))
        assert time(9) <= wall.time() < time(20)
        assert (found == now) or wall.time() == time(9)
        opened.add(wall.date())
    assert len(opened) >= 365


def test_a_clock_put_forward_moves_the_opening_to_the_moment_after_the_gap():
    window = Hours((Window(time(2, 30), time(5)),))

    assert opening(at("America/New_York", 2027, 3, 13, 23), ("America/New_York",), window) == at("America/New_York", 2027, 3, 14, 3)


def test_a_clock_put_back_is_quiet_again_where_the_wall_says_so():
    window, zone = Hours((Window(time(1, 30), time(3)),)), "America/New_York"
    second_one = at(zone, 2026, 11, 1, 1, 10, fold=1)

    assert opening(at(zone, 2026, 11, 1, 0, 50), (zone,), window) == at(zone, 2026, 11, 1, 1, 30, fold=0)
    assert opening(second_one, (zone,), window) == at(zone, 2026, 11, 1, 1, 30, fold=1)


def test_a_change_of_the_clock_tomorrow_is_not_before_what_opens_earlier():
    window, zone = Hours((Window(time(1), time(5)),)), "America/New_York"

    assert opening(at(zone, 2027, 3, 13, 6), (zone,), window) == at(zone, 2027, 3, 14, 1)


def test_where_midnight_comes_twice_the_first_one_counts():
    window, zone = Hours((Window(time(0, 15), time(5)),)), "America/Havana"

    assert opening(at(zone, 2026, 10, 31, 12), (zone,), window) == at(zone, 2026, 11, 1, 0, 15, fold=0)


def test_a_window_over_midnight():
    window, zone = Hours((Window(time(22), time(2)),)), "America/Chicago"

    assert opening(at(zone, 2026, 7, 1, 23), (zone,), window) == at(zone, 2026, 7, 1, 23)
    assert opening(at(zone, 2026, 7, 1, 1, 59), (zone,), window) == at(zone, 2026, 7, 1, 1, 59)
    assert opening(at(zone, 2026, 7, 1, 2), (zone,), window) == at(zone, 2026, 7, 1, 22)


def test_nothing_goes_where_the_zone_is_unknown_or_no_hour_is_common():
    now = at("America/New_York", 2026, 7, 1, 12)

    assert opening(now, (), MARKETING) is None
    assert opening(now, ("Mars/Olympus",), MARKETING) is None
    assert opening(now, ("America/New_York", "Mars/Olympus"), MARKETING) is None
    assert opening(now, ("America/New_York", "Asia/Tokyo"), Hours((Window(time(9), time(12)),))) is None


@pytest.mark.parametrize(
    ("state", "asked", "opens"),
    [
        (None, (2026, 7, 5, 9), (2026, 7, 5, 9)),  # a Sunday
        ("TX", (2026, 7, 5, 9), (2026, 7, 5, 12)),
        ("Texas", (2026, 7, 5, 11, 59), (2026, 7, 5, 12)),
        ("RI", (2026, 7, 5, 12), (2026, 7, 6, 9)),
        ("RI", (2026, 7, 7, 18), (2026, 7, 8, 9)),
        ("RI", (2026, 7, 11, 9), (2026, 7, 11, 10)),  # a Saturday
        ("Kentucky", (2026, 7, 7, 9), (2026, 7, 7, 10)),
        ("AL", (2026, 11, 26, 12), (2026, 11, 27, 9)),  # Thanksgiving
        ("UT", (2026, 7, 3, 12), (2026, 7, 6, 9)),  # the 4th of July observed, the day itself, a Sunday
        ("CA", (2026, 7, 5, 9), (2026, 7, 5, 9)),
    ],
)
def test_states_narrow_marketing_texts(state, asked, opens):
    zone = "America/New_York"

    assert opening(at(zone, *asked), (zone,), MARKETING, state) == at(zone, *opens)
    assert opening(at(zone, 2026, 7, 5, 8), (zone,), TRANSACTIONAL, state) == at(zone, 2026, 7, 5, 8)


def test_a_number_tells_a_state_too_and_both_count():
    zone, sunday = "America/Chicago", (2026, 7, 5, 10)

    assert opening(at(zone, *sunday), (zone,), MARKETING, None, "+14695551234") == at(zone, 2026, 7, 5, 12)
    assert opening(at(zone, *sunday), (zone,), MARKETING, "MS", "+14695551234") == at(zone, 2026, 7, 6, 9)


def test_a_rule_of_a_state_counts_from_its_day_on():
    assert states.narrowing(frozenset({"TX"}), datetime(2025, 8, 31, 12, tzinfo=UTC)) == ()
    assert len(states.narrowing(frozenset({"TX", "FL"}), datetime(2026, 1, 1, tzinfo=UTC))) == 2


@pytest.mark.parametrize("state", states.RULES)
def test_no_state_and_no_tenant_widens(state):
    zone, wide = "America/New_York", rules.hours("sms", "marketing", quiet_hours=False, quiet_from=time(23), quiet_until=time(5))
    for hour in range(24 * 7):
        now = at(zone, 2026, 7, 6) + timedelta(hours=hour)
        found = opening(now, (zone,), wide, state)
        assert time(8) <= found.astimezone(ZoneInfo(zone)).time() < time(21)
        assert opening(now, (zone,), wide) <= found


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (("America/Denver", "America/Chicago", "America/New_York", "+12125550100"), ("America/Denver",)),
        ((None, "America/Chicago", "America/New_York", "+12125550100"), ("America/Chicago",)),
        ((None, None, "America/Chicago", "+12125550100"), ("America/Chicago", "America/New_York")),
        ((None, None, "America/New_York", "+12125550100"), ("America/New_York",)),
        (("Nowhere/At_All", None, "America/New_York", None), ("America/New_York",)),
        ((None, None, "Nowhere/At_All", "+12125550100"), ("America/New_York",)),
        # A mobile may be anywhere in its country, also where the number alone tells no zone; a satellite's may be anywhere.
        ((None, None, "Europe/Madrid", "+34612345678"), ("Atlantic/Canary", "Europe/Madrid")),
        ((None, None, "America/New_York", "+882161234567"), ("America/New_York",)),
        ((None, None, "America/New_York", "555"), ("America/New_York",)),
        ((None, None, "America/New_York", "+999"), ("America/New_York",)),
        ((None, None, None, None), ()),
    ],
)
def test_the_zones_somebody_may_be_in(given, found):
    assert rules.zones(*given) == found


def test_a_number_without_a_zone_of_its_own_may_be_anywhere_in_its_country():
    assert {"America/Tijuana", "America/Cancun", "America/Mexico_City"} <= set(rules.phone_zones("+5215512345678"))
    assert rules.phone_zones("+882161234567") == ()


def test_a_free_call_number_may_be_anywhere_in_its_country():
    found = rules.zones(None, None, "America/New_York", "+18005551212")

    assert {"America/New_York", "Pacific/Honolulu", "Pacific/Guam"} <= set(found)
    moment = opening(datetime(2026, 12, 1, tzinfo=UTC), found, MARKETING)
    assert all(time(9) <= moment.astimezone(ZoneInfo(zone)).time() < time(20) for zone in found)
    # In summer Newfoundland's evening is over before Guam's morning begins: no moment suits both, and nobody is woken on a guess.
    assert opening(datetime(2026, 7, 1, tzinfo=UTC), found, MARKETING) is None


@pytest.mark.parametrize(
    ("message", "windows"),
    [
        (("email", "marketing", False), None),
        (("email", "transactional", False), None),
        (("email", "marketing", True), (Window(time(10), time(19)),)),
        (("sms", "transactional", False), (Window(time(8), time(21)),)),
        (("sms", "marketing", False), (Window(time(8), time(21)), Window(time(10), time(19)))),
    ],
)
def test_the_hours_of_a_message(message, windows):
    channel, purpose, quiet = message
    found = rules.hours(channel, purpose, quiet_hours=quiet, quiet_from=time(19), quiet_until=time(10))

    assert (found and found.windows) == windows
    assert opening(YEAR, (), None) == YEAR


def test_the_federal_holidays_are_those_of_the_list():
    with shared_data("time/us_federal_holidays_2024_2030.csv").open() as file:
        listed = list(csv.DictReader(file))
    days = {date.fromisoformat(row[name]) for row in listed for name in ("date", "observed_date")}
    ours = {day for year in range(2024, 2031) for day in _holidays(year)}
    everywhere = {
        day for day in days if "Inauguration" not in next(r["name"] for r in listed if day.isoformat() in (r["date"], r["observed_date"]))
    }

    assert everywhere - ours == set()
    assert {day for day in ours if date(2024, 1, 1) <= day <= date(2030, 12, 30)} - days == set()


def test_area_codes_agree_with_the_list():
    with shared_data("time/nanp_area_code_timezones.csv").open() as file:
        rows = list(csv.DictReader(file))

    listed = {row["area_code"]: set(row["timezones"].replace(";", " ").replace("|", " ").split()) for row in rows}
    differing = [code for code, zones in listed.items() if not set(rules.phone_zones(f"+1{code}5550100")) <= zones]
    # The list has 437 in Manitoba (it is Toronto's) and 709 in Puerto Rico; 876 is told apart by longer prefixes than an area code.
    assert set(differing) <= {"437", "709", "876"}
    named = {row["area_code"]: row["region_name"] for row in rows if row["region_name"]}
    for code, state in states._BY_AREA_CODE.items():
        name = named.get(code, "").split(", ")[-1].removesuffix(" State")
        assert name == "" or states.candidates(name, None) == {state}, (code, name, state)
