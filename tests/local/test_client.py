"""The client against a server that is busy, away or somebody else's, one scripted answer after the other."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from clientway.local import client as client_module
from clientway.local.client import ApiError, Client, RefusedError, UnreachableError, in_words

KEY = "cw_key"


class Scripted(ThreadingHTTPServer):
    """Gives the answers of `script` in turn: (status, headers, body), or None to hang up."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.seen = [], []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        step = self.server.script.pop(0)
        if step is None:
            self.connection.close()
            return
        status, headers, content = step
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, *_):
        pass


OK = (200, {}, b'{"fine": true}')


def problem(status, headers=None, **more):
    return (
        status,
        {"Content-Type": "application/problem+json", **(headers or {})},
        json.dumps({"title": "T", "status": status, **more}).encode(),
    )


@pytest.fixture
def server():
    server = Scripted()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits(monkeypatch):
    """Nobody waits in a test; what would have been waited for is kept."""
    kept = []
    monkeypatch.setattr(client_module.time, "sleep", kept.append)
    return kept


def test_what_passes_is_tried_again_with_the_same_key_as_long_as_it_asks_for(server, waits):
    server.script = [
        problem(429, {"Retry-After": "3"}, detail="Too many requests."), problem(503, {"Retry-After": "0"}), problem(409, {"Retry-After": "1"}),
        (502, {}, b"bad gateway"), None, OK,
    ]  # fmt: skip
    notices = []

    answer = Client(server.url, KEY, notice=notices.append).post("/api/imports", {"source": "ü"})

    assert answer.json == {"fine": True}
    assert waits == [3.0, 0.5, 1.0, 4.0, 8.0]
    assert notices[0] == "Too many requests. Trying again in 3 s."
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.seen}) == 1
    assert {(headers["Authorization"], headers["Content-Type"], body) for _, _, headers, body in server.seen} == {
        ("Bearer cw_key", "application/json", b'{"source": "\\u00fc"}')
    }


def test_patience_ends_with_the_servers_own_words(server, waits):
    server.script = [problem(503, {"Retry-After": "3600"}, detail="The database is away.")]

    with pytest.raises(RefusedError, match=r"The database is away\."):
        Client(server.url, KEY).get("/api/imports")
    assert waits == []


def test_a_date_to_come_back_at_is_understood(server, waits):
    from email.utils import formatdate

    server.script = [problem(429, {"Retry-After": formatdate(time.time() + 20, usegmt=True)}), OK]

    Client(server.url, KEY).get("/")

    assert 15 < waits[0] <= 20


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_what_does_not_pass_is_not_repeated(server, waits, status):
    server.script = [problem(status, detail="No.")]

    with pytest.raises(RefusedError) as refused:
        Client(server.url, KEY).post("/api/imports/x/commit")
    assert (refused.value.status, str(refused.value), len(server.seen), waits) == (status, "No.", 1, [])


def test_a_file_is_put_without_key_and_type_and_put_again(server, waits, tmp_path):
    file = tmp_path / "list.csv"
    file.write_bytes(b"name\nBlue Bistro\n")
    server.script = [(503, {}, b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"), (200, {}, b"")]
    notices = []

    Client("http://127.0.0.1:9", KEY, notice=notices.append).put_file(f"{server.url}/bucket/key?X-Amz-Signature=1", file)

    assert [(command, path, body) for command, path, _, body in server.seen] == [
        ("PUT", "/bucket/key?X-Amz-Signature=1", file.read_bytes())
    ] * 2
    assert not {"Authorization", "Content-Type", "Content-type"} & set(server.seen[0][2])
    assert "Reduce your rate" in notices[0]


def test_the_key_follows_no_redirect(server):
    server.script = [(307, {"Location": "http://elsewhere.example/"}, b"")]

    with pytest.raises(RefusedError, match=r"sends callers on to http://elsewhere\.example/"):
        Client(server.url, KEY).get("/api/imports")


def test_somebody_elses_server_is_told_apart(server):
    server.script = [(404, {"Content-Type": "text/html"}, b"<html>not  here</html>"), (200, {}, b"<html>hello</html>")]
    client = Client(server.url, KEY)

    with pytest.raises(RefusedError, match="404 <html>not here</html>"):
        client.get("/api/imports")
    with pytest.raises(ApiError, match="not Clientway's"):
        _ = client.get("/").json


def test_who_never_answered_is_not_waited_for(waits):
    with pytest.raises(UnreachableError, match=r"No server answers at http://127\.0\.0\.1:9: connection refused"):
        Client("http://127.0.0.1:9", KEY).get("/")
    assert waits == []


def test_a_problem_reads_as_lines():
    document = {
        "title": "T",
        "detail": "Wrong.",
        "errors": [{"pointer": "#/mapping/a~1b", "message": "no such column"}],
        "legal": ["undo", "cancel"],
    }

    assert in_words(document) == "Wrong.\n  mapping/a/b: no such column\n  possible now: undo, cancel"


@pytest.mark.parametrize("url", ["", "localhost:3000", "ftp://a", "http://", "http://a:port", "http://a?b=c"])
def test_no_address_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        Client(url, KEY)
