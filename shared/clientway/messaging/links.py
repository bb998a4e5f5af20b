"""The link that ends a subscription: signed, so that nobody can end another's, and good for as long as the mail is kept.

Mail is kept for longer than keys are: a link is signed with the current key, and good if any of the keys ever current signed it.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from clientway.config import settings
from clientway.messaging.delivery.message import Channel

_CHANNELS: Final[tuple[Channel, ...]] = ("email", "sms")
_VERSION: Final = 1
_SIGNATURE: Final = 16
_WITHOUT_SEND, _WITH_SEND = 2 + 16 + 16, 2 + 16 + 16 + 16


@dataclass(frozen=True, slots=True)
class Subscription:
    """Whom a link unsubscribes from what; `send_id` is the campaign's send that it came with."""

    tenant_id: UUID
    contact_id: UUID
    channel: Channel
    send_id: UUID | None = None


def unsubscribe_url(tenant_id: UUID, contact_id: UUID, channel: Channel, *, send_id: UUID | None = None) -> str:
    """Where a recipient unsubscribes: a page for people, and the target of RFC 8058's one click."""
    return f"{settings().public_url}/u/{token(Subscription(tenant_id, contact_id, channel, send_id))}"


def token(subscription: Subscription) -> str:
    """The link's last part: the ids themselves and a signature, so that nothing has to be kept and nothing expires."""
    send_id = subscription.send_id
    head = bytes((_VERSION, _CHANNELS.index(subscription.channel)))
    payload = head + subscription.tenant_id.bytes + subscription.contact_id.bytes + (send_id.bytes if send_id else b"")
    return base64.urlsafe_b64encode(payload + _signature(payload, settings().signing_key)).decode().rstrip("=")


def read(raw: str) -> Subscription | None:
    """What a link stands for; None for one that is not ours."""
    try:
        data = base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    payload, signature = data[:-_SIGNATURE], data[-_SIGNATURE:]
    if not any(hmac.compare_digest(signature, _signature(payload, key)) for key in settings().signing_keys):
        return None
    if len(payload) not in (_WITHOUT_SEND, _WITH_SEND):
        return None
    if payload[0] != _VERSION:
        return None
    send_id = UUID(bytes=payload[34:50]) if len(payload) == _WITH_SEND else None
    return Subscription(UUID(bytes=payload[2:18]), UUID(bytes=payload[18:34]), _CHANNELS[payload[1]], send_id)


def _signature(payload: bytes, key: bytes) -> bytes:
    # The first word keeps one kind of our signatures from passing for another.
    return hmac.digest(key, b"unsubscribe:" + payload, "sha256")[:_SIGNATURE]
