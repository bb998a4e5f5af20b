"""A token bucket for each credential, kept in this process.

A Lambda environment serves one request at a time, so a caller's share is `RATE` a second in each environment that
serves it: it stops a runaway script, while the gateway's stage throttling bounds the whole. A bucket in the database
would put a row lock shared by all of a credential's requests into every transaction.
"""

import time
from dataclasses import dataclass

from clientway.errors import TooManyRequests

RATE = 100.0
"""Requests a second that a bucket refills by."""
BURST = 500.0
_MOST_BUCKETS = 10_000


@dataclass
class _Bucket:
    level: float
    filled_at: float


_buckets: dict[str, _Bucket] = {}


def take(caller: str, *, now: float | None = None) -> dict[str, str]:
    """Take one request from a caller's bucket; returns the RateLimit headers. Raises TooManyRequests (429)."""
    moment = time.monotonic() if now is None else now
    if len(_buckets) >= _MOST_BUCKETS:
        _buckets.clear()
    bucket = _buckets.setdefault(caller, _Bucket(BURST, moment))
    bucket.level = min(BURST, bucket.level + (moment - bucket.filled_at) * RATE)
    bucket.filled_at = moment
    headers = {"RateLimit-Limit": f"{BURST:.0f}", "RateLimit-Remaining": f"{max(0, bucket.level - 1):.0f}", "RateLimit-Reset": "1"}
    if bucket.level < 1:
        raise TooManyRequests("Too many requests with this credential.", headers={**headers, "Retry-After": "1"})
    bucket.level -= 1
    return headers
