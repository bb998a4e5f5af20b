"""Stripe's webhook signatures: an HMAC over the raw bytes of the body and the time of sending.

By hand with the standard library: the stripe package takes 0.3 s to import, and an ingress is called cold.
Source: Stripe, "Verify webhook signatures manually" (scheme v1: HMAC-SHA256 of "{t}.{body}" in hex).
"""

import hmac
from collections.abc import Iterable
from http import HTTPStatus

from clientway.errors import Problem

TOLERANCE_SECONDS = 300
"""How far the time of sending may lie from ours, before or behind: what is older may be a replay."""
_LONGEST_HEADER = 4096
_MOST_SIGNATURES = 16


class BadSignature(Problem):
    """400: not signed by the account this address was made for, or not now. It does not say which."""

    status, code, title = HTTPStatus.BAD_REQUEST, "bad_signature", "Bad signature"


def verify(body: bytes, header: str | None, secrets: Iterable[str], *, now: float) -> None:
    """Let a delivery pass that one of the secrets signed within the tolerance of `now` (Unix seconds). Raises BadSignature."""
    sent_at, signatures = _parse(header or "")
    fresh = sent_at is not None and abs(now - int(sent_at)) <= TOLERANCE_SECONDS
    expected = [sign(body, secret, sent_at or "0") for secret in secrets]
    # All of them are compared, so that the time it takes tells nothing.
    matches = [hmac.compare_digest(one, given) for one in expected for given in signatures]
    if not (fresh and any(matches)):
        raise BadSignature("The signature does not fit.")


def sign(body: bytes, secret: str, sent_at: str) -> str:
    """The v1 signature of a body sent at this time (Unix seconds as text)."""
    return hmac.digest(secret.encode(), f"{sent_at}.".encode() + body, "sha256").hex()


def _parse(header: str) -> tuple[str | None, list[str]]:
    sent_at: str | None = None
    signatures: list[str] = []
    if len(header) > _LONGEST_HEADER or not header.isascii():
        return None, []
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        if name == "t" and value.isdecimal() and len(value) <= 12:  # noqa: PLR2004  (the year 33658)
            sent_at = value
        elif name == "v1" and len(signatures) < _MOST_SIGNATURES:
            signatures.append(value)
    return sent_at, signatures
