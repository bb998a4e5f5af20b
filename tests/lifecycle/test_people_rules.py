"""The rules by which somebody is found, as tables and with Hypothesis."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.errors import Unprocessable
from clientway.lifecycle.custom_fields import values
from clientway.lifecycle.people.rules import SHARED_FROM, Candidate, compatible, decide
from clientway.lifecycle.reach import rules as reach

NAMES = st.sampled_from(["John", "Jack", "J", "Mary", "Ann", None, "  ", "Zoë"])
CANDIDATES = st.lists(
    st.builds(Candidate, id=st.uuids(), first_name=NAMES, by_email=st.booleans(), verified=st.booleans(), by_phone=st.just(value=True)),
    max_size=5,
    unique_by=lambda one: one.id,
).filter(lambda them: sum(one.by_email for one in them) <= 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("John", "JOHN", True), ("Zoë", "Zoe", True), ("J.", "John", True), ("Jack", "John", True), ("John Paul", "John", True),
        ("Jean-Luc", "Jean", True), ("Bill", "William", True), ("Jo", "John", False), ("Mary", "Mark", False), ("", "John", False),
        (None, None, False), ("  ", "  ", False), ("K", "John", False),
    ],
)  # fmt: skip
def test_first_names_that_can_be_one_persons(one, other, same):
    assert compatible(one, other) is same
    assert compatible(other, one) is same


@given(CANDIDATES, NAMES)
def test_an_e_mail_always_decides(them, name):
    decision = decide(them, name)
    holder = next((one for one in them if one.by_email), None)
    if holder is not None:
        assert decision.match is holder
        assert decision.by == ("verified_email" if holder.verified else "email")


@given(CANDIDATES, NAMES)
def test_a_phone_alone_never_decides(them, name):
    decision = decide(them, name)
    if decision.by == "phone_and_name":
        assert len(them) < SHARED_FROM
        assert compatible(decision.match.first_name, name)
    if not (name or "").strip():
        assert decision.by != "phone_and_name"


@given(CANDIDATES, NAMES)
def test_whoever_shares_the_phone_is_matched_suggested_or_one_of_too_many(them, name):
    decision = decide(them, name)
    told = {decision.match, *decision.suggest} - {None}
    assert decision.match not in decision.suggest
    if len(them) < SHARED_FROM:
        assert told == set(them)
    else:
        assert not decision.suggest


@given(CANDIDATES, NAMES)
def test_the_order_of_the_candidates_is_no_matter(them, name):
    forth, back = decide(them, name), decide(them[::-1], name)
    assert (forth.match, forth.by, set(forth.suggest)) == (back.match, back.by, set(back.suggest))


def test_a_phone_that_two_namesakes_have_decides_nothing():
    two = [Candidate(UUID(int=n), "John", by_phone=True) for n in (1, 2)]
    assert decide(two, "John").match is None
    assert set(decide(two, "John").suggest) == set(two)


KEYS = st.lists(st.tuples(st.sampled_from(["a@x", "b@x", "c@x", "d@x"]), st.booleans()), max_size=4, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [{"key": key, "is_primary": place == 0 and primary} for place, (key, primary) in enumerate(pairs)]
)


@given(KEYS, st.sampled_from([None, "a@x", "e@x"]))
def test_what_is_found_beside_the_primary_is_what_the_database_will_have(rows, primary):
    """As app.change_reach: another of one's own becomes primary and the former stays; an unknown one takes its place."""
    had = next((row["key"] for row in rows if row["is_primary"]), None)
    known = {row["key"] for row in rows}
    after = known if primary in known else (known - {had}) | ({primary} - {None})
    assert set(reach.others({"emails": rows, "phones": []}, email=primary, phone=None)) == after - {primary}


FIELDS = [
    {"id": "1", "key": "size", "kind": "integer", "options": None, "required": False},
    {"id": "2", "key": "tier", "kind": "select", "options": ["gold", "tin"], "required": True},
    {"id": "3", "key": "since", "kind": "date", "options": None, "required": False},
    {"id": "4", "key": "vip", "kind": "boolean", "options": None, "required": False},
    {"id": "5", "key": "rate", "kind": "number", "options": None, "required": False},
    {"id": "6", "key": "nick", "kind": "text", "options": None, "required": False},
]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"size": "3"}, "not_an_integer"), ({"size": True}, "not_an_integer"), ({"size": 3.5}, "not_an_integer"), ({"size": 2**63}, "not_an_integer"),
        ({"tier": "lead"}, "not_an_option"), ({"tier": None}, "required"), ({"since": "2026-02-30"}, "not_a_date"), ({"since": "20260201"}, "not_a_date"),
        ({"vip": 1}, "not_a_boolean"), ({"rate": "1"}, "not_a_number"), ({"rate": 10**400}, "not_a_number"), ({"nick": 1}, "not_text"),
        ({"size": -(2**63) - 1}, "not_an_integer"), ({"since": 20260201}, "not_a_date"), ({"rate": True}, "not_a_number"), ({"tier": 1}, "not_an_option"),
        ({"shoe": 1}, "unknown_field"),
    ],
)  # fmt: skip
def test_a_value_is_of_its_fields_kind(sent, code):
    with pytest.raises(Unprocessable) as refusal:
        values.settle(FIELDS, sent, {}, complete=False)
    assert [(one.pointer, one.code) for one in refusal.value.errors] == [(f"#/custom_fields/{next(iter(sent))}", code)]


def test_what_is_sent_replaces_and_null_clears():
    changed = values.settle(FIELDS, {"size": 4, "vip": None}, {"size": 3, "vip": True, "tier": "tin"}, complete=True)
    assert changed.values == {"size": 4, "tier": "tin"}
    assert changed.rows == [{"field_id": "1", "integer_value": 4}]
    assert changed.cleared == ["4"]


def test_a_value_stands_in_the_column_of_its_kind():
    sent = {"size": -(2**63), "tier": "gold", "since": "2026-02-28", "vip": False, "rate": 0.5, "nick": "Bo"}
    columns = ("integer_value", "text_value", "date_value", "boolean_value", "number_value", "text_value")

    changed = values.settle(FIELDS, sent, {}, complete=True)
    assert changed.values == sent
    assert changed.rows == [
        {"field_id": str(number), column: value} for number, (column, value) in enumerate(zip(columns, sent.values(), strict=True), 1)
    ]
    assert values.settle(FIELDS, {"size": 2**63 - 1}, {}, complete=False).values == {"size": 2**63 - 1}


def test_what_is_required_has_to_be_there_at_the_beginning():
    with pytest.raises(Unprocessable) as refusal:
        values.settle(FIELDS, {}, {}, complete=True)
    assert [(one.pointer, one.code) for one in refusal.value.errors] == [("#/custom_fields/tier", "required")]
    assert values.settle(FIELDS, {"size": 1}, {}, complete=False).values == {"size": 1}
