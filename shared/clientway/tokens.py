"""Opaque credentials: 32 random bytes behind a readable prefix, with a checksum, kept only as SHA-256.

The checksum keeps garbage away from the database; the prefix lets secret scanners recognise a leaked one
(`cw_(key|ses|ptl|per)_[A-Za-z0-9_-]{43}[0-9a-f]{8}`).
"""

import hashlib
import re
import secrets
import zlib
from typing import Literal

Kind = Literal["key", "ses", "ptl", "per"]

_SHAPE = re.compile(r"cw_(?:key|ses|ptl|per)_[A-Za-z0-9_-]{43}[0-9a-f]{8}")
_CHECKSUM = 8


def new(kind: Kind) -> str:
    """A fresh credential: `key` for an API key, `ses` for a staff session, `ptl` for a portal session, `per` for a person's own."""
    body = f"cw_{kind}_{secrets.token_urlsafe(32)}"
    return body + _checksum(body)


def digest(token: str) -> str:
    """The SHA-256 of a token as 64 hex digits: what the database keeps."""
    return hashlib.sha256(token.encode()).hexdigest()


def is_well_formed(token: str) -> bool:
    """Whether prefix, length and checksum fit; says nothing of whether the credential exists."""
    return _SHAPE.fullmatch(token) is not None and secrets.compare_digest(token[-_CHECKSUM:], _checksum(token[:-_CHECKSUM]))


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
