"""Paths and queries nobody should send: 400 or 404 in the agreed form, never a defect."""

from urllib.parse import quote, urlencode

import pytest

from tests import routes

BAD_IDS = [
    "0", "-1", "9" * 400, "not-a-uuid", "00000000-0000-0000-0000-00000000000", "\x00", "a\x00b", "٣٤٥", "1e5", "%", "%00", "..", "null", "'; drop table x --",
    "\U0001f600", "a b", "{x}", "x" * 5000, "/etc/passwd", "\n", "é", "é", "?", "#", "\\",
]  # fmt: skip
BAD_VALUES = [*BAD_IDS, "", " ", "-0", "1.5", "NaN", "true,false", "99999999999999999999", "2024-02-30", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59+99:99",
              "2024-01-01", "10000-01-01T00:00:00Z", "-infinity", "now", "1" * 5000, "[]", "{}", "a,b", "%25", "--", "-", "\u202e", "\ufffe", "\uffff", "\x7f"]  # fmt: skip
A_UUID = "01900000-0000-7000-8000-000000000000"


@pytest.mark.parametrize("route", [one for one in routes.routes() if "{" in one.id])
def test_path_parameters(route, rows, tenant, admin_engine):
    before = routes.state(admin_engine, tenant)
    mattered = True
    for name in routes.parameters(route):
        for bad in [*BAD_IDS, A_UUID, A_UUID.upper().replace("-", ""), "{" + A_UUID + "}"]:
            answer = rows.ask(route, target=rows.target(route, **{name: bad}))
            if routes.accepted(route, answer):
                # Asking for a portal mail is answered alike for every slug, and whoever leaves the portal says so by the session.
                # A delivery that nobody signed is refused alike at every endpoint.
                assert name in {"slug", "endpoint"}, (bad, answer)
                mattered = False
            else:
                assert (answer.status in {400, 401, 404}, routes.held_out(answer)) == (True, True), (bad, answer)

    assert routes.state(admin_engine, tenant) == before or not mattered


@pytest.mark.parametrize("route", routes.routes("GET"))
def test_query_parameters(route, rows):
    for name, schema in routes.query(route).items():
        refused = 0
        for bad in BAD_VALUES:
            for pairs in ([(name, bad)], [(name, bad), (name, bad)]):
                answer = rows.ask(route, target=f"{rows.target(route)}?{urlencode(pairs)}")
                assert (answer.status in {200, 400, 404}, routes.held_out(answer)) == (True, True), (pairs, answer)
                refused += answer.status == 400
        typed = schema.get("type") != "string" or "format" in schema or "enum" in schema or name in {"cursor", "sort"}
        assert refused >= (len(BAD_VALUES) if typed else 1), (name, refused)
    for wrong in ("shoe_size=1", "%00=1", "=1", "limit=1&limit=2", "limit", "a%5B%5D=1", "&&&", "%ff=%fe", "limit=%EF%BC%91"):
        answer = rows.ask(route, target=f"{rows.target(route)}?{wrong}")
        assert routes.held_out(answer), (wrong, answer)
        assert answer.status == 400 or wrong in {"&&&", "=1"}, (wrong, answer)


@pytest.mark.parametrize("route", routes.routes("GET"))
def test_cursors(route, rows):
    if "cursor" not in routes.query(route):
        return
    target = rows.target(route)
    for bad in ("x", "AAAA", "=", "A" * 4096, "é", "e30", quote("\x00")):
        answer = rows.ask(route, target=f"{target}?cursor={quote(bad)}")
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/query/cursor"), (bad, answer)
