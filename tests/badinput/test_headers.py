"""Headers nobody should send: refused in the agreed form or not minded, never a defect."""

import pytest

from tests import routes

HEADERS = {
    "if-match": ["", "*", "garbage", '"', '""', '"1', "-1", '"-1"', '"1.0"', '"' + "9" * 30 + '"', '"1","2"', "W/", '"٣"', "٣", "\x00", '"²"', "é", "x" * 8000],
    "idempotency-key": ["", " ", "x" * 256, "\x00", "a\x00", "é", "\U0001f600", "٣", "'", "%00", "\t", "x" * 8000],
    "authorization": ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer " + "x" * 8000, "bearer cw_key_", "Bearer é", "Bearer \x00", "Digest x, Bearer y",
                      "Bearer cw_key_" + "A" * 43 + "00000000", "Bearer cw_key_" + "А" * 43 + "00000000", "\U0001f600"],
    "cookie": ["", "=", ";;;", "__Host-clientway", "__Host-clientway=", "__Host-clientway=x", "__Host-clientway=" + "x" * 8000, "__Host-clientway=\x00", '__Host-clientway="', "é=é", "[]=1"],
    "content-type": ["", "application/json;", "application/json; charset=utf-16", "text/html", "x", "/", "\x00", "é", "application/json, text/plain"],
    "user-agent": ["\x00", "x" * 8000, "é\U0001f600", ""],
    "x-forwarded-for": ["\x00", "x", "1.2.3.4, é", "x" * 8000],
    "accept": ["\x00", "image/png"],
    "host": ["\x00", "é"],
}  # fmt: skip
EVERYTHING = {"GET /api/organizations", "PATCH /api/organizations/{organization_id}", "GET /api/me"}


@pytest.mark.parametrize("route", routes.routes())
def test_headers(route, rows):
    # A path's module has all of its methods: what is changed is read before, what is made is not there yet.
    matches = route.method in {"PATCH", "PUT", "DELETE"} and "if_match(" in routes.source(route)
    read = {"if-match"} if matches else {"idempotency-key"} if route.method == "POST" else set()
    # What the edge reads of every request alike is tried where whoever likes may call, and with a read and a change.
    read |= {"authorization"} if routes.needs_a_credential(route) and routes.key(route) not in EVERYTHING else set(HEADERS)
    for name, values in HEADERS.items():
        if name not in read:
            continue
        for value in values:
            answer = rows.ask(route, headers={name: value})
            assert routes.held_out(answer) or name == "cookie", (name, value, answer)
            if name == "authorization" and rows.token(route) and routes.needs_a_credential(route):
                assert answer.status == 401, (value, answer)
            if name == "if-match" and matches:
                assert answer.status >= 400, (value, answer)
    answer = rows.ask(route, token=None, headers={"cookie": "__Host-clientway=x; __Host-clientway-portal=y", "x-clientway-csrf": "1"})
    assert answer.status == 401 or (routes.held_out(answer) and not routes.needs_a_credential(route)), answer
