"""Tickets: what lets an administrator hand in a key at a function that has no database. Signed, for ten minutes, for one endpoint.

Pure: both sides use it, inside the network and outside.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Final

LIFETIME_SECONDS: Final = 600
_SHORTEST_KEY: Final = 32
_LONGEST: Final = 1000


class BadTicket(Exception):  # noqa: N818  (a refusal; the edge says how)
    """Not a ticket of ours, or one whose time is over."""


@dataclass(frozen=True)
class Ticket:
    """Whose key may be handed in, and for which endpoint; for an account that is connected, only another key of the same."""

    tenant_id: str
    endpoint_id: str
    account_id: str | None
    expires_at: int


def issue(ticket: Ticket, key: bytes) -> str:
    """A ticket as text."""
    body = _encode(json.dumps(asdict(ticket), separators=(",", ":")).encode())
    return f"{body}.{_encode(_signature(body, key))}"


def verify(given: str, key: bytes, *, now: float) -> Ticket:
    """What a ticket says. Raises BadTicket."""
    body, _, signature = given.partition(".")
    if len(given) > _LONGEST or not given.isascii() or not hmac.compare_digest(signature, _encode(_signature(body, key))):
        raise BadTicket("not a ticket of ours")
    ticket = Ticket(**json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))))
    if ticket.expires_at <= now:
        raise BadTicket("expired")
    return ticket


def _signature(body: str, key: bytes) -> bytes:
    if len(key) < _SHORTEST_KEY:
        message = f"STRIPE_TICKET_KEY needs at least {_SHORTEST_KEY} bytes"
        raise ValueError(message)
    return hmac.new(key, b"stripe ticket\n" + body.encode(), hashlib.sha256).digest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
