"""What every answer has in common."""

import pytest

from clientway.schemas import Schema, Timestamp


class Moment(Schema):
    """An answer with a time."""

    at: Timestamp | None


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ('"2026-11-21T08:28:54.768873Z"', '"2026-11-21T08:28:54.768873+00:00"'),
        ('"2026-11-21T09:28:54+01:00"', '"2026-11-21T08:28:54+00:00"'),
        ("null", "null"),
    ],
)
def test_a_moment_is_written_as_the_database_writes_it(given, answered):
    assert Moment.model_validate_json(f'{{"at": {given}}}').model_dump_json() == f'{{"at":{answered}}}'
