"""Shows the messages that the local providers took: sign-in links are read on the console, and every one is kept in a file."""

import html
import json
import logging
import os
import re
from pathlib import Path

from clientway.local.messages.store import Message

logger = logging.getLogger(__name__)


class Mailbox:
    """Takes note of each message as it is taken."""

    def __init__(self, file: Path) -> None:
        """Messages are kept in this file, one a line."""
        self._file = file

    def show(self, message: Message) -> None:
        """Keep a message and print it."""
        kept = {
            "sender": message.sender,
            "recipients": list(message.recipients),
            "subject": message.subject or "",
            "text": (message.text or without_tags(message.html or "")).strip(),
        }
        # For its owner alone: it holds sign-in links.
        with os.fdopen(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
            file.write(json.dumps(kept) + "\n")
        to, title = ", ".join(message.recipients), message.subject or " ".join(message.text.split())
        if "kind" in message.tags:
            # Of these there may be thousands.
            logger.info("%s %s: %s", "✆ text to" if message.channel == "sms" else "✉ mail to", to, title)
            return
        lines = [f"To: {to}", f"Subject: {title}", "", *str(kept["text"]).splitlines()]
        logger.info("✉ mail\n%s", "\n".join(f"  │ {line}" for line in lines))


def without_tags(markup: str) -> str:
    """The words of a page in HTML, with the addresses of its links."""
    linked = re.sub(r"""<a\s[^>]*href=["']([^"']+)["'][^>]*>(.*?)</a>""", r"\2 (\1)", markup, flags=re.DOTALL | re.IGNORECASE)
    shown = re.sub(r"<(style|head)\b.*?</\1>", "", linked, flags=re.DOTALL | re.IGNORECASE)
    broken = re.sub(r"<(br|/p|/h\d|/div|/li|/tr)\b[^>]*>", "\n", shown, flags=re.IGNORECASE)
    return html.unescape(re.sub(r"<[^>]+>", "", broken))
