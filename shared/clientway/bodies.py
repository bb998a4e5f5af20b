"""Bodies of requests, before anybody knows what they mean: how large, which encoding, what counts as JSON."""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from clientway.errors import FieldError, Malformed, TooLarge

MAX_BODY = 256 * 1024


def check(event: Mapping[str, Any]) -> None:
    """Refuse a body that is too large or not UTF-8 before anything reads it."""
    body = event.get("body") or ""
    if len(body) > MAX_BODY * 4 // 3 + 4:
        raise TooLarge(f"A body has at most {MAX_BODY} bytes.")
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
            raw.decode()
        except ValueError:
            raise Malformed("The body is not UTF-8.", errors=[FieldError("#", "not_utf8", "send JSON as UTF-8")]) from None
    else:
        raw = body.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY:
        raise TooLarge(f"A body has at most {MAX_BODY} bytes.")


def strict_json(body: str) -> Any:
    """JSON by RFC 8259 without the extras Python admits: no NaN, no repeated members, no bottomless nesting, no half characters.

    A number is an integer when it has no fraction, however it is written (JSON Schema: 5.0 is one).
    """

    def refuse(constant: str) -> None:
        raise json.JSONDecodeError(f"{constant} is not JSON", body, 0)

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise json.JSONDecodeError("an object names a member twice", body, 0)
        return found

    def number(written: str) -> float:
        value = float(written)
        if math.isinf(value):
            raise json.JSONDecodeError(f"{written[:20]} is too large a number", body, 0)
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value

    try:
        found = json.loads(body, parse_constant=refuse, parse_float=number, object_pairs_hook=members)
    except (RecursionError, ValueError) as error:
        if isinstance(error, json.JSONDecodeError):
            raise
        raise json.JSONDecodeError("nested too deeply or a number too long", body, 0) from None
    if _SURROGATE.search(body):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise json.JSONDecodeError("an escaped surrogate without its other half", body, 0) from None
    return found


_EXACT = 2**53  # above it a float skips integers, so which one was meant is not known
# Whole pairs are fine and common; a half is no character, and nothing behind here can store or send it.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def fingerprint(body: str | None) -> str:
    """What tells one body from another, whatever the order of its members. Raises Malformed (400) if it is not JSON."""
    try:
        canonical = json.dumps(strict_json(body), sort_keys=True, separators=(",", ":")) if body else ""
    except json.JSONDecodeError as error:
        # Only where the route takes no body: elsewhere it was read, and refused, before.
        raise Malformed("The body is not JSON.", errors=[FieldError("#", "json_invalid", error.msg)]) from None
    return hashlib.sha256(canonical.encode()).hexdigest()
