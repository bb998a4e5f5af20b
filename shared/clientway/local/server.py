"""The HTTP API on one machine: API Gateway's routing, events (payload format 2.0), limits and refusals, in front of the worker pool."""

import base64
import binascii
import json
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from clientway.local.template import Route
from clientway.local.workers import FunctionError, TimedOutError, WorkerDiedError

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 10 * 1024 * 1024
_DRAIN_BYTES = 10 * MAX_BODY_BYTES

Invoke = Callable[[str, dict[str, Any]], Any]
Authorize = Callable[[str | None], dict[str, str] | None]
Local = Callable[["Request"], "Answer | None"]


@dataclass(frozen=True)
class Request:
    """An HTTP request as it came in; header names keep their order and repetitions."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    source_ip: str = "127.0.0.1"
    source_port: int = 0

    def header(self, name: str) -> str | None:
        """Return the first header of this name, or None."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def path(self) -> str:
        """The path without the query, still percent-encoded."""
        return self.target.partition("?")[0] or "/"

    @property
    def query(self) -> str:
        """The query, still percent-encoded."""
        return self.target.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


class Router:
    """Finds the most specific route: fixed segments before {parameters}, those before {greedy+}, and a named method before ANY."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Put the routes in order of preference."""

        def specificity(route: Route) -> tuple[list[int], bool]:
            return [_rank(segment) for segment in _segments(route.path)], route.method == "ANY"

        self._default = [route for route in routes if route.path is None or route.path == "$default"]
        self._routes = sorted((route for route in routes if route not in self._default), key=specificity)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route for a percent-encoded path and its decoded path parameters; None is API Gateway's 404, for methods as well."""
        for route in self._routes:
            if route.method in {method, "ANY"}:
                parameters = _bind(_segments(route.path), _segments(path))
                if parameters is not None:
                    return route, parameters
        return (self._default[0], {}) if self._default else None


class Gateway:
    """Turns requests into events, invokes the route's function and turns what it returns into answers."""

    def __init__(self, routes: Iterable[Route], invoke: Invoke, authorize: Authorize | None = None, local: Local | None = None) -> None:
        """Without `authorize`, routes with an authorizer refuse everybody. `local` answers what is this machine's own and no API's."""
        self._local = local or (lambda _request: None)
        self._router = Router(list(routes))
        self._invoke = invoke
        self._authorize = authorize or (lambda _header: None)

    def handle(self, request: Request) -> Answer:
        """Answer one request. Never raises for what a client sends or a function does."""
        return self._local(request) or self._routed(request)

    def _routed(self, request: Request) -> Answer:
        matched = self._router.match(request.method, request.path)
        if matched is None:
            return _message(404, "Not Found")
        route, parameters = matched
        claims = None
        if route.authorizer:
            claims = self._authorize(request.header("authorization"))
            if claims is None:
                return _message(401, "Unauthorized", ("www-authenticate", "Bearer"))
        try:
            return answer_from(self._invoke(route.handler, build_event(request, route, parameters, claims)))
        except TimedOutError:
            return _message(503, "Service Unavailable")
        except WorkerDiedError:
            return _message(502, "Internal Server Error")
        except (FunctionError, TypeError, ValueError) as error:
            logger.warning("%s: %s", route.function, error)
            return _message(500, "Internal Server Error")


def build_event(request: Request, route: Route, parameters: Mapping[str, str], claims: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Build the event of payload format 2.0. Optional fields are absent, not empty, as API Gateway has it."""
    now = datetime.now(UTC)
    path = unquote(request.path)
    route_key = f"{route.method} {route.path}" if route.path not in {None, "$default"} else "$default"
    headers: dict[str, str] = {}
    for name, value in request.headers:
        key = name.lower()
        if key != "cookie":
            headers[key] = f"{headers[key]},{value}" if key in headers else value
    # The gateway is the first trusted hop: it appends the address it sees.
    headers["x-forwarded-for"] = ", ".join(filter(None, [headers.get("x-forwarded-for"), request.source_ip]))
    headers.setdefault("x-forwarded-proto", "http")
    cookies = [crumb.strip() for name, value in request.headers if name.lower() == "cookie" for crumb in value.split(";") if crumb.strip()]
    query: dict[str, str] = {}
    for name, value in parse_qsl(request.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    context: dict[str, Any] = {
        "accountId": "123456789012",
        "apiId": "local",
        "domainName": headers.get("host", "localhost"),
        "domainPrefix": "local",
        "http": {
            "method": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": uuid.uuid4().hex,
        "routeKey": route_key,
        "stage": "$default",
        "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(now.timestamp() * 1000),
    }
    if claims is not None:
        context["authorizer"] = {"jwt": {"claims": dict(claims), "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": context,
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = dict(parameters)
    if request.body:
        try:
            event["body"] = request.body.decode()
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(request.body).decode()
            event["isBase64Encoded"] = True
    return event


def answer_from(result: Any) -> Answer:
    """Turn a handler's return value into an answer; without a statusCode it is the JSON body of a 200.

    Raises ValueError or TypeError for a malformed one, which API Gateway answers with 500.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result if isinstance(result, str) else json.dumps(result)
        return Answer(200, [("content-type", "application/json")], body.encode())
    status = int(result["statusCode"])
    if not 200 <= status <= 599:  # noqa: PLR2004
        raise ValueError(f"statusCode {status}")
    headers = [(str(name).lower(), _header_value(value)) for name, value in (result.get("headers") or {}).items()]
    headers += [("set-cookie", _header_value(cookie)) for cookie in result.get("cookies") or []]
    text = result.get("body")
    body = "" if text is None else text if isinstance(text, str) else json.dumps(text)
    try:
        content = base64.b64decode(body, validate=True) if result.get("isBase64Encoded") else body.encode()
    except binascii.Error as error:
        raise ValueError("isBase64Encoded, but the body is not base64") from error
    if content and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    return Answer(status, headers, content)


def serve(gateway: Gateway, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """Bind the server; the caller runs its serve_forever. Raises OSError when the port is taken."""

    class Handler(_Handler):
        pass

    Handler.gateway = gateway
    return _Server((host, port), Handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away in the middle of an answer are no news."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    gateway: Gateway
    protocol_version = "HTTP/1.1"
    server_version = "clientway"
    sys_version = ""
    # Headers and body leave in one segment; without it a small answer waits for the client's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 75

    def version_string(self) -> str:
        """Name the product only, in the Server header."""
        return self.server_version

    def handle_any(self) -> None:
        began = time.perf_counter()
        answer = self._refuse_body() or self.gateway.handle(self._request())
        self._send(answer)
        elapsed = (time.perf_counter() - began) * 1000
        # Without the query: it may hold what no log should.
        logger.info("%s %s %d %.0f ms", self.command, self.path.partition("?")[0], answer.status, elapsed)

    def __getattr__(self, name: str) -> Any:
        """Take `do_GET` and all its kind for handle_any: a method that no route has is the gateway's 404, not http.server's 501."""
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name
        """Say nothing here: `handle_any` logs one line a request."""

    def _refuse_body(self) -> Answer | None:
        length = self.headers.get("content-length", "0")
        if self.headers.get("transfer-encoding"):
            refusal = _message(411, "Length Required")
        elif not (length.isascii() and length.isdigit()):
            refusal = _message(400, "Bad Request")
        elif int(length) > MAX_BODY_BYTES:
            refusal = _message(413, "Request Entity Too Large")
            if self.headers.get("expect", "").lower() != "100-continue":
                self._drain()
        else:
            return None
        # The body is not understood, so neither is what follows it on this connection.
        self.close_connection = True
        return refusal

    def handle_expect_100(self) -> bool:
        """Refuse a body before the client sends it, or ask for it at once: the answer must not wait in the write buffer."""
        if refusal := self._refuse_body():
            self._send(refusal)
            return False
        agreed = super().handle_expect_100()
        self.wfile.flush()
        return agreed

    def _drain(self) -> None:
        """Read what a client sends in spite of everything: closing on unread data would reset the connection and lose the answer."""
        left = min(int(self.headers["content-length"]), _DRAIN_BYTES)
        while left > 0 and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)

    def _request(self) -> Request:
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionAbortedError("The client went away in the middle of its body.")
        target = self.path if self.path.startswith("/") else "/" + self.path.partition("://")[2].partition("/")[2]
        return Request(self.command, target, self.headers.items(), body, *self.client_address[:2])

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name not in {"content-length", "connection", "transfer-encoding"}:
                self.send_header(name, value)
        bodiless = answer.status in {204, 304}
        if not bodiless:
            self.send_header("content-length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if not bodiless and self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()


def _segments(path: str | None) -> list[str]:
    return (path or "/").removeprefix("/").split("/")


def _rank(segment: str) -> int:
    """Order of a template segment: fixed, {parameter}, {greedy+}."""
    if not (segment.startswith("{") and segment.endswith("}")):
        return 0
    return 2 if segment.endswith("+}") else 1


def _bind(pattern: list[str], path: list[str]) -> dict[str, str] | None:
    """Match path segments with a template's; return the decoded parameters. Splitting before decoding keeps %2F inside a segment."""
    parameters: dict[str, str] = {}
    for index, segment in enumerate(pattern):
        rank = _rank(segment)
        if index >= len(path) or (rank and not path[index]):
            return None
        if rank == 2:  # noqa: PLR2004
            return {**parameters, segment[1:-2]: unquote("/".join(path[index:]))}
        if rank == 1:
            parameters[segment[1:-1]] = unquote(path[index])
        elif segment != unquote(path[index]):
            return None
    return parameters if len(pattern) == len(path) else None


def _header_value(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "\r" in text or "\n" in text:
        raise ValueError("a header with a line break")
    text.encode("latin-1")
    return text


def _message(status: int, message: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, [("content-type", "application/json"), *headers], json.dumps({"message": message}).encode())
