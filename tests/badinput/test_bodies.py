"""Bodies nobody should send, to every route that takes one: refused in the agreed form, with nothing half-written."""

import base64
import json

import pytest

from tests import routes
from tests.data import shared_data

WHOLE = {
    "blanks": (b" \n", 400), "a mark before it": (b"\xef\xbb\xbf{}", 400), "null": (b"null", 422), "an array": (b"[]", 422), "a word": (b'"x"', 422),
    "a number": (b"5", 422), "a member twice": (b'{"a":1,"a":1}', 400), "not a number": (b'{"a":NaN}', 400), "no end of nesting": (b"[" * 100_000, 400),
    "nesting with an end": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, 400), "five thousand digits": (b'{"a":' + b"1" * 5000 + b"}", 400),
    "too long": (b'{"a":"' + b"x" * 256 * 1024 + b'"}', 413), "an unknown member": (b'{"shoe_size":5}', 422), "UTF-16": ('{"a":1}'.encode("utf-16"), 400),
    "a lone surrogate's bytes": (b'{"a":"\xed\xa0\x80"}', 400), "a name that is no text": (rb'{"\ud800":1}', 400), "half a character": (rb'{"a":"x\udc00"}', 400),
}  # fmt: skip


def takes_a_body(route):
    return routes.body_schema(route) is not None


@pytest.mark.parametrize("route", routes.routes("POST", "PATCH", "PUT"))
def test_bodies_that_are_not_json_are_refused_and_none_is_a_defect(route, rows, tenant, admin_engine):
    before = routes.state(admin_engine, tenant)
    for line in shared_data("torture/json_bodies_a.jsonl").read_text().splitlines():
        one = json.loads(line)
        answer = rows.ask(route, raw=base64.b64decode(one["base64"]))
        if takes_a_body(route) or (one["expect"] == "must be rejected" and one["base64"]):
            assert routes.refused_in_form(answer), (one["name"], answer)
        if one["expect"] == "must be rejected" and one["base64"]:
            assert answer.status == 400, (one["name"], answer)

        assert answer.status < 500, one["name"]
    if takes_a_body(route):
        assert routes.state(admin_engine, tenant) == before


@pytest.mark.parametrize("route", routes.routes("POST", "PATCH", "PUT"))
def test_bodies_wrong_as_a_whole(route, rows, tenant, admin_engine):
    if not takes_a_body(route):
        assert routes.accepted(route, rows.ask(route)), "a body that is not asked for is not missed"
        return
    before = routes.state(admin_engine, tenant)
    for name, (content, status) in WHOLE.items():
        answer = rows.ask(route, raw=content)
        assert (answer.status, routes.refused_in_form(answer)) == (status, True), (name, answer)
    answer = rows.ask(route, raw=b"")
    assert routes.refused_in_form(answer), answer
    for kind in ("text/plain", "application/xml", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
        answer = rows.ask(route, raw=b"a=b", headers={"content-type": kind})
        assert (answer.status, routes.refused_in_form(answer)) == (415, True), (kind, answer)

    assert routes.state(admin_engine, tenant) == before


@pytest.mark.parametrize("route", routes.routes("POST", "PATCH", "PUT"))
def test_base64_that_is_none(route, rows):
    from clientway.local.server import Request, answer_from, build_event

    for body in ("====", "a", "é", "//79", "!!!!"):
        event = build_event(Request(route.method, rows.target(route), [("content-type", "application/json")]), route, {})
        event |= {"body": body, "isBase64Encoded": True}
        answer = routes.reply(answer_from(routes.invoke(route.handler, event)))
        assert (answer.status, answer.json["code"]) == (400, "malformed"), (body, answer)
