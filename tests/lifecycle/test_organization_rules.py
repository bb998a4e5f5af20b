"""What a row is found by, and what a search term means."""

import pytest

from clientway.lifecycle.organizations import rules
from clientway.lifecycle.organizations.rules import Term


@pytest.mark.parametrize(
    ("q", "term"),
    [
        ("Blue", Term(pattern="%blue%")),
        ("  Zoë's  Café ", Term(pattern="%zoe's cafe%")),
        ("(305) 555-0123", Term(pattern="%3055550123%")),
        ("+1 305", Term(pattern="%1305%")),
        ("Ann@X.example", Term(pattern="%ann@x.example%")),
        ("100%_\\", Term(pattern=r"%100\%\_\\%")),
        ("7 Seas", Term(pattern="%7 seas%")),
        ("12", Term(prefix="12")),
        ("Zo", Term(prefix="zo")),
        ("&", Term(prefix="and")),
        ("!", Term(prefix="!")),
    ],
)
def test_a_term_is_read_as_a_phone_an_address_or_a_name(q, term):
    assert rules.term(q) == term


@pytest.mark.parametrize("q", ["joe's", "joes", "JOE\u2019S pizza"[:4], "r&g", "3055550123", "ann@x", "crème", "creme"])
def test_a_search_text_is_found_by_every_way_to_write_it(q):
    haystack = rules.search_text(["Joe's R&G Crème", None], [rules.reach("(305) 555-0123", "+13055550123", "ann@x.example")])

    assert rules.term(q).pattern.strip("%") in haystack


@pytest.mark.parametrize(
    ("names", "norm"), [(("The Café, LLC", None), "the cafe"), ((None, "Ann"), "ann"), (("!!!", "Bob"), "!!!"), ((None, None), "")]
)
def test_a_list_is_sorted_by_the_first_name_that_says_anything(names, norm):
    assert rules.name_norm(*names) == norm


@pytest.mark.parametrize(("raw", "state"), [("florida", "FL"), ("tx", "TX"), ("Ontario", "Ontario"), (None, None)])
def test_a_state_of_the_us_is_its_code(raw, state):
    assert rules.us_state(raw) == state
