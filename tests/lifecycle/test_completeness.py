import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.lifecycle.organizations.completeness import (
    LOCATION_WEIGHTS,
    ORGANIZATION_WEIGHTS,
    data_completeness,
    location_completeness,
)

RATINGS = [(data_completeness, ORGANIZATION_WEIGHTS), (location_completeness, LOCATION_WEIGHTS)]
both = pytest.mark.parametrize(("rate", "weights"), RATINGS, ids=["organization", "location"])
values = st.sampled_from([None, "", " ", "x", 0, False])


@both
def test_everything_is_a_hundred_and_nothing_is_zero(rate, weights):
    assert rate(dict.fromkeys(weights, "x")).percent == 100
    assert rate(dict.fromkeys(weights)).percent == 0


@both
@given(data=st.data())
def test_percent_is_the_weight_of_what_is_not_missing(rate, weights, data):
    facts = {field: data.draw(values) for field in weights}
    rated = rate(facts)

    assert rated.percent == sum(weights[field] for field in weights if field not in rated.missing)
    assert set(rated.missing) == {field for field, value in facts.items() if value in (None, "", " ")}


@both
@given(data=st.data())
def test_learning_something_never_lowers_it(rate, weights, data):
    facts = {field: data.draw(values) for field in weights}
    field = data.draw(st.sampled_from(sorted(weights)))

    assert rate(facts | {field: "known"}).percent >= rate(facts).percent


def test_the_weightiest_gap_comes_first():
    facts = dict.fromkeys(ORGANIZATION_WEIGHTS, "x") | {"contact.role_type": None, "contact.email": " ", "location.phone": None}

    assert data_completeness(facts).missing == ("contact.email", "location.phone", "contact.role_type")


def test_zero_is_an_answer():
    facts = dict.fromkeys(LOCATION_WEIGHTS) | {"seating_capacity": 0}

    assert location_completeness(facts).percent == LOCATION_WEIGHTS["seating_capacity"]


@both
def test_a_misspelt_field_is_an_error_not_a_gap(rate, weights):
    with pytest.raises(KeyError):
        rate({field.upper(): "x" for field in weights})
