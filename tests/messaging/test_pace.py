"""How a worker feels out what a provider takes: how many at once, how long it waits, and when it leaves it alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientway.messaging.delivery.calls import AT_ONCE
from clientway.messaging.delivery.pace import MOST_TROUBLES, Pace

OK, TOO_MUCH, TROUBLE = "answered", "throttled", "troubled"


def felt(*waves):
    """A pace that has felt these waves, and width, wait and tiredness after each."""
    pace, found = Pace(), []
    for wave in waves:
        pace.felt(wave)
        found.append((pace.width, pace.wait, pace.tired))
    return found


@pytest.mark.parametrize(
    ("waves", "after"),
    [
        ([[OK]] * 4, [(6, 0, False), (12, 0, False), (AT_ONCE, 0, False), (AT_ONCE, 0, False)]),
        # Something was taken: a second will do, after each until as many as can be went well.
        (
            [[OK], [OK, TOO_MUCH], [OK], [OK], [OK], [OK]],
            [(6, 0, False), (3, 1, False), (6, 1, False), (12, 1, False), (AT_ONCE, 1, False), (AT_ONCE, 0, False)],
        ),
        ([[OK, TOO_MUCH]] * 9, [(1, 1, False)] * 9),
        # Nothing was: ever longer, and then another time.
        ([[TOO_MUCH]] * 4, [(1, 1, False), (1, 2, False), (1, 4, False), (1, 0, True)]),
        ([[TOO_MUCH], [TOO_MUCH], [OK], [TOO_MUCH]], [(1, 1, False), (1, 2, False), (2, 1, False), (1, 1, False)]),
        # A trouble takes nothing either.
        ([[TOO_MUCH], [TROUBLE], [TOO_MUCH]], [(1, 1, False), (1, 1, False), (1, 2, False)]),
        # Three in a row are the provider's, also in two waves, also with others between them that were too much.
        ([[TROUBLE] * 3], [(1, 0, True)]),
        ([[OK, TROUBLE, TROUBLE], [TROUBLE, OK]], [(1, 0, False), (1, 0, True)]),
        ([[TROUBLE, TROUBLE], [TOO_MUCH], [TROUBLE]], [(1, 0, False), (1, 1, False), (1, 0, True)]),
        ([[TROUBLE, TROUBLE, OK, TROUBLE, TROUBLE], [OK]], [(1, 0, False), (2, 0, False)]),
        # Seen in the middle of a wave, too.
        ([[TROUBLE, TROUBLE, TROUBLE, OK]], [(1, 0, True)]),
    ],
)
def test_after_each_wave(waves, after):
    assert felt(*waves) == after


@given(st.lists(st.lists(st.sampled_from([OK, TOO_MUCH, TROUBLE]), min_size=1, max_size=AT_ONCE), max_size=30))
def test_whatever_comes(waves):
    before = (MOST_TROUBLES, 0)
    for wave, now in zip(waves, felt(*waves), strict=True):
        width, wait, tired = now
        assert 1 <= width <= AT_ONCE
        assert (width > before[0]) <= (set(wave) == {OK})
        assert (wait > before[1]) <= (TOO_MUCH in wave)
        assert (wait > 0) >= (TOO_MUCH in wave and not tired)
        before = width, wait


def test_the_first_wave_is_as_small_as_it_takes_to_see_that_a_provider_is_away():
    assert Pace().width == MOST_TROUBLES


def test_who_was_to_be_left_alone_is_so_whatever_came_of_the_rest_of_the_wave():
    pace = Pace()
    pace.felt(["troubled", "troubled", "troubled", "answered", "troubled"])
    assert pace.tired
