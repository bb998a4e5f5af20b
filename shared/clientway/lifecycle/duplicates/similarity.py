"""How alike two words are: phonetic codes, Jaro-Winkler, edit distance. Pure, and small enough to be our own."""

from functools import lru_cache
from typing import Final

_SOUNDS: Final = {letter: digit for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1) for letter in letters}
_PREFIX = 4
_PREFIX_WEIGHT = 0.1


@lru_cache(maxsize=8192)
def soundex(word: str) -> str:
    """American Soundex of a folded word; empty when it has no Latin letter."""
    letters = [letter for letter in word if "a" <= letter <= "z"]
    if not letters:
        return ""
    code, last = letters[0].upper(), _SOUNDS.get(letters[0])
    for letter in letters[1:]:
        sound = _SOUNDS.get(letter)
        if sound is not None and sound != last:
            code += str(sound)
        if letter not in "hw":
            last = sound
    return f"{code}000"[:4]


def jaro_winkler(one: str, other: str) -> float:
    """Jaro-Winkler similarity, 0 to 1 (Winkler 1990, prefix of at most four letters)."""
    if one == other:
        return 1.0
    reach = max(len(one), len(other)) // 2 - 1
    if not one or not other or reach < 0:
        return 0.0
    taken = [False] * len(other)
    matched: list[str] = []
    for place, letter in enumerate(one):
        for there in range(max(0, place - reach), min(len(other), place + reach + 1)):
            if not taken[there] and other[there] == letter:
                taken[there] = True
                matched.append(letter)
                break
    if not matched:
        return 0.0
    pairs = zip(matched, (letter for letter, hit in zip(other, taken, strict=True) if hit), strict=True)
    moved = sum(mine != theirs for mine, theirs in pairs) / 2
    count = len(matched)
    jaro = (count / len(one) + count / len(other) + (count - moved) / count) / 3
    return _boosted(jaro, one, other)


def best_jaro_winkler(one: str, other: str, common: int) -> float:
    """What jaro_winkler comes to at most for two words that have so many letters in common."""
    return _boosted((common / len(one) + common / len(other) + 1) / 3, one, other)


def _boosted(jaro: float, one: str, other: str) -> float:
    shared = 0
    for mine, theirs in zip(one[:_PREFIX], other[:_PREFIX], strict=False):
        if mine != theirs:
            break
        shared += 1
    return jaro + shared * _PREFIX_WEIGHT * (1 - jaro)


def edits(one: str, other: str, most: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two words; `most + 1` when there are more."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, theirs in enumerate(other, 1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (letter != theirs))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == theirs:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return min(last[-1], most + 1)
