"""The local gateway: routing, events, answers, limits and authorization as API Gateway has them."""

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from clientway.local.authorizer import JwtAuthorizer
from clientway.local.server import (
    MAX_BODY_BYTES,
    Gateway,
    Request,
    Router,
    answer_from,
    build_event,
    serve,
)
from clientway.local.template import Route
from clientway.local.workers import FunctionError, TimedOutError, WorkerDiedError


def route(path: str, method: str = "GET", authorizer: str | None = None) -> Route:
    return Route("Function", f"handler of {method} {path}", method, path, authorizer)


ROUTES = [
    route("/{proxy+}", "ANY"),
    route("/api/{kind}"),
    route("/api/people"),
    route("/api/{kind}/{id}", "ANY"),
    route("/api/people/{id}", "POST"),
]


@pytest.mark.parametrize(
    ("method", "path", "expected", "parameters"),
    [
        ("GET", "/api/people", "/api/people", {}),
        ("GET", "/api/deals", "/api/{kind}", {"kind": "deals"}),
        ("POST", "/api/people/a%2Fb%20c", "/api/people/{id}", {"id": "a/b c"}),
        ("GET", "/api/people/7", "/api/{kind}/{id}", {"kind": "people", "id": "7"}),
        ("GET", "/x/y/z", "/{proxy+}", {"proxy": "x/y/z"}),
        ("DELETE", "/api/people", "/{proxy+}", {"proxy": "api/people"}),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, expected: str, parameters: dict[str, str]) -> None:
    matched = Router(ROUTES).match(method, path)
    assert matched is not None
    assert (matched[0].path, matched[1]) == (expected, parameters)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/people"), ("GET", "/api/people/"), ("GET", "/api//x"), ("GET", "/"), ("GET", "//api/people")]
)
def test_other_methods_slashes_and_paths_are_not_found(method: str, path: str) -> None:
    answer = Gateway([route("/api/people"), route("/api/{a}/{b}")], lambda *_: {}).handle(Request(method, path))
    assert (answer.status, answer.body) == (404, b'{"message": "Not Found"}')


def test_the_event_has_the_shape_of_payload_format_2() -> None:
    headers = [("Host", "x"), ("Accept", "a"), ("accept", "b"), ("Cookie", "one=1; two=2"), ("X-Forwarded-For", "9.9.9.9")]
    request = Request("POST", "/api/ann%20e?tag=a&tag=b%26&empty=", headers, "é".encode(), "10.0.0.1")
    event = build_event(request, route("/api/{name}", "POST"), {"name": "ann e"}, {"sub": "u1"})
    assert event["rawPath"] == "/api/ann e"
    assert event["rawQueryString"] == "tag=a&tag=b%26&empty="
    assert event["queryStringParameters"] == {"tag": "a,b&", "empty": ""}
    assert event["headers"] == {"host": "x", "accept": "a,b", "x-forwarded-for": "9.9.9.9, 10.0.0.1", "x-forwarded-proto": "http"}
    assert event["cookies"] == ["one=1", "two=2"]
    assert event["pathParameters"] == {"name": "ann e"}
    assert (event["body"], event["isBase64Encoded"]) == ("é", False)
    assert event["routeKey"] == "POST /api/{name}"
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["authorizer"] == {"jwt": {"claims": {"sub": "u1"}, "scopes": None}}


def test_absent_things_are_absent_and_binary_bodies_are_encoded() -> None:
    bare = build_event(Request("GET", "/a"), route("/a"), {})
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & set(bare)
    binary = build_event(Request("GET", "/a", body=b"\xff\x00"), route("/a"), {})
    assert (base64.b64decode(binary["body"]), binary["isBase64Encoded"]) == (b"\xff\x00", True)


def test_answers_carry_cookies_and_bytes() -> None:
    body = base64.b64encode(b"\xff").decode()
    result = {"statusCode": 201, "headers": {"X-A": 1}, "cookies": ["a=1", "b=2"], "body": body, "isBase64Encoded": True}
    answer = answer_from(result)
    assert (answer.status, answer.body) == (201, b"\xff")
    assert list(answer.headers)[:3] == [("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
    assert answer_from({"plain": 1}).body == b'{"plain": 1}'


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (FunctionError("ValueError", "no"), 500),
        (WorkerDiedError(), 502),
        (TimedOutError(1), 503),
        ({"statusCode": "x"}, 500),
        ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, 500),
        ({"statusCode": 200, "body": "%", "isBase64Encoded": True}, 500),
    ],
)
def test_failures_of_functions(outcome: Any, status: int) -> None:
    def invoke(_handler: str, _event: dict[str, Any]) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert Gateway([route("/a")], invoke).handle(Request("GET", "/a")).status == status


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    def invoke(_handler: str, event: dict[str, Any]) -> dict[str, Any]:
        if event["requestContext"]["http"]["method"] == "DELETE":
            return {"statusCode": 204}
        return {"statusCode": 200, "cookies": ["a=1", "b=2"], "body": json.dumps({"length": len(event.get("body", ""))})}

    server = serve(Gateway([route("/a", "ANY")], invoke), 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    client = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    yield client
    client.close()
    server.shutdown()
    server.server_close()
    thread.join()


def test_over_the_wire(connection: http.client.HTTPConnection) -> None:
    for _ in range(2):  # the second on the same connection
        connection.request("POST", "/a?x=1", "héllo".encode())
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)) == (200, {"length": 5})
        assert answer.headers.get_all("set-cookie") == ["a=1", "b=2"]
    connection.request("DELETE", "/a")
    assert connection.getresponse().read() == b""


def test_a_body_over_ten_megabytes_is_refused_also_after_it_was_sent(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/a", b" " * (MAX_BODY_BYTES + 1))
    assert connection.getresponse().status == 413


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "QUERY"])
def test_a_method_that_no_route_has_is_not_found(connection: http.client.HTTPConnection, method: str) -> None:
    connection.request(method, "/b")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (404, b'{"message": "Not Found"}')


@pytest.mark.parametrize(("length", "status"), [(5, b"100"), (MAX_BODY_BYTES + 1, b"413")])
def test_a_client_that_asks_first_is_told_at_once(connection: http.client.HTTPConnection, length: int, status: bytes) -> None:
    with socket.create_connection((connection.host, connection.port), timeout=2) as client:
        client.sendall(f"POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
        assert client.recv(100).split()[1] == status


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ISSUER = "https://issuer.example"


@pytest.fixture
def authorize() -> Iterator[JwtAuthorizer]:
    """An authorizer whose issuer publishes KEY."""
    published = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "k1", "use": "sig", "alg": "RS256"}

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [published]}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
            pass

    server = HTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield JwtAuthorizer(ISSUER, "app", f"http://127.0.0.1:{server.server_address[1]}/keys")
    server.shutdown()
    server.server_close()
    thread.join()


def token(key: Any = KEY, algorithm: str = "RS256", **changes: Any) -> str:
    claims = {
        "iss": ISSUER,
        "aud": "app",
        "sub": "u1",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "groups": ["a", "b"],
        "ok": True,
        **changes,
    }
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm, headers={"kid": "k1"})


def test_a_good_token_passes_its_claims_on_as_text(authorize: JwtAuthorizer) -> None:
    claims = authorize(f"Bearer {token()}")
    assert claims is not None
    assert (claims["sub"], claims["groups"], claims["ok"]) == ("u1", "[a b]", "true")
    assert authorize(f"Bearer {token(aud=None, client_id='app')}") is not None


def test_bad_tokens_are_refused(authorize: JwtAuthorizer) -> None:
    past = datetime.now(UTC) - timedelta(minutes=5)
    bad = [
        token(OTHER_KEY),
        token(aud="other"),
        token(iss="https://other"),
        token(exp=past),
        token(exp=None),
        token("k" * 32, "HS256"),
        "rubbish",
    ]
    for wrong in bad:
        assert authorize(f"Bearer {wrong}") is None
    assert authorize(None) is None
    assert authorize(f"Basic {token()}") is None
    assert JwtAuthorizer("", "")(f"Bearer {token()}") is None


def test_a_guarded_route_answers_401_without_a_token() -> None:
    gateway = Gateway([route("/a", authorizer="Oidc")], lambda *_: {"statusCode": 200}, lambda header: {"sub": "u"} if header else None)
    refused = gateway.handle(Request("GET", "/a"))
    assert (refused.status, refused.body) == (401, b'{"message": "Unauthorized"}')
    assert gateway.handle(Request("GET", "/a", [("Authorization", "x")])).status == 200
