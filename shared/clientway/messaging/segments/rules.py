"""What a definition means: read, checked against the fields there are, and resolved into what SQL and a sentence are made of."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, ValidationError

from clientway.errors import FieldError, Unprocessable
from clientway.messaging.segments.definition import (
    MOST_DEPTH,
    MOST_LEAVES,
    TAGS,
    SegmentAllOf,
    SegmentAnyOf,
    SegmentEventHappened,
    SegmentFieldIs,
    SegmentNode,
    SegmentNotOf,
    SegmentWithin,
)
from clientway.messaging.segments.fields import EVENTS, FIELDS, Event, Field, Op
from clientway.schemas import Timestamp

MOST_EXPANDED = 150
"""Ends of a definition together with those of the segments that it names."""
MOST_NESTED = 5
"""How far segments may name segments."""


class SegmentTooLarge(Unprocessable):
    """422: with the segments that it names, the definition is more than a statement may hold."""

    code, title = "segment_too_large", "Segment too large"


@dataclass(frozen=True, slots=True)
class Group:
    """All of these hold, or any."""

    kind: Literal["all", "any"]
    parts: tuple["Resolved", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """This does not."""

    part: "Resolved"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to a field. A value is as the field's kind has it; for `on`, `before` and `after` a day or a moment."""

    field: Field
    op: Op
    value: Any
    include_unknown: bool


@dataclass(frozen=True, slots=True)
class Happened:
    """A question to what happened; `filters` are those of the event, with their values."""

    event: Event
    within_days: int | None
    op: Literal["gte", "eq", "lte"]
    n: int
    filters: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Members:
    """Is one of the members that a segment has by hand or from when it was taken."""

    segment_id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Segment:
    """Belongs to a segment that is defined."""

    name: str
    part: "Resolved"


Resolved = Group | Not | Asked | Happened | Members | Segment


@dataclass(frozen=True, slots=True)
class Known:
    """Another segment, as far as a definition that names it has to know."""

    id: UUID
    name: str
    kind: Literal["manual", "dynamic", "snapshot"]
    definition: Mapping[str, Any] | None


_ADAPTER: TypeAdapter[Any] = TypeAdapter(SegmentNode, config=ConfigDict(defer_build=True))
_CODES: Final = {"union_tag_not_found": "unknown_form", "recursion_depth_exceeded": "too_deep"}


def read(definition: Mapping[str, Any], pointer: str) -> Any:
    """A definition by its form alone. Raises Unprocessable (422), each error with its pointer."""
    errors = list(_too_much(definition, pointer))
    if errors:
        raise _refused(errors)
    try:
        return _ADAPTER.validate_python(definition)
    except ValidationError as refused:
        found: dict[str, FieldError] = {}
        for error in refused.errors(include_url=False, include_context=False, include_input=False):
            place = pointer + "".join(f"/{part}" for part in _place(error["loc"]))
            found.setdefault(place, FieldError(place, _CODES.get(error["type"], error["type"]), error["msg"]))
        raise _refused(list(found.values())) from None


def segments_named(node: Any) -> Iterator[UUID]:
    """The other segments in a definition."""
    match node:
        case SegmentAllOf(all=parts) | SegmentAnyOf(any=parts):
            for part in parts:
                yield from segments_named(part)
        case SegmentNotOf(no=part):
            yield from segments_named(part)
        case SegmentWithin(segment=segment_id):
            yield segment_id


def _too_much(definition: Any, pointer: str) -> Iterator[FieldError]:
    """Depth and number of ends, before anything that recurses looks at it."""
    waiting, leaves = [(definition, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        if depth > MOST_DEPTH:
            yield FieldError(pointer, "too_deep", f"groups nest {MOST_DEPTH} deep at most")
            return
        if not isinstance(node, dict):
            continue
        inner = node.get("all") or node.get("any")
        parts = inner if isinstance(inner, list) else [node["not"]] if "not" in node else None
        if parts is None:
            leaves += 1
        else:
            waiting += [(part, depth + 1) for part in parts]
        if leaves > MOST_LEAVES:
            yield FieldError(pointer, "too_many", f"{MOST_LEAVES} conditions at most")
            return


def _place(loc: Sequence[int | str]) -> Iterator[str]:
    """The way to an error without what pydantic puts in between: which kind of node it took, which kind of value."""
    parts = list(loc)
    at_node = True
    while parts:
        part = parts.pop(0)
        if at_node and part in TAGS:
            at_node = False
            if not parts:
                return
            member = parts.pop(0)
            yield _escaped(member)
            if part in ("all", "any") and parts:
                yield str(parts.pop(0))
                at_node = True
            elif part == "not":
                at_node = True
            elif member == "value":
                yield from (str(one) for one in parts if isinstance(one, int))
                return
        else:
            yield _escaped(part)


def _escaped(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


class _Wrong(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, pointer: str, code: str, message: str) -> None:
        super().__init__(message)
        self.error = FieldError(pointer, code, message)


@dataclass(slots=True)
class _Resolving:
    """The way down: what is known, and where it began."""

    custom: Mapping[str, Field]
    known: Mapping[UUID, Known]
    errors: list[FieldError]
    leaves: int = 0

    def node(self, node: Any, pointer: str, above: tuple[UUID, ...]) -> Resolved | None:
        match node:
            case SegmentAllOf(all=parts):
                return self._group("all", parts, pointer, above)
            case SegmentAnyOf(any=parts):
                return self._group("any", parts, pointer, above)
            case SegmentNotOf(no=part):
                inner = self.node(part, f"{pointer}/not", above)
                return Not(inner) if inner is not None else None
        self.leaves += 1
        try:
            return self._leaf(node, pointer, above)
        except _Wrong as wrong:
            self.errors.append(wrong.error)
            return None

    def _leaf(self, node: Any, pointer: str, above: tuple[UUID, ...]) -> Resolved | None:
        match node:
            case SegmentFieldIs():
                return self._asked(node, pointer)
            case SegmentEventHappened():
                return self._happened(node, pointer)
            case _:
                return self._segment(node, f"{pointer}/segment", above)

    def _group(self, kind: Literal["all", "any"], parts: Sequence[Any], pointer: str, above: tuple[UUID, ...]) -> Resolved:
        found = [self.node(part, f"{pointer}/{kind}/{place}", above) for place, part in enumerate(parts)]
        return Group(kind, tuple(part for part in found if part is not None))

    def _segment(self, node: SegmentWithin, pointer: str, above: tuple[UUID, ...]) -> Resolved | None:
        segment = self.known.get(node.segment)
        if node.segment in above:
            raise _Wrong(pointer, "cycle", "would belong to itself")
        if segment is None:
            raise _Wrong(pointer, "unknown_segment", "not a segment of this tenant")
        if segment.kind != "dynamic":
            return Members(segment.id, segment.name)
        if len(above) >= MOST_NESTED:
            raise _Wrong(pointer, "too_deep", f"segments name segments {MOST_NESTED} deep at most")
        if self.leaves > MOST_EXPANDED:
            return None
        before, self.errors = self.errors, []
        inner = self.node(read(segment.definition or {}, pointer), pointer, (*above, segment.id))
        # What is wrong in there is told where it is named.
        inside, self.errors = [FieldError(pointer, error.code, f"{segment.name}: {error.message}"[:300]) for error in self.errors], before
        self.errors += inside[:1]
        return Segment(segment.name, inner) if inner is not None else None

    def _happened(self, node: SegmentEventHappened, pointer: str) -> Resolved:
        event = EVENTS.get(node.event)
        if event is None:
            raise _Wrong(f"{pointer}/event", "unknown_event", "not among the events of GET /api/segments/fields")
        allowed = event.filters or {}
        given = {name: value for name, value in (node.where.model_dump() if node.where else {}).items() if value is not None}
        for name in given.keys() - allowed.keys():
            self.errors.append(FieldError(f"{pointer}/where/{name}", "not_here", f"{event.name} is not narrowed by it"))
        return Happened(event, node.within_days, node.count.op, node.count.n, tuple(sorted(given.items())))

    def _asked(self, node: SegmentFieldIs, pointer: str) -> Resolved:
        field = FIELDS.get(node.field) or self.custom.get(node.field.removeprefix("custom.") if node.field.startswith("custom.") else "")
        if field is None:
            raise _Wrong(f"{pointer}/field", "unknown_field", "not among the fields of GET /api/segments/fields")
        if node.op not in field.ops:
            raise _Wrong(f"{pointer}/op", "wrong_operator", f"{field.name} takes {', '.join(field.ops)}")
        try:
            value = _READ[node.op](field, node.value)
        except _Unfit as unfit:
            raise _Wrong(f"{pointer}/value{unfit.place}", unfit.code, unfit.message) from None
        return Asked(field, node.op, value, node.include_unknown)


def resolve(node: Any, pointer: str, *, custom: Mapping[str, Field], known: Mapping[UUID, Known], above: tuple[UUID, ...] = ()) -> Resolved:
    """A definition with what its names mean. `above` are the segments that it is the definition of.

    Raises Unprocessable (422) for a field, operator, value, event or segment that is none, SegmentTooLarge (422).
    """
    resolving = _Resolving(custom, known, [])
    found = resolving.node(node, pointer, above)
    if resolving.leaves > MOST_EXPANDED:
        raise SegmentTooLarge(
            "The segment is too large: split it up.",
            errors=[FieldError(pointer, "segment_too_large", f"{MOST_EXPANDED} conditions at most")],
        )
    if resolving.errors or found is None:
        raise _refused(resolving.errors)
    return found


def _refused(errors: Sequence[FieldError]) -> Unprocessable:
    return Unprocessable("The segment breaks a rule.", errors=errors[:20])


class _Unfit(Exception):  # noqa: N818  (never leaves this module)
    def __init__(self, code: str, message: str, place: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.place = code, message, place


_BIGINT = 2**63
_YEARS = range(1900, 2201)
_MOST_DAYS = 36_500
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Timestamp, config=ConfigDict(defer_build=True))


def _one(field: Field, value: Any, place: str = "") -> Any:
    match field.kind:
        case "text" | "enum" | "set":
            if not isinstance(value, str):
                raise _Unfit("not_text", "is no text", place)
            if field.values and value not in field.values:
                raise _Unfit("not_an_option", f"is none of {', '.join(field.values)}"[:300], place)
            # The domain of an address is kept in lower case, whoever wrote it.
            return value.lower() if field.name == "email_domain" else value
        case "number":
            if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 10**300:
                raise _Unfit("not_a_number", "is no number", place)
            return float(value)
        case _:
            if isinstance(value, bool) or not isinstance(value, int) or not -_BIGINT <= value < _BIGINT:
                raise _Unfit("not_an_integer", "is no whole number", place)
            return value


def _many(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Unfit("not_a_list", "has to be a list")
    return list(dict.fromkeys(_one(field, one, f"/{place}") for place, one in enumerate(value)))


def _range(field: Field, value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004
        raise _Unfit("not_a_range", "has to be a list of two")
    least, most = (_one(field, one, f"/{place}") for place, one in enumerate(value))
    if least > most:
        raise _Unfit("empty_range", "the first is above the second")
    return [least, most]


def _yes_or_no(_field: Field, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Unfit("not_a_boolean", "is neither true nor false")
    return value


def _days(_field: Field, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_DAYS:
        raise _Unfit("not_days", f"is no number of days from 1 to {_MOST_DAYS}")
    return value


def _day(_field: Field, value: Any) -> date:
    try:
        found = date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise _Unfit("not_a_date", "is no date as YYYY-MM-DD from 1900 to 2200")
    return found


def _day_or_moment(field: Field, value: Any) -> date | datetime:
    if field.kind == "date" or not isinstance(value, str) or len(value) <= len("2026-01-01"):
        return _day(field, value)
    try:
        found = _MOMENT.validate_python(value)
    except ValidationError:
        found = None
    if found is None or found.year not in _YEARS:
        raise _Unfit("not_a_date", "is neither a date nor a moment as of RFC 3339")
    return found


def _nothing(_field: Field, value: Any) -> None:
    if value is not None:
        raise _Unfit("no_value", "takes no value")


_READ: Final[Mapping[Op, Callable[[Field, Any], Any]]] = {
    **dict.fromkeys(("eq", "ne", "starts_with", "lt", "lte", "gt", "gte", "has", "has_not"), _one),
    **dict.fromkeys(("in", "not_in", "has_any", "has_all"), _many),
    "between": _range, "is": _yes_or_no, "on": _day, "before": _day_or_moment, "after": _day_or_moment,
    **dict.fromkeys(("within_last_days", "older_than_days", "within_next_days"), _days),
    "is_known": _nothing, "is_unknown": _nothing,
}  # fmt: skip
