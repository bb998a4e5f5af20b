"""Whether two records are one person's: the parts, the levels, and the FEBRL data that the weights were tuned on."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import dedupe
from clientway.lifecycle.duplicates.rules import AUTOMATIC, SUGGEST, address, compare, keys, person
from clientway.lifecycle.duplicates.similarity import best_jaro_winkler, edits, jaro_winkler, soundex

HOME = address("12 Oak Street", None, "Springfield", "62704", "IL")
PHONE = "+13055550123"


def ana(**changed):
    return person(**{"first": "Ana", "last": "Ruiz", **changed})


def results(one, other):
    return {reason.part: reason.result for reason in compare(one, other).reasons}


@pytest.mark.parametrize(
    ("word", "code"), [("robert", "R163"), ("rupert", "R163"), ("ashcraft", "A261"), ("tymczak", "T522"), ("pfister", "P236"), ("1", "")]
)
def test_soundex(word, code):
    assert soundex(word) == code


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [("martha", "marhta", 0.961), ("dwayne", "duane", 0.84), ("dixon", "dicksonx", 0.813), ("a", "", 0), ("a", "b", 0)],
)
def test_jaro_winkler(one, other, alike):
    assert jaro_winkler(one, other) == pytest.approx(alike, abs=0.001)


@given(st.text("abc", min_size=1, max_size=8), st.text("abc", min_size=1, max_size=8))
def test_the_letters_in_common_bound_the_likeness(one, other):
    common = sum(min(one.count(letter), other.count(letter)) for letter in set(one))

    assert jaro_winkler(one, other) <= best_jaro_winkler(one, other, common) + 1e-9
    assert edits(one, other, 8) >= max(len(one), len(other)) - common


@pytest.mark.parametrize(
    ("one", "other", "count"), [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abcd", 1), ("abc", "xyz", 3), ("abcdef", "a", 3)]
)
def test_edits(one, other, count):
    assert edits(one, other, 2) == count


@pytest.mark.parametrize(
    ("changed", "part", "result"),
    [
        ({"first": "Ruiz", "last": "Ana"}, "name", "first and last name the other way round"),
        ({"first": "Anna"}, "first_name", "nearly agrees"),
        ({"first": "A"}, "first_name", "initial"),
        ({"first": "Zoe"}, "first_name", "differs"),
        ({"born": "1980-03-21"}, "birth_date", "one digit differs or two are swapped"),
        ({"born": "1980-12-03"}, "birth_date", "day and month the other way round"),
        ({"born": "1980-03-27"}, "birth_date", "two of year, month and day agree"),
        ({"born": "1951-07-28"}, "birth_date", "differs"),
        ({"emails": ["a.na+shop@home.example"]}, "email", "same but for dots or a plus tag"),
        ({"phones": [PHONE]}, "phone", "agrees"),
        ({"addresses": [address("12 Oak St", None, "Springfield", "62704", "il")]}, "street", "agrees"),
        ({"addresses": [address("Rear", "Oak Street", "Springfield", "62704", "IL", number="12")]}, "street", "agrees"),
        ({"addresses": [address("21 Oak St", None, "Springfield", "62740", "IL")]}, "postcode", "one digit differs or two are swapped"),
    ],
)
def test_each_part(changed, part, result):
    born = "1980-03-12"
    whole = ana(born=born, emails=["ana@home.example"], phones=[PHONE], addresses=[HOME])

    assert results(whole, ana(**{"born": born, **changed}))[part] == result


@pytest.mark.parametrize(
    ("short", "full"), [("Bob", "Robert"), ("Liz", "Elizabeth"), ("Alex", "Alexandra"), ("Alex", "Alexander"), ("Bill", "Will")]
)
def test_nicknames(short, full):
    assert results(person(short, "Ray"), person(full, "Ray"))["first_name"] == "short for the other"


def test_a_phone_alone_is_a_suggestion_and_a_mailbox_of_nobody_says_nothing():
    assert compare(person("Ana", None, phones=[PHONE]), person(None, None, phones=[PHONE])).match == "suggestion"
    assert compare(person("Ana", None, emails=["noreply@x.example"]), person("Zoe", None, emails=["noreply@x.example"])).match is None


def test_name_and_phone_are_one_person():
    assert compare(ana(phones=[PHONE]), ana(phones=[PHONE])).match == "automatic"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(person("Luis", "Ruiz", phones=[PHONE], addresses=[HOME]), id="spouses"),
        pytest.param(person("Ana", "Ruiz", born="1951-07-28", phones=[PHONE], addresses=[HOME]), id="mother and daughter of one name"),
        pytest.param(person(None, "Ruiz", phones=[PHONE], addresses=[HOME]), id="nobody in particular of the household"),
    ],
)
def test_a_household_is_never_one_person_by_itself(other):
    verdict = compare(ana(born="1980-03-12", phones=[PHONE], addresses=[HOME]), other)

    assert verdict.match == "suggestion"
    assert verdict.reasons[-1].part == "limit"


def test_two_of_one_common_name_are_not_shown():
    assert compare(person("John", "Smith"), person("John", "Smith")).score < SUGGEST


words = st.one_of(st.none(), st.sampled_from(["ana", "anna", "ruiz", "ruis", "bob", "robert", "o'neill"]), st.text(max_size=8))
addresses = st.builds(address, words, words, words, st.sampled_from(["62704", "62740", "", None]), words)
people = st.builds(
    person,
    words,
    words,
    born=st.sampled_from([None, "1980-03-12", "1980-12-03", "19511231", "?"]),
    emails=st.lists(st.sampled_from(["a@x.example", "a+b@x.example"]), max_size=2),
    phones=st.lists(st.sampled_from([PHONE, "+13055550124"]), max_size=2),
    addresses=st.lists(addresses, max_size=2),
)


@given(people, people)
def test_the_score_is_the_sum_of_its_reasons_and_knows_no_order(one, other):
    verdict = compare(one, other)

    assert sum(reason.points for reason in verdict.reasons) == verdict.score
    assert 0 <= verdict.score <= 100
    assert compare(other, one).score == verdict.score
    assert (verdict.match == "automatic") == (verdict.score >= AUTOMATIC)


@given(people)
def test_a_record_and_its_copy_meet_whenever_they_would_be_shown(one):
    assert not compare(one, one).match or keys(one)


@pytest.mark.skipif(not dedupe.DATA.exists(), reason="../shared/data/dedupe is not there")
@pytest.mark.parametrize("name", dedupe.SETS)
def test_the_matcher_reaches_its_targets(name):
    found = dedupe.measure(name)

    assert found.automatic_precision >= 0.99
    assert found.automatic_recall >= 0.7
    assert found.suggestion_recall >= 0.95
    assert found.suggestion_precision >= 0.95
    assert found.compared < 0.01 * len(list(combinations(range(1000), 2))) * (1 if name == "febrl1" else 25)
