"""The stand-in for Stripe over HTTP on 127.0.0.1: its API, its pages, and the webhooks that it delivers."""

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from clientway.local.stripe.api import Api
from clientway.local.stripe.books import Books
from clientway.local.stripe.hooks import Deliverer, Trouble
from clientway.local.stripe.pages import Pages
from clientway.local.stripe.store import Store, new_id

logger = logging.getLogger(__name__)

_MOST_BYTES = 1024 * 1024
_SEE_OTHER = 303
_SERVER_ERROR = 500


class FakeStripe:
    """A running stand-in. `books` changes what only time or people change at Stripe, `trouble` makes things go wrong."""

    def __init__(self, file: Path | None = None, *, port: int = 0, clock: Callable[[], float] = time.time) -> None:
        """Bind; `start` begins to serve. Without a file, all is forgotten with the process. Raises OSError for a taken port."""
        self._server = _Server(("127.0.0.1", port), _Handler)
        self.port = int(self._server.server_address[1])
        self.base = f"http://127.0.0.1:{self.port}"
        self.store = Store(file, clock)
        self.books = Books(self.store, self.base)
        self.trouble = Trouble()
        self.pages = Pages(self.books)
        self.deliverer = Deliverer(self.books, self.trouble)
        self._server.api, self._server.pages, self._server.trouble = Api(self.books), self.pages, self.trouble
        self._delivers = False

    def start(self, *, deliver: bool = True) -> "FakeStripe":
        """Serve; with `deliver`, a thread delivers events as well."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="stripe").start()
        self._delivers = deliver
        if deliver:
            self.deliverer.start()
        return self

    def stop(self) -> None:
        """End, with the thread that delivers."""
        self.deliverer.stop()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        if self._delivers:
            # A delivery that is under way may hold it for as long as its listener takes.
            self.deliverer.join(2)
        if not self._delivers or not self.deliverer.is_alive():
            self.store.close()

    def add_account(self, name: str, *, platform: str | None = None, enabled: bool = True) -> tuple[str, str]:
        """An account and a restricted key of it."""
        with self.store.transaction():
            account = self.books.add_account(name, platform=platform, enabled=enabled)["id"]
            key = new_id("rk_test", 32)
            self.store.add_key(key, account)
        return account, key


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Many callers at once are what tests are for.
    request_queue_size = 128
    api: Api
    pages: Pages
    trouble: Trouble

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and remember it."""
        connection, address = super().get_request()
        with self._guard:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that is over."""
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that callers keep open: their threads would go on answering them."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    _PLAIN: ClassVar = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action *",
    }

    def do_GET(self) -> None:
        """Read."""
        self._answer("")

    def do_DELETE(self) -> None:
        """Delete."""
        self._answer("")

    def do_POST(self) -> None:
        """Write."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST_BYTES:
            self.close_connection = True
            self._send(413, "too large", "text/plain", {})
            return
        self._answer(self.rfile.read(length).decode("utf-8", "replace"))

    def _answer(self, form: str) -> None:
        path, _, query = self.path.partition("?")
        try:
            if path.startswith("/v1/"):
                self._call(path, query, form)
            else:
                self._show(path, query, form)
        except (BrokenPipeError, ConnectionResetError):
            # Nobody waits for the answer any more.
            self.close_connection = True
        except Exception:
            logger.exception("%s %s", self.command, path)
            self._send(
                _SERVER_ERROR, json.dumps({"error": {"type": "api_error", "message": "The stand-in broke."}}), "application/json", {}
            )

    def _call(self, path: str, query: str, form: str) -> None:
        trouble = self.server.trouble
        if trouble.slow_seconds:
            time.sleep(trouble.slow_seconds)
        if trouble.fail:
            status = trouble.fail.pop(0)
            error = {"type": "api_error", "message": "An error occurred with our connection to Stripe's stand-in, as asked for."}
            self._send(status, json.dumps({"error": error}), "application/json", {"Request-Id": new_id("req", 14)})
            return
        if trouble.forbid and trouble.forbid in path:
            error = {
                "type": "invalid_request_error",
                "message": "The provided key does not have the required permissions for this endpoint.",
            }
            self._send(403, json.dumps({"error": error}), "application/json", {"Request-Id": new_id("req", 14)})
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.api.handle(self.command, path, query, headers, form)
        if trouble.lose and self.command == "POST":
            trouble.lose -= 1
            self.close_connection = True
            return
        self._send(answer.status, json.dumps(answer.body), "application/json", answer.headers)

    def _show(self, path: str, query: str, form: str) -> None:
        with self.server.pages.books.store.transaction():
            status, body = self.server.pages.post(path, form) if self.command == "POST" else self.server.pages.get(path, query)
        if status == _SEE_OTHER:
            self._send(status, "", "text/plain", {"Location": body})
        else:
            self._send(status, body, "text/html; charset=utf-8", self._PLAIN)

    def _send(self, status: int, body: str, kind: str, headers: dict[str, str]) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its name in http.server)
        """Say nothing: what happens here is shown on the dashboard."""
