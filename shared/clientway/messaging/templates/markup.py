"""Where in a page of HTML a variable may stand, and whether there is anything to be seen on it.

Escaping makes a variable harmless in text and between quotes, and nowhere else.
"""

import re
from html import unescape
from typing import Final

MARK: Final = "\x00"
"""Stands for a variable; no template holds one."""
_TAG = re.compile(r"<(/?[A-Za-z][A-Za-z0-9]*)")
_IN_TAG = re.compile(f"[{MARK}\"'>]")
# Letter for letter: lowering may lengthen what is not ASCII.
_SMALL: Final = {one: one + 32 for one in range(ord("A"), ord("Z") + 1)}
_RAW: Final = frozenset({"script", "style"})
# What a blank is, and what a mail uses like one: characters of no width.
_SEEN = re.compile("[^\\s\u00ad\u034f\u200b-\u200f\u2060\ufeff]")
_UNSEEN: Final = {name: re.compile(f"</{name}", re.IGNORECASE) for name in (*_RAW, "title")}
_PICTURES: Final = frozenset({"img", "svg", "video"})


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


def blank(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    return _SEEN.search(text) is None


def blank_page(page: str) -> bool:
    """Whether nothing of a page can be seen, no character and no picture. Reads no further than the first, and once at most."""
    at = 0
    while True:
        start = page.find("<", at)
        text = page[at:] if start < 0 else page[at:start]
        if not blank(text) and not blank(unescape(text)):
            return False
        if start < 0:
            return True
        if page.startswith("<!--", start):
            closing = page.find("-->", start)
            at = len(page) if closing < 0 else closing + 3
        elif (tag := _TAG.match(page, start)) is not None:
            name = tag[1].lower()
            if name in _PICTURES:
                return False
            at = _end(page, tag.end()) or len(page)
            if name in _UNSEEN:
                closed = _UNSEEN[name].search(page, at)
                at = len(page) if closed is None else closed.start()
        elif page.startswith(("<!", "<?", "</"), start):
            at = page.find(">", start) + 1 or len(page)
        else:
            # A sign like any other.
            return False


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
