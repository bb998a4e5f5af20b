"""Reads what SES and End User Messaging are asked to send, and refuses what they would refuse."""

import base64
import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import format_datetime, parseaddr
from typing import Any, Final

from clientway.local.messages.store import Message

Json = dict[str, Any]

_ADDRESS = re.compile(r"[^@\s,;<>\x00-\x1f\x7f]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
# Sources: SendEmail and SendTextMessage in the API references of Amazon SES v2 and AWS End User Messaging.
_TAG = re.compile(r"[A-Za-z0-9_.@-]{1,256}")
_HEADER = re.compile(r"[!-9;-~]{1,126}")
_NUMBER = re.compile(r"\+?[1-9][0-9]{1,18}")
_MOST_RECIPIENTS: Final = 50
_MOST_HEADERS: Final = 15
_LONGEST_HEADER: Final = 870
_LONGEST_TEXT: Final = 1600


class Refusal(Exception):  # noqa: N818  (an answer, not a defect)
    """The provider does not take it."""

    def __init__(self, status: int, code: str, detail: str, reason: str | None = None) -> None:
        """An HTTP status, the exception's name in the provider's API, what it says, and, for some, a word for why."""
        super().__init__(detail)
        self.status, self.code, self.reason = status, code, reason


def read_mail(given: Json, message_id: str, at: float, region: str) -> Message:
    """The mail of a SendEmail request. Raises Refusal."""
    sender = str(given.get("FromEmailAddress") or "")
    destination = given.get("Destination") or {}
    recipients = tuple(one for kind in ("ToAddresses", "CcAddresses", "BccAddresses") for one in destination.get(kind) or ())
    reply_to = tuple(given.get("ReplyToAddresses") or ())
    tags = {str(one["Name"]): str(one["Value"]) for one in given.get("EmailTags") or ()}
    for address in (sender, *recipients, *reply_to):
        if not _ADDRESS.fullmatch(parseaddr(address)[1]) or "\n" in address or "\r" in address:
            raise _bad(f"Missing or malformed address: {address!r}")
    if not 0 < len(recipients) <= _MOST_RECIPIENTS:
        raise _bad("Between 1 and 50 recipients are needed.")
    for text in (*tags, *tags.values()):
        if not _TAG.fullmatch(text):
            raise _bad(f"Invalid tag: {text!r}")
    content = given.get("Content") or {}
    if "Raw" in content:
        subject, text, html, own = _raw(base64.b64decode(content["Raw"]["Data"]))
    elif "Simple" in content:
        subject, text, html, own = _simple(content["Simple"])
    else:
        raise _bad("Content is neither Simple nor Raw.")
    configuration_set = given.get("ConfigurationSetName")
    headers = [
        ("From", sender), ("To", ", ".join(destination.get("ToAddresses") or ())), ("Subject", subject),
        ("Date", format_datetime(datetime.fromtimestamp(at, UTC))), ("Message-ID", f"<{message_id}@{region}.amazonses.com>"),
        *([("Reply-To", ", ".join(reply_to))] if reply_to else []), *own,
        *([("X-SES-CONFIGURATION-SET", str(configuration_set))] if configuration_set else []),
        *([("X-SES-MESSAGE-TAGS", ", ".join(f"{name}={value}" for name, value in tags.items()))] if tags else []),
    ]  # fmt: skip
    return Message(
        id=message_id, channel="email", at=at, sender=sender, recipients=recipients, subject=subject, text=text, html=html,
        reply_to=reply_to, headers=tuple(headers), tags=tags, configuration_set=configuration_set,
    )  # fmt: skip


def _simple(content: Json) -> tuple[str, str, str | None, list[tuple[str, str]]]:
    subject, body = str(content["Subject"]["Data"]), content["Body"]
    text, html = (body.get("Text") or {}).get("Data"), (body.get("Html") or {}).get("Data")
    if text is None and html is None:
        raise _bad("A body is needed.")
    headers = [(str(one["Name"]), str(one["Value"])) for one in content.get("Headers") or ()]
    if len(headers) > _MOST_HEADERS:
        raise _bad("More than 15 headers.")
    for name, value in (("Subject", subject), *headers):
        # A header that breaks its line begins another one.
        if not _HEADER.fullmatch(name) or any(ord(sign) < ord(" ") or sign == "\x7f" for sign in value):
            raise _bad(f"Invalid header {name!r}.")
        if name != "Subject" and (len(value) > _LONGEST_HEADER or not value.isascii()):
            raise _bad(f"The header {name!r} is too long or not in ASCII.")
    return subject, text or "", html, headers


def _raw(data: bytes) -> tuple[str, str, str | None, list[tuple[str, str]]]:
    parsed = message_from_bytes(data, policy=policy.default)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    kept = {"from", "to", "subject", "date", "message-id", "content-type", "content-transfer-encoding", "mime-version"}
    own = [(name, str(value)) for name, value in parsed.items() if name.lower() not in kept]
    shown = html.get_content() if html else None
    return str(parsed["subject"] or ""), text.get_content() if text else "", shown, own


def read_text(given: Json, message_id: str, at: float) -> Message:
    """The text of a SendTextMessage request. Raises Refusal."""
    number, sender, body = given.get("DestinationPhoneNumber"), given.get("OriginationIdentity"), given.get("MessageBody")
    promotional = given.get("MessageType") == "PROMOTIONAL"
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise _invalid("DestinationPhoneNumber is not a phone number.")
    if not isinstance(sender, str) or not sender:
        raise _invalid("OriginationIdentity is needed: there is no default sender in this country.")
    if not isinstance(body, str) or not 0 < len(body) <= _LONGEST_TEXT:
        raise _invalid("MessageBody has between 1 and 1600 characters.")
    context = {str(name): str(value) for name, value in (given.get("Context") or {}).items()}
    return Message(
        id=message_id, channel="sms", at=at, sender=sender, recipients=(number,), text=body, tags=context,
        configuration_set=given.get("ConfigurationSetName"), promotional=promotional,
    )  # fmt: skip


def _bad(detail: str) -> Refusal:
    return Refusal(400, "BadRequestException", detail)


def _invalid(detail: str) -> Refusal:
    return Refusal(400, "ValidationException", detail)
