"""Ids stand in the order in which they were made."""

from itertools import count

from clientway import ids


def test_what_is_made_one_after_the_other_is_in_order(monkeypatch):
    # A quarter of a microsecond apart, which is sooner than any two can be made; over the end of a millisecond.
    clock = count(1_800_000_000_000_900_000, 250)
    monkeypatch.setattr(ids.time, "time_ns", lambda: next(clock))
    made = [ids.uuid7() for _ in range(1000)]

    assert made == sorted(made)
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert made[0].int >> 80 == 1_800_000_000_000
    assert made[-1].int >> 80 == 1_800_000_000_001
