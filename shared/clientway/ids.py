"""Identifiers: UUIDv7 (RFC 9562 section 5.7), made in code because PostgreSQL has no uuidv7() before 18."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new time-ordered id: 48 bits of Unix milliseconds, 12 bits of what is over (in 4096ths of one), 62 random bits.

    So what one request makes one after the other, such as lines of the timeline, stands in that order (section 6.2, method 3).
    """
    milliseconds, over = divmod(time.time_ns(), 1_000_000)
    noise = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=(milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (over * 4096 // 1_000_000) << 64 | 0b10 << 62 | noise)
