"""Definitions of segments as SQL over contacts: identifiers from the allow-list alone, whatever a caller wrote as a parameter.

Each part is a condition that is true, false or null, where null counts as false: AND and OR keep that by themselves, and
a negation asks whether it `is not true`. Each table that a part reads names the tenant for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from clientway.errors import FieldError
from clientway.messaging.segments.english import sentence
from clientway.messaging.segments.fields import FILTER_TYPES, SHORT, TYPES, Field
from clientway.messaging.segments.rules import Asked, Group, Happened, Members, Not, Resolved, Segment, SegmentTooLarge

MOST_SQL = 11_000
"""Characters. RDS Proxy keeps a connection for one client whose statement has more than 16 KB; the rest is for what is around it."""


@dataclass(frozen=True, slots=True)
class Where:
    """Who belongs to a segment: a condition on contacts under the alias `c`, to stand in parentheses beside the tenant's.

    Its parameters begin with `seg_`; null counts as false. `english` is the same in a sentence.
    """

    sql: str
    parameters: dict[str, Any]
    english: str


def compiled(node: Resolved, *, now: datetime, zone: str, pointer: str = "#/definition") -> Where:
    """A resolved definition as SQL; `zone` is where its days begin. Raises SegmentTooLarge (422)."""
    compiling = _Compiling(now, ZoneInfo(zone))
    sql = compiling.node(node)
    if len(sql) > MOST_SQL:
        raise SegmentTooLarge(
            "The segment is too large: split it up.", errors=[FieldError(pointer, "segment_too_large", "is more than a statement may hold")]
        )
    if ":seg_now" in sql:
        compiling.parameters["seg_now"] = now
    return Where(sql, compiling.parameters, sentence(node))


_COMPARED = {"eq": "=", "ne": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "starts_with": "^@"}


@dataclass(slots=True)
class _Compiling:
    now: datetime
    zone: ZoneInfo
    parameters: dict[str, Any] = field(default_factory=dict)

    def node(self, node: Resolved) -> str:  # noqa: PLR0911  (a line for each kind)
        match node:
            case Group(kind="all", parts=parts):
                return f"({' and '.join(map(self.node, parts))})" if parts else "true"
            case Group(parts=parts):
                return f"({' or '.join(map(self.node, parts))})"
            case Not(part=part):
                return f"({self.node(part)}) is not true"
            case Segment(part=part):
                return self.node(part)
            case Asked():
                return self.asked(node)
            case Happened():
                return self.happened(node)
            case Members(segment_id=segment_id):
                member = f"m.segment_id = {self.bound(segment_id, 'uuid')} and m.contact_id = c.id"
                return f"exists (select from segment_members m where m.tenant_id = app.tenant() and {member})"

    def bound(self, value: Any, kind: str) -> str:
        """A parameter for a value."""
        name = f"seg_{len(self.parameters)}"
        self.parameters[name] = value
        return f"cast(:{name} as {kind})"

    def asked(self, asked: Asked) -> str:
        """A question to a field."""
        source = asked.field.source
        if asked.field.id is not None:
            source = source.replace("cast(:id as uuid)", self.bound(asked.field.id, "uuid"))
        if asked.field.kind == "set":
            return self._set(asked, source)
        known = f"exists (select from {source} and {asked.field.sql} is not null)" if source else f"{asked.field.sql} is not null"
        if asked.op in ("is_known", "is_unknown"):
            return known if asked.op == "is_known" else f"not {known}" if source else f"{asked.field.sql} is null"
        held, unknown_too = self._held(asked), asked.include_unknown and asked.field.nullable
        if source:
            # There is one row at most: that none is known to be otherwise is half as long as that one is so or none is known.
            return (
                f"not exists (select from {source} and ({held}) is false)" if unknown_too else f"exists (select from {source} and {held})"
            )
        return f"({held} or {asked.field.sql} is null)" if unknown_too else held

    def _set(self, asked: Asked, source: str) -> str:
        value = asked.value
        match asked.op:
            case "is_known" | "is_unknown":
                found = f"exists (select from {source} and {asked.field.sql} is not null)"
            case "has_all":
                several = f"{asked.field.sql} = any({self.bound(value, 'text[]')})"
                return f"(select count(distinct {asked.field.sql}) from {source} and {several}) = {len(value)}"
            case "has_any":
                found = f"exists (select from {source} and {asked.field.sql} = any({self.bound(value, 'text[]')}))"
            case _:
                found = f"exists (select from {source} and {asked.field.sql} = {self.bound(value, 'text')})"
        return f"not {found}" if asked.op in ("has_not", "is_unknown") else found

    def _held(self, asked: Asked) -> str:  # noqa: PLR0911  (a line for each operator)
        sql, value, kind = asked.field.sql, asked.value, TYPES[asked.field.kind]
        match asked.op:
            case "in":
                return f"{sql} = any({self.bound(value, f'{kind}[]')}){_indexed(asked.field, *value)}"
            case "not_in":
                return f"{sql} <> all({self.bound(value, f'{kind}[]')})"
            case "between":
                return self._between(sql, value[0], value[1], kind)
            case "is":
                return f"{sql} = {self.bound(value, 'boolean')}"
            case "eq":
                return f"{sql} = {self.bound(value, kind)}{_indexed(asked.field, value)}"
            case op if op in _COMPARED:
                return f"{sql} {_COMPARED[op]} {self.bound(value, kind)}"
            case _:
                return self._date(asked) if asked.field.kind == "date" else self._time(asked)

    def _between(self, sql: str, least: Any, most: Any, kind: str) -> str:
        return f"({sql} >= {self.bound(least, kind)} and {sql} <= {self.bound(most, kind)})"

    def _date(self, asked: Asked) -> str:
        sql, value = asked.field.sql, asked.value
        today = self.now.astimezone(self.zone).date()
        match asked.op:
            case "before":
                return f"{sql} < {self.bound(value, 'date')}"
            case "after":
                return f"{sql} > {self.bound(value, 'date')}"
            case "on":
                return f"{sql} = {self.bound(value, 'date')}"
            case "older_than_days":
                return f"{sql} < {self.bound(today - timedelta(days=value), 'date')}"
            case "within_last_days":
                return self._between(sql, today - timedelta(days=value), today, "date")
            case _:
                return self._between(sql, today, today + timedelta(days=value), "date")

    def _time(self, asked: Asked) -> str:  # noqa: PLR0911  (a line for each operator)
        sql, value = asked.field.sql, asked.value
        days = timedelta(days=value if isinstance(value, int) else 0)
        match asked.op:
            case "before":
                return f"{sql} < {self._moment(self._begins(value))}"
            case "after" if isinstance(value, datetime):
                return f"{sql} > {self._moment(value)}"
            case "after":
                return f"{sql} >= {self._moment(self._begins(value + timedelta(days=1)))}"
            case "on":
                begins, ends = self._begins(value), self._begins(value + timedelta(days=1))
                return f"({sql} >= {self._moment(begins)} and {sql} < {self._moment(ends)})"
            case "older_than_days":
                return f"{sql} < {self._moment(self.now - days)}"
            case "within_last_days":
                return self._between(sql, self.now - days, self.now, "timestamptz")
            case _:
                return self._between(sql, self.now, self.now + days, "timestamptz")

    def _moment(self, moment: datetime) -> str:
        return self.bound(moment, "timestamptz")

    def _begins(self, day: date) -> datetime:
        """When a day begins where the tenant is; a moment is itself."""
        return day if isinstance(day, datetime) else datetime.combine(day, time(), self.zone).astimezone(UTC)

    def happened(self, happened: Happened) -> str:
        """A question to what happened: as many or more, no more than, or both."""
        event, given = happened.event, dict(happened.filters)
        filters: Mapping[Any, str] = event.filters or {}
        rows = f"from {event.source}"
        if happened.within_days is not None:
            rows += f" and {event.at} >= {self._moment(self.now - timedelta(days=happened.within_days))}"
        for name, sql in filters.items():
            if name == "machine":
                rows += "" if given.get("machine") else f" and not {sql}"
            elif name in given:
                rows += f" and {sql.format(self.bound(given[name], FILTER_TYPES[name]))}"
        least = f"exists (select {rows}{_beyond(happened.n - 1)})" if happened.n else "true"
        most = f"not exists (select {rows}{_beyond(happened.n)})"
        return {"gte": least, "lte": most, "eq": f"({least} and {most})" if happened.n else most}[happened.op]


def _beyond(number: int) -> str:
    return f" offset {number:d}" if number else ""


def _indexed(asked: Field, *values: Any) -> str:
    """What the index of the tenant's own texts holds: short ones."""
    short = asked.id is not None and asked.kind == "text" and all(len(value) <= SHORT for value in values)
    return f" and length({asked.sql}) <= {SHORT}" if short else ""
