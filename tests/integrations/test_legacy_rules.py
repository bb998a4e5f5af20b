"""What old values mean and what a changed row may overwrite: pure rules, as tables and with Hypothesis."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.integrations.imports.candidates import Refusal
from clientway.integrations.legacy import mapping, merging, values
from clientway.integrations.legacy.columns import COLUMNS
from clientway.integrations.legacy.reading import Kind, Row
from clientway.lifecycle.stages.rules import Stage

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (1_700_000_000, "2023-11-14T22:13:20+00:00"),
        ("1700000000", "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_123, "2023-11-14T22:13:20+00:00"),
        (1_700_000_000_123_456, "2023-11-14T22:13:20+00:00"),
        (1.7e9, "2023-11-14T22:13:20+00:00"),
        ("2023-11-14", "2023-11-14T00:00:00+00:00"),
        ("20231114", "2023-11-14T00:00:00+00:00"),
        ("2023-11-14 22:13:20", "2023-11-14T22:13:20+00:00"),
        ("2023-11-14T22:13:20.999Z", "2023-11-14T22:13:20+00:00"),
        ("2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20+00:00"),
        *((raw, None) for raw in (None, "", 0, -1, "yesterday", "N/A", float("nan"), float("inf"), 1e300, "2023-13-45", 10**40)),
    ],
)
def test_times_come_in_many_units(raw, meant):
    found = values.moment(raw)

    assert (found and found.isoformat()) == meant


@pytest.mark.parametrize(
    ("hours", "minutes"), [(1.5, 90), ("2", 120), (0, 0), ("0.01", 1), (-1, None), ("many", None), (None, None), (1e9, None)]
)
def test_hours_become_minutes(hours, minutes):
    assert values.minutes(hours) == minutes


@pytest.mark.parametrize(
    ("raw", "cents"), [(49_900, 49_900), ("49,900", 49_900), (499.5, None), (-1, None), ("free", None), (49_900.0, 49_900)]
)
def test_cents_are_whole(raw, cents):
    assert values.cents(raw) == cents


@pytest.mark.parametrize(("raw", "cents"), [(1234.5, 123_450), ("$1,234.50", 123_450), ("1e6", None), (-5, None)])
def test_dollars_become_cents(raw, cents):
    assert values.cents_of_dollars(raw) == cents


@pytest.mark.parametrize(
    ("raw", "tags"),
    [('["VIP", 7, null, {"a": 1}]', ["vip", "7"]), ("a; B,a,", ["a", "b"]), ("[broken", ["[broken"]), (None, []), ("x" * 99, ["x" * 60])],
)
def test_tags_are_a_json_array_or_words(raw, tags):
    assert values.words(raw) == tags


def read(kind, **row):
    return mapping.given(Row(1, row), kind, COLUMNS[kind], region="US", lost_zeros=False)


@pytest.mark.parametrize(
    ("kind", "row", "stage"),
    [
        (Kind.LEAD, {"business_name": "A", "status": "active"}, Stage.PROSPECT),
        (Kind.LEAD, {"business_name": "A", "status": " Active "}, Stage.PROSPECT),
        (Kind.LEAD, {"business_name": "A", "status": "inactive"}, Stage.LEAD),
        (Kind.LEAD, {"business_name": "A"}, Stage.LEAD),
        (Kind.CLIENT, {"name": "A", "support_plan_status": "active"}, Stage.CLIENT),
        (Kind.CLIENT, {"name": "A", "support_plan_status": "active", "status": "churned"}, Stage.CHURNED),
        (Kind.CLIENT, {"name": "A", "support_plan_started": 1_700_000_000}, Stage.CLIENT),
        (Kind.CLIENT, {"name": "A"}, Stage.PROSPECT),
        (Kind.HUBSPOT, {"email": "a@b.example", "lifecyclestage": "customer"}, None),
        (Kind.HUBSPOT, {"email": "a@b.example", "company": "A", "lifecyclestage": "customer"}, Stage.LEAD),
    ],
)
def test_where_a_row_stands(kind, row, stage):
    assert read(kind, **row).stage == stage


def test_hubspots_stage_is_kept_as_a_tag():
    assert read(Kind.HUBSPOT, email="a@b.example", lifecyclestage="salesqualifiedlead").tags == ("hubspot salesqualifiedlead",)


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"name": "Ana's", "company": "Ana LLC"}, ("Ana LLC", "Ana's")),
        ({"name": "Ana's"}, ("Ana's", "Ana's")),
        ({"company": "Ana LLC"}, ("Ana LLC", None)),
        ({"email": "ana@b.example"}, ("ana@b.example", None)),
    ],
)
def test_the_view_decides_which_name_is_the_legal_one(row, names):
    found = read(Kind.CLIENT, **row).organization

    assert (found["legal_name"], found["dba_name"]) == names


scalars = st.one_of(st.none(), st.text(max_size=30), st.integers(-(10**20), 10**20), st.floats(), st.binary(max_size=20))


# The first call loads phonenumbers, which takes its time.
@given(kind=st.sampled_from(list(Kind)), data=st.data())
def test_any_row_is_read_the_same_each_time_and_fits_json(kind, data):
    names = sorted({name for columns in COLUMNS[kind].values() for name in columns})
    row = data.draw(st.dictionaries(st.sampled_from(names), scalars, max_size=12))

    first, second = read(kind, **row), read(kind, **row)

    assert first == second
    if not isinstance(first, Refusal):
        assert first.source_id
        json.dumps(first.said, allow_nan=False)
        assert merging.marks(first.said, KEY) == merging.marks(json.loads(json.dumps(second.said)), KEY)
        assert not first.contact or first.contact.get("email_norm") or first.contact.get("phone")


FIELDS = ("email", "email_norm", "phone", "phone_e164", "address_line1", "city", "state", "zip", "country", "title", "website_url")
records = st.fixed_dictionaries({name: st.one_of(st.none(), st.sampled_from(["a", "b", "c"])) for name in FIELDS})


def marked(row):
    return merging.marks({f"t.{name}": value for name, value in row.items()}, KEY)


@given(there=records, new=records, last=records)
def test_what_somebody_here_wrote_is_never_overwritten(there, new, last):
    found, kept = merging.changes("t", dict(there), new, marked(last), KEY)

    for name in found:
        assert there[name] in (None, last[name], new[name], "US")
    assert not set(kept) & set(found)


@given(there=records, new=records, last=records)
def test_taking_a_row_twice_changes_nothing_more(there, new, last):
    found, _ = merging.changes("t", dict(there), new, marked(last), KEY)
    after = {**there, **found}

    again, _ = merging.changes("t", dict(after), new, marked(new), KEY)

    assert not again or all(after[name] is not None and new[name] is None for name in again)


@given(before=records, new=records)
def test_what_changed_there_alone_is_taken(before, new):
    found, kept = merging.changes("t", dict(before), new, marked(before), KEY)

    assert not kept
    assert all({**before, **found}[name] == value for name, value in new.items() if value is not None)


def test_marks_tell_nothing_but_sameness():
    assert merging.mark("ana@juniper.example", KEY) != merging.mark("ana@juniper.example", b"x" * 32)
    assert merging.mark(30.0, KEY) == merging.mark(30, KEY) != merging.mark("30", KEY)


@pytest.mark.parametrize(
    ("there", "given_notes", "after"),
    [(None, "a", "a"), ("ours", "a", "ours\na"), ("ours a", "a", None), ("ours", None, None), (None, None, None)],
)
def test_notes_are_added_once(there, given_notes, after):
    assert merging.notes(there, given_notes) == after
