"""The big list of naughty strings, wherever people write: kept as written, or refused; never something else."""

import json
import re
from urllib.parse import urlencode

import pytest

from tests import routes
from tests.data import shared_data

# What else a keyboard, a clipboard or another system brings along.
MORE = [
    "\u00a0Ana\u00a0", "\u3000全角\u3000", "\ufeffmark", "a\u200bb", "\u202eevil", "e\u0301", "\u1112\u1161\u11ab", "ﬁ", "Ⅳ", "\U0001f469\u200d\U0001f373", "\U000e0001", "\ufffe\uffff",
    "line\none", "tab\tone", "\r\n", "\x1b[31m", "\x01\x7f", "\u2028", "%s%n{0}{{}}", "$(id)", "' or 1=1 --", "\\", "\\x00", "\\u0000", ":name", "%", "_", "a,b", '"', "NULL", "=1+1", "١٢٣",
]  # fmt: skip
SPACE = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
"""Unicode's White_Space: what is trimmed off both ends of a line."""


@pytest.fixture(scope="module")
def strings():
    return [*json.loads(shared_data("torture/blns_a.json").read_text()), *MORE]


def route(name):
    return next(one for one in routes.ROUTES if routes.key(one) == name)


NEW = [
    ("organizations", "POST /api/organizations", ("legal_name", "dba_name", "source_campaign", "industry")),
    ("contacts", "POST /api/organizations/{organization_id}/contacts", ("first_name", "last_name", "title", "phone")),
    ("locations", "POST /api/organizations/{organization_id}/locations", ("name", "address_line1", "city", "pos_system")),
]
LONGEST = 100
"""Characters that the shortest of these fields takes."""


def kept(answer, fields, given):
    if answer.status == 422:
        assert not given.strip(SPACE) or len(given.strip(SPACE)) > LONGEST, (given, answer)
        assert {one["pointer"].removeprefix("#/") for one in answer.json["errors"]} <= set(fields)
        return False
    assert answer.status in {200, 201}, (given, answer)
    assert {answer.json[field] for field in fields} == {given.strip(SPACE)}, given
    return True


@pytest.mark.parametrize(("table", "name", "fields"), NEW)
def test_a_line_is_kept_trimmed_or_refused(rows, strings, table, name, fields):
    """Changed each time; every tenth is also made anew, with the slug that comes of it, and read again."""
    change = route(f"PATCH /api/{table}/{{{table[:-1]}_id}}")
    version, count = '"1"', 0
    for number, given in enumerate(strings):
        answer = rows.ask(change, dict.fromkeys(fields, given), headers={"if-match": version})
        if not kept(answer, fields, given):
            continue
        count += 1
        version = answer.headers["etag"]
        if number % 10 == 0:
            made = rows.ask(route(name), dict.fromkeys(fields, given))
            assert kept(made, fields, given)
            assert re.fullmatch("[a-z0-9][a-z0-9-]*", made.json["slug"]), (given, made)
            again = routes.send("GET", f"/api/{table}/{made.json['id']}", token=rows.tenant.admin)
            assert kept(again, fields, given)
    assert count > 0.9 * len(strings)


@pytest.mark.parametrize("name", ["GET /api/organizations", "GET /api/admin/contacts"])
def test_what_is_written_is_found_by_itself_and_nothing_breaks(rows, strings, admin_engine, name):
    listing = route(name)
    for given in strings:
        answer = routes.send("GET", f"{listing.path}?{urlencode({'q': given, 'limit': 5})}", token=rows.tenant.admin)
        assert answer.status == 200 or routes.is_problem(answer), (given, answer)
        if answer.status == 400:
            assert not given or len(given) > 200, given
    for given in (
        "a,b",
        "50% off",
        "under_score",
        "back\\slash",
        "Zoë's",
        "日本料理店",
        "#1 \U0001f363 Bar",
        "Ана",
        "مطعم الشام",
        "<b>Bold</b>",
        "'); drop table x; --",
    ):
        made = rows.ask(route("POST /api/organizations"), {"legal_name": given})
        rows.ask(
            route("POST /api/organizations/{organization_id}/contacts"),
            {"first_name": given},
            target=f"/api/organizations/{made.json['id']}/contacts",
        )
        found = routes.send("GET", f"{listing.path}?{urlencode({'q': given})}", token=rows.tenant.admin).json["data"]
        names = {one.get("legal_name") or one.get("first_name") for one in found}
        assert names == {given}, given


def test_notes_and_tags_are_kept(rows, strings):
    create, read = route("POST /api/organizations"), route("PATCH /api/organizations/{organization_id}")
    version = '"1"'
    for given in strings:
        answer = rows.ask(read, {"notes": given, "tags": [given]}, headers={"if-match": version})
        if answer.status == 422:
            assert answer.json["errors"][0]["pointer"] == "#/tags/0", (given, answer)
            assert not given.strip(SPACE) or len(given.strip(SPACE)) > 60, given
            continue
        assert answer.status == 200, (given, answer)
        version = answer.headers["etag"]
        assert (answer.json["notes"], answer.json["tags"]) == (given, [given.strip(SPACE)])
    many = rows.ask(create, {"legal_name": "Blue Bistro", "tags": [one for one in strings if 0 < len(one.strip(SPACE)) <= 60][:50]})
    assert many.status == 201


def test_activities_are_kept(rows, strings):
    for given in strings:
        answer = rows.ask(
            route("POST /api/organizations/{organization_id}/activity"),
            {"activity_type": "note_added", "title": "Note", "description": given, "metadata": {given: given}},
        )
        assert answer.status == 201, (given, answer)
        assert (answer.json["description"], answer.json["metadata"]) == (given, {given: given})
