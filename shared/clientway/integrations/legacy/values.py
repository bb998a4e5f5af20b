"""Values of the old database as this one keeps them; None for what says nothing or cannot be read."""

import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from clientway import normalise

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_BELOW: Final = 10**11
"""The year 5138 in seconds, and 1973 in milliseconds: nothing of either kind lies on the other's side."""
_MILLISECONDS_BELOW: Final = 10**14
_LAST_YEAR: Final = 2200
_TRUE: Final = frozenset({"1", "true", "t", "yes", "y", "on"})
_NUMBER: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|-?[0-9]*\.?[0-9]+|-?[0-9]+\.")
_LARGEST: Final = 10**18
_DAY: Final = re.compile(r"(?:19|20)[0-9]{6}")
_MOST_CENTS: Final = 10**15
MOST_MINUTES: Final = 10_000_000


def cell(value: Any) -> str:
    """A value as text: whole floats without their point, bytes decoded, nothing as an empty text."""
    match value:
        case None:
            return ""
        case float() if math.isfinite(value) and value.is_integer():
            return str(int(value))
        case bytes():
            return value.decode("utf-8", errors="replace")
    return str(value)


def text(value: Any) -> str | None:
    """Trimmed text; None for blanks and for what only says that there is nothing."""
    given = cell(value)
    return None if normalise.sentinel(given) else normalise.text(given)


def moment(value: Any) -> datetime | None:
    """A time, to the second: unix seconds, milliseconds or microseconds, or an ISO date; without a zone it is UTC."""
    given = text(value)
    if given is None:
        return None
    seconds = None if _DAY.fullmatch(given) else number(given)
    try:
        if seconds is not None:
            size = abs(seconds)
            scale = 1 if size < _SECONDS_BELOW else 1000 if size < _MILLISECONDS_BELOW else 1_000_000
            found = datetime.fromtimestamp(int(seconds // scale), UTC)
        else:
            found = datetime.fromisoformat(given)
            found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found > _EPOCH and found.year < _LAST_YEAR else None


def number(value: Any) -> Decimal | None:
    """A finite number; thousands may be set off by commas, and a currency sign may stand before it."""
    given = (text(value) or "").removeprefix("$").strip()
    if not _NUMBER.fullmatch(given):
        return None
    found = Decimal(given.replace(",", ""))
    return found if abs(found) < _LARGEST else None


def minutes(hours: Any) -> int | None:
    """Hours in minutes, rounded; None when they are negative or beyond belief."""
    given = number(hours)
    found = None if given is None else int((given * 60).to_integral_value())
    return found if found is not None and 0 <= found <= MOST_MINUTES else None


def cents_of_dollars(value: Any) -> int | None:
    """Dollars in cents, rounded; None when negative."""
    given = number(value)
    found = None if given is None else int((given * 100).to_integral_value())
    return found if found is not None and 0 <= found <= _MOST_CENTS else None


def cents(value: Any) -> int | None:
    """Whole cents; None for a fraction, which would be of another unit."""
    found = whole(value)
    return found if found is not None and 0 <= found <= _MOST_CENTS else None


def whole(value: Any) -> int | None:
    """A whole number."""
    given = number(value)
    return int(given) if given is not None and given == given.to_integral_value() else None


def truth(value: Any) -> bool:
    """Whether a flag is set; whatever is not plainly a yes is a no."""
    return cell(value).strip().casefold() in _TRUE


def words(value: Any) -> list[str]:
    """Tags: a JSON array, or words between commas or semicolons; each lower-cased and at most 60 characters."""
    given = text(value)
    if given is None:
        return []
    found: Any = None
    if given.startswith("["):
        try:
            found = json.loads(given)
        except ValueError:
            found = None
    parts = found if isinstance(found, list) else given.replace(";", ",").split(",")
    tags = [tag.lower()[:60].strip() for part in parts if isinstance(part, str | int) and (tag := text(part))]
    return list(dict.fromkeys(tags))


def word(value: Any) -> str:
    """A status or the like: lower-case words joined by an underscore; empty for nothing."""
    return re.sub(r"[^a-z0-9]+", "_", (text(value) or "").casefold()).strip("_")
