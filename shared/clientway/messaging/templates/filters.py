"""The filters of templates. Each takes whatever there is and never raises; each gives plain text, which HTML escapes."""

from collections.abc import Callable, Mapping
from datetime import date as day
from datetime import datetime
from html import escape
from typing import Any, Final

from clientway.currencies import written

_SYMBOLS: Final[Mapping[str, str]] = {"USD": "$", "EUR": "€", "GBP": "£", "CAD": "CA$", "AUD": "A$", "MXN": "MX$"}
_ENDS = "…"
_LONGEST = 5_000


def empty(value: Any) -> bool:
    """Whether there is nothing: a variable that nobody gave (Jinja's Undefined is of length 0), or an empty text."""
    return value is None or (not isinstance(value, (bool, int, float)) and not str(value))


def upper(value: Any) -> str:
    """In capitals."""
    return str(value).upper()


def lower(value: Any) -> str:
    """In small letters."""
    return str(value).lower()


def title(value: Any) -> str:
    """Each word with a capital, as names are written: O'neil stays one word."""
    return " ".join(word[:1].upper() + word[1:].lower() for word in str(value).split(" "))


def capitalize(value: Any) -> str:
    """The first letter in capitals, the others small."""
    return str(value).capitalize()


def trim(value: Any) -> str:
    """Without blanks around it."""
    return str(value).strip()


def default(value: Any, other: Any = "") -> Any:
    """Something else where there is nothing."""
    return other if empty(value) else value


def truncate(value: Any, length: Any = 100) -> str:
    """At most so many characters, cut at a word where there is one."""
    text = str(value)
    most = max(1, min(int(length), _LONGEST)) if isinstance(length, int) else 100
    if len(text) <= most:
        return text
    cut = text[: most - 1]
    return (cut.rpartition(" ")[0] or cut).rstrip() + _ENDS


def money(value: Any, currency: Any = "USD") -> str:
    """Cents as an amount: 123450 → $1,234.50. What is no number stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int):
        return str(value)
    code = str(currency)
    sign, symbol = ("-" if value < 0 else ""), _SYMBOLS.get(code, f"{code} ")
    try:
        return f"{sign}{symbol}{written(abs(value), code, thousands=',')}"
    except ValueError:
        # More digits than Python writes.
        return ""


def date(value: Any) -> str:
    """A date of ISO 8601 in words: 2030-01-07 → January 7, 2030. What is none stays as it is."""
    text = str(value)
    try:
        found = datetime.fromisoformat(text).date() if len(text) > len("2030-01-07") else day.fromisoformat(text)
    except ValueError:
        return text
    return f"{found:%B} {found.day}, {found.year}"


def lines(value: Any) -> str:
    """Escaped for HTML, with its line breaks."""
    return escape(str(value)).replace("\n", "<br>\n")


def compare(operator: str) -> Callable[[Any, Any], bool]:
    """A comparison that two values of different kinds do not meet, in place of an error."""

    def meets(left: Any, right: Any) -> bool:
        if empty(left) or empty(right):
            return operator in {"eq", "ne"} and (empty(left) == empty(right)) == (operator == "eq")
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if not numbers and not (isinstance(left, str) and isinstance(right, str)):
            return operator == "ne"
        return bool(_COMPARISONS[operator](left, right))

    return meets


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "lt": lambda left, right: left < right,
    "lteq": lambda left, right: left <= right,
    "gt": lambda left, right: left > right,
    "gteq": lambda left, right: left >= right,
}
COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {f"_{name}": compare(name) for name in _COMPARISONS}
ALLOWED: Final[Mapping[str, Callable[..., Any]]] = {
    "upper": upper,
    "lower": lower,
    "title": title,
    "capitalize": capitalize,
    "trim": trim,
    "default": default,
    "truncate": truncate,
    "money": money,
    "date": date,
}
"""What a template may name."""
