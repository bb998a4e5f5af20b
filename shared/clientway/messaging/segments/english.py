"""A definition in one sentence, for who is about to send to those it means."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from clientway.messaging.segments.rules import Asked, Group, Happened, Members, Not, Resolved, Segment

MOST = 4000
_SHOWN = 5
_LONG = 60


def sentence(node: Resolved) -> str:
    """A definition in words: "Contacts whose status is active and who have the tag vip, but who were not e-mailed …"."""
    if node == Group("all", ()):
        return "All contacts."
    said = f"Contacts {_said(node, top=True)}."
    return said if len(said) <= MOST else f"{said[: MOST - 1]}…"


def _said(node: Resolved, *, no: bool = False, top: bool = False) -> str:
    match node:
        case Not(part=part):
            return _said(part, no=not no, top=top)
        case Group(parts=()):
            return "of whom there are none" if no else "whoever they are"
        case Group(kind=kind, parts=parts):
            # Not all is: some not; not any is: all not.
            joined = _joined(parts, "and" if (kind == "all") != no else "or", no=no)
            return joined if top or len(parts) == 1 else f"({joined})"
        case Members(name=name) | Segment(name=name):
            return f"who {'do not belong' if no else 'belong'} to the segment {_quoted(name)}"
        case Asked():
            return _asked(node, no=no)
        case Happened():
            return _happened(node, no=no)


def _joined(parts: Sequence[Resolved], word: str, *, no: bool) -> str:
    said = [(_is_negative(part) != no, _said(part, no=no)) for part in parts]
    against = [words for negative, words in said if negative]
    if word == "and" and against and len(against) < len(said):
        return f"{' and '.join(words for negative, words in said if not negative)}, but {' and '.join(against)}"
    return f" {word} ".join(words for _, words in said)


def _is_negative(node: Resolved) -> bool:
    match node:
        case Not(part=part):
            return not _is_negative(part)
        case Asked(op=op, value=value):
            return op in ("ne", "not_in", "has_not", "is_unknown") or (op == "is" and value is False)
        case Happened(op=op, n=n):
            return op != "gte" and n == 0
        case _:
            return False


_WORDS = {
    "eq": ("is", "is not"), "ne": ("is not", "is"), "in": ("is one of", "is none of"), "not_in": ("is none of", "is one of"),
    "starts_with": ("begins with", "does not begin with"), "lt": ("is below", "is not below"), "lte": ("is at most", "is not at most"),
    "gt": ("is above", "is not above"), "gte": ("is at least", "is not at least"), "between": ("is between", "is not between"),
    "before": ("is before", "is not before"), "after": ("is after", "is not after"), "on": ("is on", "is not on"),
}  # fmt: skip
_TIMES = {
    "within_last_days": "within the last {}", "older_than_days": "more than {} ago", "within_next_days": "within the next {}",
}  # fmt: skip
_NEGATIVE = ("ne", "not_in")


def _asked(asked: Asked, *, no: bool) -> str:
    label, op = asked.field.label, asked.op
    if asked.field.kind == "set":
        return _has(asked, no=no)
    if op in ("is_known", "is_unknown"):
        return f"whose {label} is {'known' if (op == 'is_known') != no else 'not known'}"
    if op == "is":
        said = f"of whom it {'holds' if asked.value != no else 'does not hold'} that “{label}”"
    elif op in _TIMES:
        said = f"whose {label} is {'not ' if no else ''}{_TIMES[op].format(_days(asked.value))}"
    else:
        said = f"whose {label} {_WORDS[op][no]} {_value(asked)}"
    if not asked.field.nullable:
        return said
    if asked.include_unknown != no:
        return f"{said} (or is not known)"
    return f"{said} (and is known)" if (op in _NEGATIVE) != no else said


def _has(asked: Asked, *, no: bool) -> str:
    label, op = asked.field.label, asked.op
    have = "do not have" if (op in ("has_not", "is_unknown")) != no else "have"
    match op:
        case "is_known" | "is_unknown":
            return f"who {have} any {label}"
        case "has_any":
            return f"who {have} any of these as {label}: {_value(asked)}"
        case "has_all":
            return f"who {have} all of these as {label}: {_value(asked)}"
        case _:
            return f"who {have} the {label} {_value(asked)}"


def _happened(happened: Happened, *, no: bool) -> str:
    event, op, n = happened.event, happened.op, happened.n
    never = op != "gte" and n == 0
    if never or (op == "gte" and n == 1):
        negative = never != no
        if event.said:
            said = f"who {event.said[negative]}"
        else:
            article = "an" if event.label[0] in "aeiou" else "a"
            said = f"who had {'no' if negative else article} {event.label}"
    else:
        count = {"gte": "at least", "eq": "exactly", "lte": "at most"}[op]
        said = f"who {'did not have' if no else 'had'} {count} {n} times: {event.label}"
    within = f" in the last {_days(happened.within_days)}" if happened.within_days else ""
    given = {name: value for name, value in happened.filters if value is not False}
    narrowed = ", ".join(_FILTERS[name].format(value) for name, value in given.items())
    return f"{said}{within}{f' ({narrowed})' if narrowed else ''}"


_FILTERS = {
    "machine": "those of machines too", "channel": "by {}", "campaign_id": "of the campaign {}", "min_amount_cents": "of at least {} cents",
}  # fmt: skip


def _days(number: int) -> str:
    return "day" if number == 1 else f"{number} days"


def _value(asked: Asked) -> str:
    if asked.op == "between":
        least, most = (_one(asked, one) for one in asked.value)
        return f"{least} and {most}"
    if not isinstance(asked.value, list):
        return _one(asked, asked.value)
    shown = [_one(asked, one) for one in asked.value[:_SHOWN]]
    return ", ".join(shown) + (f" and {len(asked.value) - _SHOWN} more" if len(asked.value) > _SHOWN else "")


def _one(asked: Asked, value: Any) -> str:
    if asked.field.kind == "money":
        return f"{value / 100:,.2f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return value.isoformat() if isinstance(value, date) else _quoted(str(value))


def _quoted(words: str) -> str:
    """As it is where it is one plain word, else in quotes, and not too long."""
    short = words if len(words) <= _LONG else f"{words[: _LONG - 1]}…"
    return short if short.replace("_", "").replace("-", "").replace(".", "").isalnum() else f"“{short}”"
