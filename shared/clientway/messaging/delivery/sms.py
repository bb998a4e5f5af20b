"""Text messages, by AWS End User Messaging."""

import os
from typing import Any

from clientway.messaging.delivery import calls
from clientway.messaging.delivery.message import Outgoing, Refused


def send(message: Outgoing, *, once: bool) -> str:
    """Hand a text over; returns the provider's id. Raises Refused, Unclear."""
    if len(message.to) != 1:
        raise Refused("invalid", "a text has one recipient", retryable=False)
    origin = message.sms_sender or os.environ.get("SMS_SENDER")
    if not origin:
        raise Refused("no_sender", "no number or sender id to send from is set", retryable=False)
    request = _request(message, origin)
    with calls.told():
        return calls.message_id(calls.client("pinpoint-sms-voice-v2", once=once).send_text_message(**request))


def _request(message: Outgoing, origin: str) -> dict[str, Any]:
    request: dict[str, Any] = {
        "DestinationPhoneNumber": message.to[0],
        "OriginationIdentity": origin,
        "MessageBody": message.text,
        "MessageType": "PROMOTIONAL" if message.promotional else "TRANSACTIONAL",
        # By these its events are traced.
        "Context": {"tenant_id": str(message.tenant_id), "kind": message.kind, "id": str(message.id)},
    }
    if configuration := os.environ.get("SMS_CONFIGURATION_SET"):
        request["ConfigurationSetName"] = configuration
    return request
