"""Recurrence rules: what RFC 5545's readers agree on, what is refused, and local times as moments."""

# ruff: noqa: DTZ001, DTZ007  # local times have no zone

import json
import re
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway import recurrence
from clientway.errors import Unprocessable
from clientway.recurrence import RecurrenceRefused, occurrences, parse, parse_days, to_local, to_utc
from tests.data import shared_data

NINE = datetime(2026, 3, 2, 9)
NEW_YORK, SYDNEY, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Australia/Sydney"), ZoneInfo("Australia/Lord_Howe")


def local(stamp):
    return datetime.strptime(stamp.rstrip("Z"), "%Y%m%dT%H%M%S" if "T" in stamp else "%Y%m%d")


def test_the_cases_of_libical_that_dateutil_agrees_with_hold():
    cases = [case for case in json.loads(shared_data("recurrence/rrule_cases_a.json").read_text()) if case["dateutil"] == "agrees"]
    assert len(cases) == 74

    wrong = {}
    for case in cases:
        rule, expected = parse(case["rrule"]), [local(one) for one in case["instances"]]
        since = local(case["start_at"]) if "start_at" in case else None
        # A rule that ends has no more than these.
        limit = len(expected) + (1 if rule.count or rule.until() else 0)
        if occurrences(rule, local(case["dtstart"]), limit=limit) != expected:
            wrong[case["n"]] = case["rrule"]
        if since and occurrences(rule, local(case["dtstart"]), since=since, limit=limit) != [one for one in expected if one >= since]:
            wrong[case["n"]] = f"{case['rrule']} since {since}"
    assert wrong == {}


def test_what_google_calendar_writes_is_read():
    cases = json.loads(shared_data("recurrence/rrule_cases_a.json").read_text())
    [case] = [case for case in cases if case["rrule"].endswith(";")]
    assert occurrences(parse(case["rrule"]), local(case["dtstart"])) == [local(one) for one in case["instances"]]


def events():
    """The VEVENTs of libical's counts, each as (description, rule, start, exceptions, count)."""
    unfolded = re.sub(r"\r?\n[ \t]", "", shared_data("recurrence/libical_recur_counts.txt").read_text())
    for block in re.findall(r"BEGIN:VEVENT\n(.*?)END:VEVENT", unfolded, re.DOTALL):
        lines = [re.match(r"(?P<name>[A-Z-]+)[^:\n]*:(?P<value>.*)", line) for line in block.splitlines() if line.strip()]
        found = [(line["name"], line["value"].strip()) for line in lines if line]
        values = dict(found)
        plain = [name for name, _ in found].count("RRULE") == 1 and not {"EXDATE", "RDATE", "EXRULE"} & values.keys()
        if plain and "X-EXPECT-NUMEVENTS" in values:
            yield values["DESCRIPTION"], values["RRULE"], local(values["DTSTART"]), int(values["X-EXPECT-NUMEVENTS"])


def test_libicals_counts_hold_where_a_rule_stands_alone():
    found = list(events())
    assert len(found) > 50
    wrong = {
        text: (count, ours)
        for text, rule, start, count in found
        if (ours := len(occurrences(parse(rule), start, limit=count + 1))) != count
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("", "malformed_rrule"),
        ("weekly", "malformed_rrule"),
        ("INTERVAL=2", "malformed_rrule"),
        ("FREQ=", "malformed_rrule"),
        ("FREQ=WEEKLY;FREQ=DAILY", "malformed_rrule"),
        ("RRULE:FREQ=WEEKLY", "malformed_rrule"),
        ("FREQ=WEEKLY\nDTSTART:20260101T000000", "unsupported_rrule"),
        ("FREQ=WEEKLY;BYEASTER=1", "malformed_rrule"),
        ("FREQ=WEEKLY;DTSTART=20260101", "malformed_rrule"),
        ("FREQ=FORTNIGHTLY", "unsupported_rrule"),
        ("FREQ=HOURLY", "unsupported_rrule"),
        ("FREQ=MINUTELY", "unsupported_rrule"),
        ("FREQ=SECONDLY", "unsupported_rrule"),
        ("FREQ=DAILY;INTERVAL=0", "unsupported_rrule"),
        ("FREQ=DAILY;INTERVAL=-1", "unsupported_rrule"),
        ("FREQ=DAILY;INTERVAL=1001", "unsupported_rrule"),
        ("FREQ=DAILY;INTERVAL=٣", "unsupported_rrule"),
        ("FREQ=DAILY;COUNT=0", "unsupported_rrule"),
        ("FREQ=DAILY;COUNT=" + "9" * 50, "unsupported_rrule"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "unsupported_rrule"),
        ("FREQ=DAILY;UNTIL=20270231", "unsupported_rrule"),
        ("FREQ=DAILY;UNTIL=tomorrow", "unsupported_rrule"),
        ("FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9", "unsupported_rrule"),
        ("FREQ=DAILY;BYMINUTE=1", "unsupported_rrule"),
        ("FREQ=DAILY;BYSECOND=1", "unsupported_rrule"),
        ("FREQ=DAILY;BYHOUR=24", "unsupported_rrule"),
        ("FREQ=YEARLY;BYWEEKNO=20", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,,2", "unsupported_rrule"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "unsupported_rrule"),
        ("FREQ=YEARLY;BYMONTH=13", "unsupported_rrule"),
        ("FREQ=WEEKLY;BYDAY=XX", "unsupported_rrule"),
        ("FREQ=WEEKLY;BYDAY=1MO", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYDAY=0MO", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYDAY=54MO", "unsupported_rrule"),
        ("FREQ=WEEKLY;WKST=XX", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYSETPOS=1", "unsupported_rrule"),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=1", "unsupported_rrule"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=" + ",".join(map(str, range(1, 14))), "unsupported_rrule"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367", "unsupported_rrule"),
    ],
)
def test_what_is_no_rule_for_days_is_refused_and_says_why(raw, code):
    with pytest.raises(RecurrenceRefused) as refused:
        parse_days(raw)
    [fault] = refused.value.errors
    assert (fault.pointer, fault.code) == ("#/rrule", code)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "raw",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=4;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=31",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYDAY=MO;BYSETPOS=100,101,102,103,104,105,106,107,108,109,110,111",
        "FREQ=DAILY;UNTIL=20200101",
    ],
)
def test_a_rule_that_never_occurs_is_told_without_searching_to_the_end_of_time(raw):
    began = time.process_time()
    assert recurrence.first(parse_days(raw), NINE) is None
    # dateutil by itself takes seconds for most of these.
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("raw", ["FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MINUTELY;BYDAY=MO;BYMONTH=2;BYMONTHDAY=30"])
def test_the_finest_rules_end_their_search_too(raw):
    began = time.process_time()
    assert occurrences(parse(raw), NINE) == []
    assert time.process_time() - began < 1


def test_a_rule_that_explodes_is_refused():
    with pytest.raises(RecurrenceRefused) as refused:
        occurrences(parse("FREQ=SECONDLY"), NINE, since=NINE + timedelta(days=30))
    assert refused.value.errors[0].code == "rrule_explodes"
    assert len(occurrences(parse("FREQ=SECONDLY"), NINE)) == 1000, "asked for without an end"
    with pytest.raises(RecurrenceRefused):
        parse("FREQ=SECONDLY;BYSETPOS=2")


def test_what_is_rare_still_occurs():
    leap = parse_days("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29")
    assert recurrence.first(leap, NINE, since=datetime(2096, 3, 1)) == datetime(2104, 2, 29, 9)
    monday = parse_days("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=MO")
    assert occurrences(monday, NINE, limit=3) == [datetime(2044, 2, 29, 9), datetime(2072, 2, 29, 9), datetime(2112, 2, 29, 9)]
    assert occurrences(parse_days("FREQ=YEARLY;INTERVAL=1000"), NINE, limit=20)[-1] == datetime(9026, 3, 2, 9)


def test_an_end_in_utc_is_a_local_time_of_the_zone():
    # 13:30 UTC is 09:30 in New York in summer: the occurrence at 09:00 is before it, that at 10:00 is not.
    rule = parse_days("FREQ=DAILY;UNTIL=20260703T133000Z")
    assert occurrences(rule, datetime(2026, 7, 1, 9), zone=NEW_YORK)[-1] == datetime(2026, 7, 3, 9)
    assert occurrences(rule, datetime(2026, 7, 1, 10), zone=NEW_YORK)[-1] == datetime(2026, 7, 2, 10)
    assert occurrences(parse_days("FREQ=DAILY;UNTIL=20260703"), datetime(2026, 7, 1, 10))[-1] == datetime(2026, 7, 3, 10)


def test_a_rule_is_cut_in_two_and_loses_nothing():
    rule = parse_days("FREQ=WEEKLY;BYDAY=MO,TH;COUNT=9")
    whole = occurrences(rule, NINE)
    for cut in range(1, 9):
        former, latter = rule.ending_before(whole[cut]), rule.without_first(len(occurrences(rule, NINE, before=whole[cut])))
        assert occurrences(former, NINE) + occurrences(latter, whole[cut]) == whole


@pytest.mark.parametrize(
    ("zone", "clock", "moment"),
    [
        # New York: from 2:00 to 3:00 on 8 March 2026, back from 2:00 to 1:00 on 1 November.
        (NEW_YORK, datetime(2026, 3, 7, 9), "2026-03-07T14:00"),
        (NEW_YORK, datetime(2026, 3, 8, 9), "2026-03-08T13:00"),
        (NEW_YORK, datetime(2026, 3, 8, 2, 30), "2026-03-08T07:30"),
        (NEW_YORK, datetime(2026, 11, 1, 1, 30), "2026-11-01T05:30"),
        (NEW_YORK, datetime(2026, 11, 1, 9), "2026-11-01T14:00"),
        # Sydney: summer ends on 5 April 2026 and begins on 4 October.
        (SYDNEY, datetime(2026, 4, 4, 9), "2026-04-03T22:00"),
        (SYDNEY, datetime(2026, 4, 5, 9), "2026-04-04T23:00"),
        (SYDNEY, datetime(2026, 4, 5, 2, 30), "2026-04-04T15:30"),
        (SYDNEY, datetime(2026, 10, 4, 2, 30), "2026-10-03T16:30"),
        (SYDNEY, datetime(2026, 10, 4, 9), "2026-10-03T22:00"),
        # Half an hour of summer.
        (LORD_HOWE, datetime(2026, 10, 4, 2, 15), "2026-10-03T15:45"),
    ],
)
def test_a_local_time_is_a_moment(zone, clock, moment):
    assert to_utc(clock, zone) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_a_skipped_time_moves_forward_and_one_that_comes_twice_is_the_first():
    assert to_local(to_utc(datetime(2026, 3, 8, 2, 30), NEW_YORK), NEW_YORK) == datetime(2026, 3, 8, 3, 30)
    first = to_utc(datetime(2026, 11, 1, 1, 30), NEW_YORK)
    assert to_local(first + timedelta(hours=1), NEW_YORK) == datetime(2026, 11, 1, 1, 30), "an hour later it comes again"


def test_only_zones_of_the_database_are_zones():
    assert recurrence.zone_named("Australia/Sydney").key == "Australia/Sydney"
    for name in ("Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "est5edt,M3"):
        with pytest.raises(Unprocessable) as refused:
            recurrence.zone_named(name)
        assert refused.value.errors[0].code == "unknown_time_zone"


DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
rules = st.builds(
    lambda frequency, interval, days, months, end: ";".join(
        [f"FREQ={frequency}", f"INTERVAL={interval}"]
        + ([f"BYDAY={','.join(days)}"] if days else [])
        + ([f"BYMONTH={','.join(map(str, months))}"] if months else [])
        + end
    ),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 40),
    st.lists(st.sampled_from(DAYS), unique=True, max_size=3),
    st.lists(st.integers(1, 12), unique=True, max_size=3),
    st.one_of(
        st.just([]),
        st.integers(1, 60).map(lambda count: [f"COUNT={count}"]),
        st.dates(datetime(2026, 1, 1).date(), datetime(2031, 1, 1).date()).map(lambda day: [f"UNTIL={day:%Y%m%d}"]),
    ),
)
starts = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)).map(lambda one: one.replace(microsecond=0))


@given(rules, starts, st.integers(0, 1500))
def test_any_rule_yields_at_most_once_a_day_in_order_and_from_anywhere_the_same(raw, start, days):
    rule, since = parse_days(raw), start + timedelta(days=days)
    found = occurrences(rule, start, limit=60)
    assert found == sorted(set(found))
    assert len({one.date() for one in found}) == len(found)
    assert all(one >= start and one.time() == start.time() for one in found)
    if len(found) < 60 or found[-1] >= since:
        later = [one for one in found if one >= since]
        assert occurrences(rule, start, since=since, limit=60)[: len(later)] == later
    assert parse_days(rule.text) == rule


@given(rules, starts, st.integers(1, 20))
def test_any_rule_can_be_cut_anywhere(raw, start, place):
    rule = parse_days(raw)
    whole = occurrences(rule, start, limit=40)
    if len(whole) > place:
        cut = whole[place]
        assert occurrences(rule.ending_before(cut), start) == whole[:place]
        rest = rule.without_first(place)
        # An interval counts from the week of the start, which the cut may only name anew where the rule names its days.
        assert occurrences(rest, cut, limit=len(whole) - place) == whole[place:]


@given(starts, st.sampled_from(["America/New_York", "Australia/Sydney", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"]))
def test_any_local_time_comes_back_except_one_that_is_skipped(clock, name):
    zone = ZoneInfo(name)
    back = to_local(to_utc(clock, zone), zone)
    assert back == clock or timedelta(0) < back - clock <= timedelta(hours=1)


@given(st.text(max_size=60))
def test_any_text_is_a_rule_or_refused(raw):
    try:
        rule = parse(raw)
    except RecurrenceRefused:
        return
    assert rule.frequency


PARTS = [
    "FREQ=DAILY",
    "FREQ=YEARLY",
    "COUNT=3",
    "BYDAY=MO",
    "BYDAY=-1SU",
    "BYMONTHDAY=31,-1",
    "BYYEARDAY=-366",
    "BYSETPOS=-1",
    "INTERVAL=1000",
    "WKST=SU",
    "UNTIL=99991231",
    "BYMONTH=2",
]


@given(st.lists(st.sampled_from(PARTS), max_size=6))
def test_any_parts_expand_or_are_refused(parts):
    try:
        rule = parse_days(";".join(parts))
    except RecurrenceRefused:
        return
    occurrences(rule, NINE, limit=20)
