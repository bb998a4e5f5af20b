"""What a form sent: a mail service's one click (RFC 8058), or the button of our page. Pure."""

import re
from typing import Literal
from urllib.parse import parse_qsl

from clientway.messaging.unsubscribe.page import FIELD, FROM_PAGE

Source = Literal["one_click", "unsubscribe_page"]

# The parts of multipart/form-data, without their boundary: RFC 8058's own example gets its own wrong.
_PART = re.compile(
    r'^content-disposition:[^\r\n]*\bname="?([^"\r\n;]{1,100})"?[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n([^\r\n]*)',
    re.IGNORECASE | re.MULTILINE,
)
_MOST_FIELDS = 20
# A click is a line or two. Whoever sends more, without any secret, is not to keep us busy with it.
_LONGEST = 2_000


def wish(content_type: str, body: str) -> Source | None:
    """Who wants it so; None where a body says nothing of the kind."""
    kind, body = content_type.partition(";")[0].strip().lower(), body[:_LONGEST]
    if kind == "multipart/form-data":
        fields = _PART.findall(body)[:_MOST_FIELDS]
    elif kind in {"application/x-www-form-urlencoded", ""}:
        try:
            fields = parse_qsl(body.strip(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            return None
    else:
        return None
    found = {name.strip().lower(): value.strip().lower() for name, value in fields}
    if found.get("list-unsubscribe") == "one-click":
        return "one_click"
    return "unsubscribe_page" if found.get(FIELD) == FROM_PAGE else None
