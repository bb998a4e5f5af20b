"""E-mail, by SES."""

import os
from email.utils import formataddr, parseaddr
from typing import Any

from clientway.config import settings
from clientway.messaging.delivery import calls
from clientway.messaging.delivery.message import Outgoing, Refused, line


def send(message: Outgoing, *, once: bool) -> str:
    """Hand a mail over; returns SES's id. Raises Refused, Unclear."""
    if not message.to or message.subject is None:
        raise Refused("invalid", "a mail needs a recipient and a subject", retryable=False)
    request = _request(message)
    with calls.told():
        return calls.message_id(calls.client("sesv2", once=once).send_email(**request))


def _request(message: Outgoing) -> dict[str, Any]:
    body = {"Text": _data(message.text)}
    if message.html is not None:
        body["Html"] = _data(message.html)
    simple: dict[str, Any] = {"Subject": _data(line(message.subject or "")), "Body": body}
    if message.unsubscribe_url is not None:
        simple["Headers"] = [
            {"Name": "List-Unsubscribe", "Value": f"<{message.unsubscribe_url}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    request: dict[str, Any] = {
        "FromEmailAddress": sender(message.from_name),
        "Destination": {"ToAddresses": list(message.to)},
        "Content": {"Simple": simple},
        # By these its events are traced.
        "EmailTags": [
            {"Name": "tenant_id", "Value": str(message.tenant_id)},
            {"Name": "kind", "Value": message.kind},
            {"Name": "id", "Value": str(message.id)},
        ],
    }
    if message.reply_to:
        request["ReplyToAddresses"] = [message.reply_to]
    if configuration := os.environ.get("SES_CONFIGURATION_SET"):
        request["ConfigurationSetName"] = configuration
    return request


def sender(name: str | None) -> str:
    """The From line: the tenant's name before the address that this installation sends from."""
    own, address = parseaddr(settings().mail_from)
    # RFC 2047 where it is not ASCII; the address is the same for all, as DKIM and SPF want it.
    return formataddr((line(name or own), address))


def _data(value: str) -> dict[str, str]:
    return {"Data": value, "Charset": "UTF-8"}
