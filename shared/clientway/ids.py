"""Identifiers: UUIDv7 (RFC 9562 section 5.7), made in code because PostgreSQL has no uuidv7() before 18."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new time-ordered id: 48 bits of Unix milliseconds, 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10))
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (noise >> 64 & 0xFFF) << 64 | 0b10 << 62 | noise & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=value)
