"""Stand-ins for SES (API v2) and AWS End User Messaging over HTTP on 127.0.0.1: boto3's own clients hand messages over to them.

moto knows no texts, and of a mail it keeps neither headers nor tags nor both of its bodies.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from clientway.local.aws import ACCOUNT
from clientway.local.messages import shapes
from clientway.local.messages.requests import Refusal, read_mail, read_text
from clientway.local.messages.store import Channel, Event, Message, Store
from clientway.messaging.events import rules

logger = logging.getLogger(__name__)

_MOST_BYTES = 10 * 1024 * 1024
_POLL_SECONDS = 0.2
# How long it takes until a provider tells of a message what became of it.
_SENT_SECONDS, _DELIVERED_SECONDS = 0.3, 1.0
# Who opens a mail sooner is taken for a machine, so nobody's hand on a button is that quick.
_READ_SECONDS = rules.AT_ONCE.total_seconds() + 0.5
# What was published shortly before a run ended may have been lost in its memory; what comes twice counts once.
_AGAIN_SECONDS = 600.0
# SES's own addresses to try things with. Source: "Using the mailbox simulator", Amazon SES Developer Guide.
_SIMULATOR = "@simulator.amazonses.com"

# What End User Messaging answers by itself to the keywords that the guide gives a number.
_ANSWERS: Final = {
    "stop": "You have opted out and will get no more messages. Reply HELP for help.",
    "start": "You will get messages from this number again. Reply STOP to end them.",
    "help": "Reply STOP to get no more messages from this number.",
}

TROUBLES: Final = {
    "none": "Works",
    "throttle": "Throttles (come back later)",
    "paused": "Sending is paused for this account",
    "outage": "Has an outage (answers 503, takes nothing)",
    "lost": "Takes messages, its answers are lost",
    "refuse": "Refuses every message",
}
_ERRORS: Final[dict[str, dict[Channel, tuple[int, str, str]]]] = {
    "throttle": {
        "email": (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        "sms": (400, "ThrottlingException", "Rate exceeded"),
    },
    "paused": {
        "email": (400, "SendingPausedException", "Sending is paused for this account."),
        "sms": (400, "AccessDeniedException", "This account may not send."),
    },
    "outage": {
        "email": (503, "ServiceUnavailable", "The stand-in has an outage, as asked for."),
        "sms": (503, "InternalServerException", "The stand-in has an outage, as asked for."),
    },
    "refuse": {
        "email": (400, "MessageRejected", "Email address is not verified, says the stand-in, as asked for."),
        "sms": (400, "ConflictException", "The destination phone number is opted out, says the stand-in, as asked for."),
    },
}


@dataclass
class Trouble:
    """What goes wrong until it is switched off; `twice` publishes every event two times."""

    mode: dict[Channel, str] = field(default_factory=lambda: {"email": "none", "sms": "none"})
    twice: bool = False


class Providers:
    """The running stand-ins. What was taken is in `store`; `report` makes what people and their machines do with it."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        region: str = "eu-central-1",
        clock: Callable[[], float] = time.time,
        show: Callable[[Message], None] | None = None,
    ) -> None:
        """Bind a free port; `start` begins to serve. Without a file, all is forgotten with the process."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.providers = self
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.store = Store(file, clock)
        self.trouble = Trouble()
        self.region = region
        self._show = show or (lambda _message: None)
        self._publisher: Publisher | None = None
        self._topic = f"arn:aws:sns:{region}:{ACCOUNT}:clientway-texts"

    @property
    def environment(self) -> dict[str, str]:
        """Where boto3 finds them."""
        return {"AWS_ENDPOINT_URL_SESV2": self.base, "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": self.base}

    def start(self, publish: Callable[[Sequence[str]], None] | None = None) -> "Providers":
        """Serve, and publish what the providers tell to whoever listens."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True, name="messages").start()
        if publish:
            self.store.publish_again(self.store.clock() - _AGAIN_SECONDS)
            self._publisher = Publisher(self.store, self.trouble, publish)
            self._publisher.start()
        return self

    def stop(self) -> None:
        """End, with the thread that publishes."""
        self._server.shutdown()
        self._server.server_close()
        if self._publisher:
            self._publisher.stop()
            self._publisher.join(5)
        self.store.close()

    # ---- Being asked to send

    def take(self, channel: Channel, given: dict[str, Any]) -> str:
        """Take a message as the provider would; returns its id. Raises Refusal."""
        mode = self.trouble.mode[channel]
        if mode in _ERRORS:
            raise Refusal(*_ERRORS[mode][channel])
        now = self.store.clock()
        if channel == "email":
            message = read_mail(given, f"0107{int(now * 1000):012x}-{uuid.uuid4()}-000000", now, self.region)
        else:
            message = read_text(given, str(uuid.uuid4()), now)
            if self._opted_out(message.recipients[0]):
                raise Refusal(400, "ConflictException", "The destination phone number is opted out.", "DESTINATION_PHONE_NUMBER_OPTED_OUT")
        message = self.store.add(message)
        self._show(message)
        # Without a configuration set, there is nowhere to tell it.
        if message.configuration_set:
            self._told_by_itself(message)
        return message.id

    def _opted_out(self, number: str) -> bool:
        """Whether the last word from a number was STOP, in the provider's own words for it, and no START came after it."""
        said = [one.text for one in self.store.conversation(number) if one.incoming]
        words = [rules.keyword(text) for text in said if rules.provider_answers(text)]
        return next((word for word in reversed(words) if word != "help"), None) == "stop"

    def _told_by_itself(self, message: Message) -> None:
        if message.channel == "sms":
            self.report(message, "delivered", after=_DELIVERED_SECONDS)
            return
        self.report(message, "sent", after=_SENT_SECONDS)
        first = message.recipients[0].lower()
        if first == f"bounce{_SIMULATOR}":
            self.report(message, "bounce", after=_DELIVERED_SECONDS)
            return
        self.report(message, "delivered", after=_DELIVERED_SECONDS)
        if first == f"complaint{_SIMULATOR}":
            self.report(message, "complaint", after=2 * _DELIVERED_SECONDS)

    # ---- What becomes of a message

    def report(self, message: Message, what: str, *, link: str = "", after: float = 0.0) -> None:
        """Tell that this became of a message. Raises KeyError for what does not become of one of its channel."""
        at = self.store.clock() + after
        if what in {"open", "click"}:
            at = max(at, message.at + _READ_SECONDS)
        if message.channel == "sms":
            status = {"delivered": "DELIVERED", "unreachable": "INVALID", "blocked": "CARRIER_BLOCKED"}[what]
            body = shapes.text_event(message, status, at, self._topic)
        else:
            kind = {
                "sent": "Send", "delivered": "Delivery", "open": "Open", "machine": "Open", "click": "Click", "bounce": "Bounce",
                "complaint": "Complaint",
            }[what]  # fmt: skip
            more = {"userAgent": shapes.MACHINE} if what == "machine" else {"link": link, "linkTags": {}} if what == "click" else {}
            body = shapes.mail_event(message, kind, at, self.region, **more)
        self.store.tell(message, f"click {link}" if what == "click" else what, body, due=at)

    def reply(self, message: Message, text: str) -> Message:
        """Send a text back from where a text went to; returns the reply. To a STOP, End User Messaging says a word of its own."""
        now = self.store.clock()
        answer = Message(
            id=str(uuid.uuid4()),
            channel="sms",
            at=now,
            sender=message.recipients[0],
            recipients=(message.sender,),
            text=text,
            incoming=True,
        )
        answer = self.store.add(answer)
        self.store.tell(answer, "received", shapes.inbound_text(answer, message.id, now, self._topic), due=now)
        word = rules.keyword(text)
        if word is not None and rules.provider_answers(text):
            own = Message(
                id=str(uuid.uuid4()), channel="sms", at=now, sender=message.sender, recipients=message.recipients, text=_ANSWERS[word],
                tags={"kind": "provider"},
            )  # fmt: skip
            self.store.add(own)
        return answer


class Publisher(threading.Thread):
    """Publishes what is due until it is stopped; `publish` does one round by itself."""

    def __init__(self, store: Store, trouble: Trouble, send: Callable[[Sequence[str]], None]) -> None:
        """Prepare; `start` begins to publish. `send` takes at most ten at once."""
        super().__init__(daemon=True, name="message events")
        self._store = store
        self._trouble = trouble
        self._send = send
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look for what is due until stopped; what a queue does not take now is tried again."""
        while not self._stopping.wait(_POLL_SECONDS):
            try:
                while self.publish() and not self._stopping.is_set():
                    pass
            except Exception as error:  # noqa: BLE001  whatever a queue's client raises
                if not self._stopping.wait(1):
                    logger.warning("%s: %s", self.name, error)

    def stop(self) -> None:
        """Publish nothing more."""
        self._stopping.set()

    def publish(self) -> int:
        """Publish some of what is due now; returns how many."""
        due: list[Event] = self._store.due()
        if not due:
            return 0
        bodies = [one.body for one in due]
        self._send(bodies)
        if self._trouble.twice:
            self._send(bodies[::-1])
        self._store.published(due)
        return len(due)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    providers: Providers


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Headers and body leave in one segment.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 75

    def do_POST(self) -> None:
        """Answer SES's SendEmail and End User Messaging's SendTextMessage."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MOST_BYTES:
            self.close_connection = True
            self._send(413, {"message": "Request Entity Too Large"}, "RequestEntityTooLarge")
            return
        body = self.rfile.read(length)
        channel: Channel
        if self.path.partition("?")[0] == "/v2/email/outbound-emails":
            channel = "email"
        elif self.headers.get("X-Amz-Target") == "PinpointSMSVoiceV2.SendTextMessage":
            channel = "sms"
        else:
            self._send(404, {"message": "The stand-in knows no such operation."}, "UnknownOperationException")
            return
        providers = self.server.providers
        try:
            message_id = providers.take(channel, json.loads(body or b"{}"))
        except Refusal as refusal:
            # REST reads the error's name in a header, AWS JSON in the body.
            told = {"__type": refusal.code, "message": str(refusal), "Message": str(refusal)}
            self._send(refusal.status, {**told, "Reason": refusal.reason} if refusal.reason else told, refusal.code)
            return
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._send(400, {"__type": "SerializationException", "message": str(error)}, "SerializationException")
            return
        if providers.trouble.mode[channel] == "lost":
            self.close_connection = True
            return
        self._send(200, {"MessageId": message_id})

    def _send(self, status: int, body: dict[str, Any], error: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        if error:
            self.send_header("x-amzn-ErrorType", error)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (its name in http.server)
        """Say nothing: what came is shown in the mailbox."""
