"""Takes in Stripe's deliveries: verified, put on a queue, answered. No database, so it stays up while that sleeps."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from clientway import queues
from clientway.bodies import MAX_BODY
from clientway.errors import FieldError, Malformed, ServiceUnavailable, TooLarge
from clientway.integrations.stripe import secrets
from clientway.integrations.stripe.schemas import Received
from clientway.integrations.stripe.signature import BadSignature, verify
from clientway.integrations.stripe.subjects import subject


class QueueAway(ServiceUnavailable):
    """503: the event could not be kept; Stripe delivers it again."""

    code, title = "queue_unavailable", "Queue unavailable"


def accept(endpoint: str, event: Mapping[str, Any]) -> Received:
    """Verify a delivery (an HTTP API event) to an endpoint and queue what it is about.

    An endpoint is a tenant's own, or `connect` for accounts connected to the platform's. Raises TooLarge (413),
    BadSignature (400) also for an endpoint that is not there, Malformed (400), QueueAway (503).
    """
    raw = _raw(event)
    known = secrets.webhook_secrets(endpoint)
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    verify(raw, headers.get("stripe-signature"), known or ("",), now=time.time())
    if not known:
        raise BadSignature("The signature does not fit.")
    delivered = _parse(raw)
    about = subject(delivered)
    if about is None:
        return Received(received=True, queued=False)
    message = {
        "endpoint": endpoint,
        "account_id": _text(delivered.get("account")),
        "event": {"id": delivered["id"], "type": delivered["type"], "created": delivered.get("created")},
        "subject": {"kind": about.kind, "id": about.id},
    }
    _queue(message)
    return Received(received=True, queued=True)


def _raw(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    raw = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
    if len(raw) > MAX_BODY:
        raise TooLarge(f"A delivery has at most {MAX_BODY} bytes.")
    return raw


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not _text(found.get("id")) or not _text(found.get("type")):
        pointer = FieldError("#", "not_an_event", "not an event of Stripe's")
        raise Malformed("The body is not an event.", errors=[pointer])
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 255 and value.isascii() and value.isprintable() else None  # noqa: PLR2004


def _queue(message: Mapping[str, Any]) -> None:
    try:
        queues.send("STRIPE_EVENT_QUEUE_URL", message, group=message["endpoint"])
    except Exception as error:
        raise QueueAway("The event could not be kept; deliver it again.", headers={"Retry-After": "10"}) from error
