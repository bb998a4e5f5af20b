"""Where in a page of HTML a variable may stand: escaping makes it harmless in text and between quotes, and nowhere else."""

import re
from typing import Final

MARK: Final = "\x00"
"""Stands for a variable; no template holds one."""
_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9]*)")
_IN_TAG = re.compile(f"[{MARK}\"'>]")
# Letter for letter: lowering may lengthen what is not ASCII.
_SMALL: Final = {one: one + 32 for one in range(ord("A"), ord("Z") + 1)}
_RAW: Final = frozenset({"script", "style"})


def misplaced(page: str) -> str | None:
    """Why a variable may not stand where it does, in the words of an error; None where all stand right."""
    at, small = 0, page.lower() if page.isascii() else page.translate(_SMALL)
    while (tag := _TAG.search(page, at)) is not None:
        end = _end(page, tag.end())
        if end is None:
            return "put quotes around variables in a tag"
        name, at = tag[1].lower(), end
        if name in _RAW:
            closing = small.find(f"</{name}", at)
            at = len(page) if closing < 0 else closing
            if MARK in page[end:at]:
                return f"no variables in <{name}>"
    return None


def _end(page: str, at: int) -> int | None:
    """Where a tag ends; None when a variable stands in it outside of quotes."""
    while (found := _IN_TAG.search(page, at)) is not None:
        if found[0] == MARK:
            return None
        if found[0] == ">":
            return found.end()
        closing = page.find(found[0], found.end())
        if closing < 0:
            break
        at = closing + 1
    return len(page)
