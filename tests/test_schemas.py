"""What every answer has in common."""

import re

import pytest
from pydantic import ValidationError

from clientway.lifecycle.contacts.schemas import ContactCreate, ContactPatch
from clientway.schemas import Day, Schema, Timestamp


class Moment(Schema):
    """An answer with a time."""

    at: Timestamp | None


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ('"2026-11-21T08:28:54.768873Z"', '"2026-11-21T08:28:54.768873+00:00"'),
        ('"2026-11-21T08:28:54.768870Z"', '"2026-11-21T08:28:54.76887+00:00"'),
        ('"2026-11-21T09:28:54+01:00"', '"2026-11-21T08:28:54+00:00"'),
        ("null", "null"),
    ],
)
def test_a_moment_is_written_as_the_database_writes_it(given, answered):
    assert Moment.model_validate_json(f'{{"at": {given}}}').model_dump_json() == f'{{"at":{answered}}}'


class Due(Schema):
    """A request with a day."""

    on: Day


@pytest.mark.parametrize(
    "written", ["0.5", "1700000000", "", "10:00", 1700000000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_number_is_no_moment_and_what_utc_cannot_say_is_refused(written):
    with pytest.raises(ValidationError):
        Moment.model_validate({"at": written})


@pytest.mark.parametrize("written", ["0", "1699920000", 0, "2026"])
def test_a_number_is_no_day(written):
    with pytest.raises(ValidationError):
        Due.model_validate({"on": written})


def test_the_contract_says_what_may_not_be_cleared():
    members = ContactPatch.model_json_schema()["properties"]

    assert {name for name, schema in members.items() if {"type": "null"} not in schema.get("anyOf", ())} == ContactPatch.REQUIRED
    assert all("default" not in members[name] for name in ContactPatch.REQUIRED)


def test_the_contract_says_that_blanks_are_no_name():
    text = ContactCreate.model_json_schema()["properties"]["first_name"]["anyOf"][0]

    assert (text["minLength"], text["maxLength"]) == (1, 200)
    for name in ("Ana", " Ana ", "\u00a0A"):
        assert re.search(text["pattern"], name)
        assert ContactCreate(first_name=name).first_name == name.strip()
    for blank in (" ", "\u00a0", "\t\n"):
        assert not re.search(text["pattern"], blank)
        with pytest.raises(ValidationError):
            ContactCreate(first_name=blank)
