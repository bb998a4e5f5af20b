"""The mailbox's pages: what anybody wrote is shown and never runs, and only this machine's own pages press its buttons."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest

from clientway.local.messages.pages import Pages
from clientway.local.messages.providers import Providers
from clientway.local.peers import is_ours
from clientway.local.server import Answer, Gateway, Request, serve

EVIL = '<script>alert("1")</script>'
NUMBER, OURS = "+14155552671", "+14155550100"


@pytest.fixture
def fake():
    made = Providers()
    yield made
    made._server.server_close()
    made.store.close()


@pytest.fixture
def ask(fake):
    """A request to the page as a browser makes it; returns status, headers and body."""
    pages = Pages(fake, "http://127.0.0.1:3000")

    def made(method, target, form=None, **headers):
        named = {"host": "127.0.0.1:3000", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if method == "POST":
            named.setdefault("origin", f"http://{named['host']}")
        answer = pages.answer(Request(method, target, list(named.items()), urlencode(form or {}).encode()))
        return answer.status, dict(answer.headers), answer.body.decode()

    return made


def mail(fake, *, subject="Menus", text="Hello", html=None, url="http://127.0.0.1:3000/u/abc", configuration="clientway", **more):
    body = {"Text": {"Data": text}, **({"Html": {"Data": html}} if html else {})}
    headers = [("List-Unsubscribe", f"<{url}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")] if url else []
    simple = {"Subject": {"Data": subject}, "Body": body, "Headers": [{"Name": name, "Value": value} for name, value in headers]}
    given = {"FromEmailAddress": "Demo <a@x.example>", "Destination": {"ToAddresses": ["ana@x.example"]}, "Content": {"Simple": simple}}
    tags = [{"Name": "kind", "Value": "campaign_send"}]
    return fake.take("email", {**given, "ConfigurationSetName": configuration, "EmailTags": tags, **more})


def text(fake, body="Hello"):
    given = {"DestinationPhoneNumber": NUMBER, "OriginationIdentity": OURS, "MessageBody": body, "ConfigurationSetName": "clientway"}
    return fake.take("sms", {**given, "Context": {"kind": "reminder"}})


def test_nothing_that_was_written_becomes_markup(fake, ask):
    one = mail(fake, subject=EVIL, text=EVIL, html=EVIL + '<a href="https://x.example/?a=1&amp;b=%22%3E">go</a>')
    spoken = text(fake, EVIL)
    fake.reply(fake.store.find(spoken), EVIL)
    paths = ["/mailbox", f"/mailbox?to={EVIL}", f"/mailbox/{one}", f"/mailbox/{one}?view=text", f"/mailbox/{one}?view=headers",
             f"/mailbox/{one}?view={EVIL}&note={EVIL}", f"/mailbox/{spoken}"]  # fmt: skip
    for path in paths:
        status, headers, body = ask("GET", path)
        assert status == 200, path
        assert "<script" not in body, path
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "script-src" not in headers["content-security-policy"]
    assert "&lt;script&gt;" in ask("GET", f"/mailbox/{one}")[2]


def test_a_mails_html_stands_in_a_frame_that_can_do_nothing(fake, ask):
    one = mail(fake, html=EVIL)
    _, _, page = ask("GET", f"/mailbox/{one}")
    assert f'<iframe src="/mailbox/{one}/html"' in page
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    status, headers, body = ask("GET", f"/mailbox/{one}/html")
    policy = headers["content-security-policy"]
    assert (status, EVIL in body) == (200, True)
    # Opened by itself, the policy is all that holds it.
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert ask("GET", f"/mailbox/{mail(fake)}/html")[0] == 404


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"host": "localhost:3000"}, 200),
        ("GET", {"host": "rebound.example"}, 403),
        ("GET", {"host": "127.0.0.1.evil.example"}, 403),
        ("POST", {"origin": "https://evil.example"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("POST", {"origin": "http://127.0.0.1:4000"}, 403),
        ("POST", {}, 303),
    ],
)
def test_other_sites_neither_read_nor_press(fake, ask, method, headers, status):
    one = mail(fake)
    assert ask(method, f"/mailbox/{one}/bounce" if method == "POST" else "/mailbox", **headers)[0] == status
    assert ("bounce" in [event.name for event in fake.store.events([fake.store.find(one)])]) == (status == 303)


def test_other_users_of_the_machine_are_refused(fake, tmp_path):
    pages = Pages(fake, "http://127.0.0.1")
    gateway = Gateway([], lambda *_: None, None, pages.answer)
    server = serve(gateway, 0)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    # As its own user first, which also loads what a stranger could not read.
    look = "import os, sys; from urllib.request import urlopen; print(urlopen(sys.argv[1]).status); os.setuid(65534); urlopen(sys.argv[1])"
    command = [sys.executable, "-S", "-c", look, f"http://127.0.0.1:{server.server_address[1]}/mailbox"]
    try:
        seen = subprocess.run(command, capture_output=True, check=False)
        assert seen.stdout.split() == [b"200"]
        # Only the administrator can become a stranger.
        if os.getuid() == 0 and Path("/proc/net/tcp").exists():
            assert b"HTTP Error 403" in seen.stderr, seen
    finally:
        server.shutdown()
        server.server_close()

    line = "   0: {}:1F90 0100007F:0BB8 01 00000000:00000000 00:00000000 00000000 {:5} 0 1 1 0 20 4 30 10 -1\n"
    table = tmp_path / "tcp"
    here = "0100007F" if sys.byteorder == "little" else "7F000001"
    for owner, ours in ((os.getuid(), True), (0, True), (os.getuid() + 4711, False)):
        table.write_text("  sl  local_address ...\n" + line.format(here, owner))
        assert is_ours("127.0.0.1", 8080, table) is ours
    assert is_ours("127.0.0.1", 8081, table)
    assert is_ours("127.0.0.1", 8080, tmp_path / "nothing")


def test_buttons_make_the_providers_events(fake, ask):
    one = mail(fake, html='<a href="https://x.example/?a=1&amp;b=2">go</a>')
    _, _, page = ask("GET", f"/mailbox/{one}")
    assert '<option value="https://x.example/?a=1&amp;b=2">' in page
    for what in ("open", "machine", "click", "bounce", "complaint"):
        assert ask("POST", f"/mailbox/{one}/{what}", {"link": "https://x.example/"})[0] == 303
    names = {event.name for event in fake.store.events([fake.store.find(one)])}
    assert names == {"sent", "delivered", "open", "machine", "click https://x.example/", "bounce", "complaint"}
    for what in ("reply", "blocked", "sent", "nonsense"):
        assert ask("POST", f"/mailbox/{one}/{what}", {"text": "x"})[0] == 404


def test_a_conversation_is_answered(fake, ask):
    one = text(fake)
    for word in ("HELP", "  ", "STOP"):
        assert ask("POST", f"/mailbox/{one}/reply", {"text": word})[0] == 303
    said = [(message.incoming, message.text[:9]) for message in fake.store.conversation(NUMBER)]
    # The provider answers its keywords by itself.
    assert said == [(False, "Hello"), (True, "HELP"), (False, "Reply STO"), (True, "STOP"), (False, "You have ")]
    answer = next(message for message in fake.store.conversation(NUMBER) if message.incoming)
    # Of what came in, nothing becomes; its page shows the conversation.
    assert ask("POST", f"/mailbox/{answer.id}/reply", {"text": "x"})[0] == 404
    status, _, page = ask("GET", f"/mailbox/{answer.id}")
    assert (status, page.count('class="them')) == (200, 2)
    assert ask("POST", f"/mailbox/{one}/blocked")[0] == 303
    assert ask("POST", f"/mailbox/{one}/bounce")[0] == 404


def test_one_click_is_a_post_to_this_machine_alone(fake):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(
                (self.path, self.headers["Content-Type"], self.headers["Cookie"], self.rfile.read(int(self.headers["Content-Length"])))
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        own = f"http://127.0.0.1:{server.server_address[1]}"
        pages = Pages(fake, own)
        headers = [("host", "127.0.0.1"), ("cookie", "a=b")]
        foreign = mail(fake, url="http://127.0.0.2:1/u/abc")
        answer = pages.answer(Request("POST", f"/mailbox/{foreign}/unsubscribe", headers))
        assert "no%20address" in dict(answer.headers)["location"]
        assert (
            "no%20address"
            in dict(pages.answer(Request("POST", f"/mailbox/{mail(fake, url=None)}/unsubscribe", headers)).headers)["location"]
        )
        assert not asked
        answer = pages.answer(Request("POST", f"/mailbox/{mail(fake, url=f'{own}/u/abc')}/unsubscribe", headers))
        assert "200" in dict(answer.headers)["location"]
        server.shutdown()
    assert asked == [("/u/abc", "application/x-www-form-urlencoded", None, b"List-Unsubscribe=One-Click")]


def test_things_go_wrong_on_request(fake, ask):
    assert "SES:" not in ask("GET", "/mailbox")[2]
    assert ask("POST", "/mailbox/trouble", {"email": "throttle", "sms": "nonsense", "twice": "on"})[0] == 303
    assert (fake.trouble.mode, fake.trouble.twice) == ({"email": "throttle", "sms": "none"}, True)
    assert "SES: throttles (come back later)." in ask("GET", "/mailbox")[2]
    ask("POST", "/mailbox/trouble", {"email": "none"})
    assert (fake.trouble.mode["email"], fake.trouble.twice) == ("none", False)


def test_lists_search_and_leaf(fake, ask):
    for number in range(51):
        mail(fake, subject=f"Number {number}", Destination={"ToAddresses": [f"p{number}@x.example"]})
    text(fake)
    _, _, page = ask("GET", "/mailbox?channel=email")
    assert ("Number 50" in page, "Number 0 " in page, NUMBER in page) == (True, False, False)
    place = page.split('class="older" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "Number 0 " in ask("GET", place)[2]
    assert "Number 7 " in ask("GET", "/mailbox?to=p7@")[2]
    for nonsense in ("before=x", "before=99999999999999999999", "channel=x", "before=-1"):
        assert ask("GET", f"/mailbox?{nonsense}")[0] == 200


def test_scripts_read_the_same(fake, ask):
    one = mail(fake, text="See http://127.0.0.1:3000/x")
    status, _, body = ask("GET", "/mailbox.json?to=ana&channel=email")
    [found] = json.loads(body)["data"]
    assert (status, found["id"], found["kind"], found["subject"], found["events"]) == (200, one, "Campaign", "Menus", [])
    assert {"name": "List-Unsubscribe-Post", "value": "List-Unsubscribe=One-Click"} in found["headers"]
    assert json.loads(ask("GET", "/mailbox.json?to=nobody")[2]) == {"data": []}


def test_what_is_not_the_mailboxs_is_the_gateways(fake):
    pages = Pages(fake, "http://127.0.0.1:3000")
    for path in ("/", "/api/mailbox", "/mailboxes", "/u/abc"):
        assert pages.answer(Request("GET", path, [("host", "127.0.0.1")])) is None
    for path in ("/mailbox/nothing", "/mailbox/a/b/c", "/mailbox.json/x"):
        assert pages.answer(Request("GET", path, [("host", "127.0.0.1")])).status == 404
    own = Answer(200, (), b"own")
    gateway = Gateway([], lambda *_: None, None, lambda request: own if request.path == "/mailbox" else None)
    assert gateway.handle(Request("GET", "/mailbox")) is own
    assert gateway.handle(Request("GET", "/other")).status == 404
