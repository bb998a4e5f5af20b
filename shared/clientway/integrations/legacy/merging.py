"""What a row changes in a record that is there: pure.

Blanks are filled. What is there is overwritten only if it still is what the row said last time, that is, if the old
system has changed it since and nobody here has. Last time's values are known by their marks alone.
"""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

Row = dict[str, Any]
Marks = Mapping[str, str]

# Fields that only make sense together are taken together.
_GROUPS: Final = (
    ("email", "email_norm"),
    ("phone", "phone_e164"),
    ("address_line1", "city", "state", "zip", "country", "address_key"),
    ("latitude", "longitude"),
)
_BLANKS: Final[Mapping[str, Any]] = {
    "do_not_contact": False, "is_decision_maker": False, "portal_enabled": False, "country": "US", "currency": "USD",
}  # fmt: skip
# Taken when a record is made, never afterwards: links lead to it.
_AT_FIRST: Final = frozenset({"slug"})


def marks(said: Mapping[str, Any], key: bytes) -> dict[str, str]:
    """A keyed hash of each value: tells whether two are the same, and nothing else."""
    return {path: mark(value, key) for path, value in said.items() if value is not None}


def mark(value: Any, key: bytes) -> str:
    """The mark of one value; 30.0 and 30 are one, as they are to PostgreSQL's JSON."""
    plain = int(value) if isinstance(value, float) and value.is_integer() else value
    return blake2b(json.dumps(plain, sort_keys=True).encode(), key=key, digest_size=9).hexdigest()


def changes(table: str, there: Row, given: Row, last: Marks, key: bytes, *, blanks: Mapping[str, Any] = _BLANKS) -> tuple[Row, list[str]]:
    """The fields to be written, and the names of those that differ and are kept as they are here."""
    found: Row = {}
    kept: list[str] = []
    groups = [group for group in _GROUPS if group[0] in given]
    grouped = {name for group in groups for name in group}
    for group in (*groups, *((name,) for name in given if name not in grouped and name not in _AT_FIRST)):
        new = {name: given.get(name) for name in group}
        if all(value is None or there.get(name) == value for name, value in new.items()):
            continue
        # Another address altogether takes its blanks along: the old ZIP code is not the new one's.
        whole = there.get(group[0]) is not None and new[group[0]] is not None and there.get(group[0]) != new[group[0]]
        written = {name: value for name, value in new.items() if whole or value is not None}
        if not all(_free(f"{table}.{name}", there.get(name), value, last, key, blanks.get(name)) for name, value in written.items()):
            kept.append(group[0])
            continue
        found |= {name: value for name, value in written.items() if name in there and there[name] != value}
    return found, kept


def _free(path: str, there: Any, given: Any, last: Marks, key: bytes, blank: Any) -> bool:
    """Whether a field may be written: it is blank, says the same already, or says what the row said last time."""
    return there is None or there in (given, blank) or last.get(path) == mark(there, key)


def notes(there: str | None, given: str | None) -> str | None:
    """Notes with those of the row below, unless they are there already; None when nothing changes."""
    if not given or (there and given in there):
        return None
    return "\n".join(filter(None, (there, given)))[:20_000]
