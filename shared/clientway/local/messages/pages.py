"""The mailbox of `make run`: every mail and text as its reader would see it, and buttons for what readers do.

What is shown was written by anybody: it is escaped, and a mail's HTML stands in a frame without scripts, forms and pictures from
elsewhere. Other sites' pages can neither read the mailbox nor press its buttons: the Host and Origin of requests are looked at.
Nor can other users of this machine, where the system tells whose a connection is: sign-in links stand in there.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

from clientway.local.messages import views
from clientway.local.messages.providers import TROUBLES, Providers
from clientway.local.messages.store import Message
from clientway.local.peers import is_ours
from clientway.local.server import Answer, Request

logger = logging.getLogger(__name__)

_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE = f"{_NOTHING}; form-action 'self'; frame-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_FRAME = f"sandbox allow-popups allow-popups-to-escape-sandbox; {_NOTHING}; form-action 'none'; frame-ancestors 'self'"
_HERE: Final = {"127.0.0.1", "localhost", "::1"}
_MAIL_EVENTS: Final = {"open", "machine", "click", "bounce", "complaint"}
_TEXT_EVENTS: Final = {"unreachable", "blocked"}
_TIMEOUT_SECONDS = 10
_MOST_LISTED = 200


@dataclass(frozen=True)
class Pages:
    """Answers requests below /mailbox. `public_url` is where links in messages lead."""

    providers: Providers
    public_url: str

    def answer(self, request: Request) -> Answer | None:
        """Answer what is the mailbox's; None for all else."""
        steps = request.path.strip("/").split("/")
        if steps[0] not in {"mailbox", "mailbox.json"}:
            return None
        if not self._from_here(request):
            return _plain(403, "The mailbox is for this machine's own pages.")
        if not is_ours(request.source_ip, request.source_port):
            return _plain(403, "The mailbox is another user's.")
        return self._answer(request, steps) or _plain(404, "There is nothing of this kind.")

    def _answer(self, request: Request, steps: list[str]) -> Answer | None:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        match request.method, steps:
            case "GET", ["mailbox.json"]:
                return self._json(query)
            case "GET", ["mailbox"]:
                return _html(views.listing(self.providers, query, _number(query.get("before"))))
            case "POST", ["mailbox", "trouble"]:
                return self._trouble(form)
            case "GET" | "POST", ["mailbox", message_id, *rest]:
                message = self.providers.store.find(message_id)
                if message is not None and request.method == "GET":
                    return self._shown(message, rest, query)
                if message is not None and not message.incoming and len(rest) == 1:
                    return self._done(message, rest[0], form)
        return None

    def _from_here(self, request: Request) -> bool:
        """Whether a request was made by this page or by hand: a name that somebody points at this machine is none of its own."""
        host = urlsplit(f"//{request.header('host') or ''}").hostname
        if host not in {*_HERE, urlsplit(self.public_url).hostname}:
            return False
        origin = request.header("origin")
        return request.method == "GET" or origin is None or urlsplit(origin).netloc == request.header("host")

    def _shown(self, message: Message, rest: list[str], query: Mapping[str, str]) -> Answer | None:
        if rest == ["html"] and message.html is not None:
            # Links open beside the mailbox.
            page = f'<!doctype html><base target="_blank">{message.html}'
            return Answer(200, [("content-type", "text/html; charset=utf-8"), *_headers(_FRAME)], page.encode())
        return None if rest else _html(views.one(self.providers, message, query))

    def _done(self, message: Message, what: str, form: Mapping[str, str]) -> Answer | None:
        note = ""
        if message.channel == "sms" and what == "reply":
            text = form.get("text", "").strip()
            if text:
                self.providers.reply(message, text[:1600])
        elif message.channel == "email" and what == "unsubscribe":
            note = self._unsubscribe(message)
        elif what in (_MAIL_EVENTS if message.channel == "email" else _TEXT_EVENTS):
            self.providers.report(message, what, link=form.get("link", ""))
        else:
            return None
        return _see(f"/mailbox/{quote(message.id)}{f'?note={quote(note)}' if note else ''}")

    def _unsubscribe(self, message: Message) -> str:
        """Do what a mail program does with List-Unsubscribe-Post (RFC 8058): without cookies, without a question."""
        url = views.unsubscribe_url(message)
        # The header is a stranger's; this machine calls nobody but itself.
        if url is None or urlsplit(url)[:2] != urlsplit(self.public_url)[:2]:
            return "This mail names no address of this machine to unsubscribe at."
        content = b"List-Unsubscribe=One-Click"
        request = urllib.request.Request(url, content, {"Content-Type": "application/x-www-form-urlencoded"})  # noqa: S310  our own
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                return f"Unsubscribed: the API answered {answer.status}."
        except urllib.error.HTTPError as error:
            return f"Not unsubscribed: the API answered {error.code}."
        except OSError as error:
            return f"Not unsubscribed: {error}"

    def _trouble(self, form: Mapping[str, str]) -> Answer:
        trouble = self.providers.trouble
        for channel in trouble.mode:
            if form.get(channel) in TROUBLES:
                trouble.mode[channel] = form[channel]
        trouble.twice = form.get("twice") == "on"
        return _see("/mailbox")

    def _json(self, query: Mapping[str, str]) -> Answer:
        """The same for scripts: the newest messages, `?to=` an address or a part of one, `?channel=` of one channel."""
        store = self.providers.store
        found = store.newest(
            channel=query.get("channel"), address=query.get("to", ""), before=_number(query.get("before")), limit=_MOST_LISTED
        )
        told = store.events(found)
        data = [
            {
                "id": one.id, "channel": one.channel, "incoming": one.incoming, "at": views.moment(one.at).isoformat(),
                "kind": views.kind(one), "sender": one.sender, "recipients": one.recipients, "subject": one.subject,
                "text": one.text, "html": one.html,
                "headers": [{"name": name, "value": value} for name, value in one.headers], "tags": one.tags,
                "events": [event.name for event in told if event.message == one.seq and event.done], "place": one.seq,
            }
            for one in found
        ]  # fmt: skip
        return Answer(200, [("content-type", "application/json"), *_headers(_PAGE)], json.dumps({"data": data}).encode())


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 18 else None  # noqa: PLR2004  an integer of SQLite's


def _headers(policy: str) -> list[tuple[str, str]]:
    return [
        ("content-security-policy", policy),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ]


def _html(page: str) -> Answer:
    return Answer(200, [("content-type", "text/html; charset=utf-8"), *_headers(_PAGE)], page.encode())


def _plain(status: int, text: str) -> Answer:
    return Answer(status, [("content-type", "text/plain; charset=utf-8"), *_headers(_PAGE)], f"{text}\n".encode())


def _see(place: str) -> Answer:
    return Answer(303, [("location", place), *_headers(_PAGE)])
