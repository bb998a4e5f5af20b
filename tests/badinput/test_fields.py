"""Every field of every body, filled with what nobody should send."""

import json

import pytest

from tests import routes

# Each stands as it is in place of one member of a body that is right otherwise.
FRAGMENTS = [
    "null", "true", "0", "-1", "1.5", "1e999", "-0", "99999999999999999999999", "9" * 4000, '""', '" "', r'"\u0000"', r'"a\u0000b"', r'"\ud800"',
    r'"\udc00\ud800"', r'"\ufffe\uffff"', '"-infinity"', '"0000-00-00"', '"9999-12-31T23:59:59.999999999Z"', '"0001-01-01T00:00:00+14:00"', '"2024-02-30"',
    '"٣"', '"NaN"', '"' + "x" * 30_000 + '"', "[]", "[null]", "[[[]]]", "{}", r'{"\u0000":1}', r'{"\ud800":"\ud800"}', '[""]', r'["\u0000"]', "[{}]",
    r'[{"a":"\u0000"}]', r'[{"\u0000":""}]', '{"a":{"b":[]}}', '"00000000-0000-0000-0000-000000000000"', '"urn:uuid:00000000-0000-0000-0000-000000000000"',
]  # fmt: skip


@pytest.mark.parametrize("route", routes.routes("POST", "PATCH", "PUT"))
def test_every_field_holds_out(route, rows, tenant, admin_engine):
    for name in routes.properties(route):
        rest = json.dumps({**rows.body(route), name: "=HERE="})
        bodies = [rest.replace('"=HERE="', fragment).encode() for fragment in FRAGMENTS]
        refused = []
        for body in bodies:
            answer = rows.ask(route, raw=body)
            if not routes.accepted(route, answer):
                assert routes.refused_in_form(answer), (body[:200], answer)
                assert answer.status in {400, 403, 404, 409, 412, 422}, (body[:200], answer)
                refused.append((body, answer))
        assert any(f"#/{name}" in one["pointer"] for _, answer in refused for one in answer.json.get("errors", ())), name
        # Once more, now that what could be written was: refusals alone leave everything as it is.
        before = routes.state(admin_engine, tenant)
        if all(rows.ask(route, raw=body).status == answer.status for body, answer in refused):
            assert routes.state(admin_engine, tenant) == before, name
