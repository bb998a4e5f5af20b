"""Names and search: what a row is found by, and what a caller's search term means."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clientway import normalise

SUBSTRING_FROM = 3
"""A trigram index finds no shorter term inside a text; shorter ones are matched at the start of the name."""

_PHONE = re.compile(r"[\d\s()+./-]+")
_NOT_DIGITS = re.compile(r"\D")


def name_norm(*names: str | None) -> str:
    """The name that a list is sorted by and that a short search term is matched with: the first that says anything."""
    return next((key for key in (normalise.name_key(name) or normalise.fold(name) for name in names) if key), "")


def search_text(names: Iterable[str | None], reaches: Iterable[str] = ()) -> str:
    """Everything a row is found by: its names, as written and without punctuation, and e-mails and phones (see reach)."""
    given = tuple(name and _typed(name) for name in names)
    return normalise.search_text(*given, *map(normalise.name_key, given), *reaches)


def reach(phone: str | None, phone_e164: str | None, email_norm: str | None) -> str:
    """The part of a search text that finds a phone (by its digits) and an e-mail."""
    return " ".join(word for word in (digits(phone_e164 or phone or ""), email_norm) if word)


def digits(raw: str) -> str:
    """The digits of a phone number, whatever stands between them."""
    return _NOT_DIGITS.sub("", raw)


@dataclass(frozen=True, slots=True)
class Term:
    """What a search term means: a LIKE pattern for the search text, or else the start of a name."""

    pattern: str | None = None
    prefix: str | None = None


def term(q: str) -> Term:
    """Read a search term: a phone by its digits, anything else folded as the search text is."""
    wanted = normalise.fold(_typed(q))
    number = digits(wanted)
    if len(number) >= SUBSTRING_FROM and _PHONE.fullmatch(wanted):
        return Term(pattern=f"%{number}%")
    if len(wanted) >= SUBSTRING_FROM:
        return Term(pattern=f"%{_escaped(wanted)}%")
    return Term(prefix=normalise.name_key(wanted) or wanted)


def us_state(raw: str | None) -> str | None:
    """A state as locations keep it: the two-letter code of one of the US, anything else as written."""
    return normalise.us_state(raw) or raw


def _typed(raw: str) -> str:
    """The apostrophe of a keyboard in place of the typographic one that phones put in."""
    return raw.replace("\u2019", "'")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
