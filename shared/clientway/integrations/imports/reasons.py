"""Reasons by kind: “the same as row 7” and “the same as row 9” are one thing that happened twice."""

import re
from collections import Counter
from typing import Any, Final

_MOST = 20
# What differs from row to row. Quoted cells go first: anything may stand in them.
_VARYING: Final = (
    (re.compile(r"“.*?”(?= (?:was|is)\b)"), "“…”"),
    (re.compile(r"perhaps the same as .* \(same phone\)"), "perhaps the same as another (same phone)"),
    (re.compile(r"same id .* in this source"), "same id in this source"),
    (re.compile(r"same e-mail [^\s;]+"), "same e-mail"),
    (re.compile(r"[^\s;]+@[^\s;]+ belongs"), "its e-mail belongs"),
    (re.compile(r"the same as row \d+"), "the same as an earlier row"),
    (re.compile(r"\b\d+\b"), "…"),
)


def kinds(reason: str) -> list[str]:
    """What a row's reason says, without what is the row's own: first why it became what it became, then what else there was."""
    for pattern, general in _VARYING:
        reason = pattern.sub(general, reason)
    why, *notes = reason.split("; ")
    if notes[:1] == ["nothing new"]:
        # Said of a match it is the reason itself: the row was skipped for it.
        why = f"{why}; {notes.pop(0)}"
    return [one[:120] for one in dict.fromkeys([why, *notes])]


class Tally:
    """How often each kind was given for each outcome, and in which row first."""

    def __init__(self) -> None:
        """Start empty."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], int] = {}

    def add(self, outcome: str, reason: str, row_number: int) -> None:
        """Count a row's reason."""
        for kind in kinds(reason):
            self._counts[outcome, kind] += 1
            self._first.setdefault((outcome, kind), row_number)

    def found(self) -> list[dict[str, Any]]:
        """The most frequent of each outcome, as PreviewReason has it."""
        shown: Counter[str] = Counter()
        most = []
        for (outcome, kind), count in self._counts.most_common():
            shown[outcome] += 1
            if shown[outcome] <= _MOST:
                most.append({"outcome": outcome, "reason": kind, "count": count, "first_row": self._first[outcome, kind]})
        return most
