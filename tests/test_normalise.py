"""Plain text takes a short way through the normalisers: it leads to the same place."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from clientway import normalise


def long_way(raw):
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cs") else c for c in unicodedata.normalize("NFC", raw))
    return re.sub(r"\s+", " ", visible).strip() or None


def long_fold(raw):
    decomposed = unicodedata.normalize("NFKD", long_way(raw) or "")
    return re.sub(r"\s+", " ", "".join(c for c in decomposed if not unicodedata.combining(c))).casefold().strip()


@given(st.one_of(st.text(st.characters(max_codepoint=0x7F)), st.text()))
def test_the_short_way_leads_where_the_long_one_does(raw):
    assert normalise.text(raw) == long_way(raw)
    assert normalise.fold(raw) == long_fold(raw)
