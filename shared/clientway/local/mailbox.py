"""Shows the mail that the local SES accepted: sign-in links are read on the console, and every message is kept in a file."""

import html
import json
import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email import message_from_string, policy
from pathlib import Path
from typing import Any

from moto.ses.models import RawMessage, ses_backends

from clientway.local.aws import ACCOUNT

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Mail:
    """One message: `text` is its plain part, or its HTML part with the tags taken out and the links kept."""

    sender: str
    recipients: list[str]
    subject: str
    text: str


class Mailbox(threading.Thread):
    """Watches moto's list of sent messages, which is in this process, and hands each new one on."""

    def __init__(self, region: str, file: Path, show: Callable[[Mail], None] | None = None) -> None:
        """Prepare; `start` begins to watch. Messages sent before are not shown."""
        super().__init__(daemon=True, name="mailbox")
        self._sent = ses_backends[ACCOUNT][region].sent_messages
        self._seen = len(self._sent)
        self._file = file
        self._show = show or log_mail
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look for new messages until stopped."""
        while not self._stopping.wait(POLL_SECONDS):
            self.collect()

    def collect(self) -> None:
        """Show and keep every message that came since the last call."""
        while self._seen < len(self._sent):
            mail = read(self._sent[self._seen])
            self._seen += 1
            # For its owner alone: it holds sign-in links.
            with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as kept:
                kept.write(json.dumps(asdict(mail)) + "\n")
            self._show(mail)

    def stop(self) -> None:
        """Look no further."""
        self._stopping.set()


def read(message: Any) -> Mail:
    """Read one of moto's stored messages, raw or simple."""
    if isinstance(message, RawMessage):
        parsed = message_from_string(message.raw_data, policy=policy.default)
        part = parsed.get_body(("plain", "html"))
        content = part.get_content() if part else ""
        text = _without_tags(content) if part and part.get_content_subtype() == "html" else content
        # moto lists an address once for the envelope and once for the header.
        return Mail(
            message.source or str(parsed["from"]), list(dict.fromkeys(message.destinations)), str(parsed["subject"] or ""), text.strip()
        )
    recipients = [address for addresses in message.destinations.values() for address in addresses]
    body = str(message.body)
    text = _without_tags(body) if re.search(r"<\w+[^>]*>.*</\w+>", body, re.DOTALL) else body
    return Mail(message.source, recipients, message.subject, text.strip())


def log_mail(mail: Mail) -> None:
    """Print a message on the console, set off from the log by bars."""
    lines = [f"To: {', '.join(mail.recipients)}", f"Subject: {mail.subject}", "", *mail.text.splitlines()]
    logger.info("✉ mail\n%s", "\n".join(f"  │ {line}" for line in lines))


def _without_tags(markup: str) -> str:
    linked = re.sub(r"""<a\s[^>]*href=["']([^"']+)["'][^>]*>(.*?)</a>""", r"\2 (\1)", markup, flags=re.DOTALL | re.IGNORECASE)
    shown = re.sub(r"<(style|head)\b.*?</\1>", "", linked, flags=re.DOTALL | re.IGNORECASE)
    broken = re.sub(r"<(br|/p|/h\d|/div|/li|/tr)\b[^>]*>", "\n", shown, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"<[^>]+>", "", broken))
