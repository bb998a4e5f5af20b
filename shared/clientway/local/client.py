"""The HTTP API as a command needs it: one key, refusals as typed errors, and repeats that do nothing twice."""

import email.utils
import http.client
import json
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

PATIENCE = 60.0
"""Seconds that a server which is busy or away is waited for, all waits of one call together."""
_TIMEOUT = 35  # API Gateway gives up after 30 s.
_UPLOAD_TIMEOUT = 300
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_XML_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)


class ApiError(Exception):
    """What a command cannot go on after; the message is for its user."""


class UnreachableError(ApiError):
    """Nobody answers there, or nobody who speaks HTTP."""


class RefusedError(ApiError):
    """The server refused a request, with its problem document; empty when it sent none."""

    def __init__(self, status: int, document: Mapping[str, Any], message: str) -> None:
        """Keep the answer."""
        super().__init__(message)
        self.status, self.document = status, document


@dataclass(frozen=True)
class Answer:
    """A successful answer."""

    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed. Raises ApiError when it is not JSON: then it is not our server that answered."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ApiError(f"This answer is not Clientway's: {_brief(self.body)}") from None


@dataclass(frozen=True)
class _Failure:
    """A try that failed, and whether another one may do better."""

    error: ApiError
    may_pass: bool
    wait: float | None = None


class Client:
    """Calls one server with one key."""

    def __init__(self, url: str, key: str, *, notice: Callable[[str], None] = lambda _message: None) -> None:
        """Take the server's address and key; `notice` is told of waits. Raises ValueError for what is no address or no key."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"“{url}” is not a server's address, as http://127.0.0.1:3000 is")
        _ = parts.port  # raises ValueError for a number that is no port
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("the API key has characters that no key has")
        self.url = url.rstrip("/")
        self._key, self._notice, self._met = key, notice, False

    def get(self, path: str) -> Answer:
        """GET a path. Raises RefusedError, UnreachableError."""
        return self._insist(lambda: self._send("GET", path))

    def post(self, path: str, body: Any = None) -> Answer:
        """POST JSON; one Idempotency-Key goes along with all its repeats. Raises RefusedError, UnreachableError."""
        headers = {"Idempotency-Key": str(uuid4()), "Content-Type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        return self._insist(lambda: self._send("POST", path, content, headers))

    def put_file(self, url: str, file: Path) -> None:
        """PUT a file's bytes to a presigned URL, which is its own credential. Raises RefusedError, UnreachableError, OSError."""
        with file.open("rb") as content:
            headers = {"Content-Length": str(file.stat().st_size)}

            def send() -> Answer:
                content.seek(0)
                request = urllib.request.Request(url, content, headers, method="PUT")  # noqa: S310  (our server gave the address)
                return _answer(request, _UPLOAD_TIMEOUT)

            self._insist(send)

    def _send(self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        own = {"Authorization": f"Bearer {self._key}", "Accept": "application/json, text/csv", "User-Agent": "clientway-cli"}
        request = urllib.request.Request(self.url + path, content, {**own, **(headers or {})}, method=method)  # noqa: S310  (the scheme was checked)
        return _answer(request, _TIMEOUT)

    def _insist(self, send: Callable[[], Answer]) -> Answer:
        """Send until there is an answer; what does not pass by itself, or not within our patience, is raised."""
        until = time.monotonic() + PATIENCE
        usual = _FIRST_PAUSE
        while True:
            try:
                answer = send()
            except urllib.error.HTTPError as refusal:
                self._met = True
                with refusal:
                    failure = self._refused(refusal)
            except (OSError, http.client.HTTPException) as lost:
                failure = self._lost(lost)
            else:
                self._met = True
                return answer
            wait = usual if failure.wait is None else max(failure.wait, _FIRST_PAUSE)
            if not failure.may_pass or time.monotonic() + wait > until:
                raise failure.error
            self._notice(f"{str(failure.error).splitlines()[0]} Trying again in {wait:.3g} s.")
            time.sleep(wait)
            usual = min(usual * 2, _LONGEST_PAUSE)

    def _lost(self, lost: Exception) -> _Failure:
        reason = getattr(lost, "reason", lost)
        words = (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).strip()
        error = UnreachableError(f"No server answers at {self.url}: {words[:1].lower()}{words[1:].rstrip('.')}.")
        # Who was never there will not come up within a minute; a server that restarts does.
        return _Failure(error, may_pass=self._met and not isinstance(reason, ssl.SSLCertVerificationError))

    def _refused(self, refusal: urllib.error.HTTPError) -> _Failure:
        body, status = refusal.read(), refusal.code
        if status < HTTPStatus.BAD_REQUEST:
            return _Failure(RefusedError(status, {}, f"{self.url} sends callers on to {refusal.headers.get('Location')}."), may_pass=False)
        wait = _seconds(refusal.headers.get("Retry-After"))
        # A 409 that says when to come back: an earlier try of this very request is still being worked on.
        may_pass = status in _PASSING or (status == HTTPStatus.CONFLICT and wait is not None)
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict) or "title" not in document:
            # Not ours: a gateway, the file store, or somebody else's server.
            said = document.get("message") if isinstance(document, dict) else _brief(body)
            return _Failure(RefusedError(status, {}, f"{status} {said or refusal.reason}"), may_pass, wait)
        return _Failure(RefusedError(status, document, in_words(document)), may_pass, wait)


def in_words(document: Mapping[str, Any]) -> str:
    """A problem document as lines: what is wrong, each faulty place, and what would be legal."""
    lines = [str(document.get("detail") or document.get("title"))]
    for one in document.get("errors") or []:
        place = str(one.get("pointer", "")).removeprefix("#").strip("/").replace("~1", "/").replace("~0", "~")
        lines.append(f"{place}: {one.get('message')}" if place else str(one.get("message")))
    if legal := document.get("legal"):
        lines.append(f"possible now: {', '.join(map(str, legal))}")
    return "\n  ".join(lines)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The key goes nowhere but to its server."""

    def redirect_request(self, *_: Any) -> None:
        """Follow no redirect: it is raised as what it is."""


class _NoGuessedType(urllib.request.BaseHandler):
    """Takes away the form type that urllib gives to any body without one: a presigned URL may be signed for none."""

    handler_order = 900  # after urllib has added it

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        """Send no Content-Type that was not given."""
        request.unredirected_hdrs.pop("Content-type", None)
        return request

    https_request = http_request


def _answer(request: urllib.request.Request, timeout: float) -> Answer:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects(), _NoGuessedType()]
    if urlsplit(request.full_url).hostname in _LOOPBACK:
        # A proxy cannot reach this machine by these names.
        handlers.append(urllib.request.ProxyHandler({}))
    with urllib.request.build_opener(*handlers).open(request, timeout=timeout) as response:
        return Answer(response.read())


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for: seconds or a date (RFC 9110, 10.2.3)."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _brief(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    found = _XML_MESSAGE.search(text)
    return " ".join((found[1] if found else text).split())[:200]
