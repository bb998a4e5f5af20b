"""Keyset paging: page 10,000 costs what page 1 costs, and the database builds the JSON of a page.

A cursor names the last row of a page by (sort value, id). It is signed and bound to tenant, filters and sort, so that
it can be neither forged nor carried to another list.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, func, literal_column, or_, select
from sqlalchemy.sql.elements import KeyedColumnElement

from clientway.config import settings
from clientway.db import Tx
from clientway.errors import FieldError, Malformed


class DatabaseJson(str):
    """JSON text that the database built: sent as it is. `version` becomes the ETag."""

    __slots__ = ("rows", "version")

    version: int | None
    rows: int

    def __new__(cls, text: str, version: int | None = None, *, rows: int = 1) -> Self:
        """Wrap the text; `version` is the row's, for an answer about one object; `rows` how many a page has."""
        self = super().__new__(cls, text)
        self.version = version
        self.rows = rows
        return self


def one(row: Row[*tuple[Any, ...]] | None) -> Any:
    """The answer about one object from a row of (JSON text, version, …) or of the text alone; None when there is no row."""
    return None if row is None else DatabaseJson(*row[:2])


@dataclass(frozen=True)
class Request:
    """What a caller asked of a list: page size, where to go on, and what the cursor is bound to."""

    limit: int
    cursor: str | None
    sort: str
    filters: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """Short hash of sort and filters."""
        given = {name: str(value) for name, value in sorted(self.filters.items()) if value is not None}
        return hashlib.sha256(json.dumps([self.sort, given]).encode()).hexdigest()[:16]


def page(
    tx: Tx, statement: Select[Any], request: Request, sorts: Mapping[str, KeyedColumnElement[Any]], row_id: KeyedColumnElement[UUID]
) -> Any:
    """Run a list: `statement` selects the columns of the answer, `sorts` the indexed columns a caller may sort by.

    `request.sort` is one of their names, with a leading minus for descending order. Raises Malformed (400) for an
    unknown sort or a cursor that is not ours, another tenant's or of another list. Returns DatabaseJson; the type is
    open because handlers declare the schema that the JSON follows.
    """
    name = request.sort.removeprefix("-")
    if name not in sorts:
        pointer = FieldError("#/query/sort", "unknown_sort", f"sort by one of {', '.join(sorted(sorts))}")
        raise Malformed("This list cannot be sorted like this.", errors=[pointer])
    column, descending = sorts[name], request.sort.startswith("-")
    after = _decode(request) if request.cursor else None
    if after:
        statement = statement.where(_beyond(column, row_id, after, descending=descending))
    order = [column.desc(), row_id.desc()] if descending else [column.asc(), row_id.asc()]
    # The name keeps the planner from inlining the window twice; a page is at most 101 rows.
    found = (
        statement.add_columns(cast(column, Text).label("_sort"), row_id.label("_id"), func.row_number().over(order_by=order).label("_n"))
        .order_by(*order)
        .limit(request.limit + 1)
        .cte("found")
    )
    shown = select(*(c for c in found.c if not c.name.startswith("_")))
    rows = shown.where(found.c["_n"] <= request.limit).order_by(found.c["_n"]).subquery("r")
    data = select(func.coalesce(func.json_agg(literal_column("r")), literal_column("'[]'::json"))).select_from(rows).scalar_subquery()
    count = select(func.count()).select_from(found).scalar_subquery()
    last = select(found.c["_sort"], found.c["_id"]).where(found.c["_n"] == request.limit).cte("last")
    row = tx.execute(
        select(cast(data, Text), count, select(last.c["_sort"]).scalar_subquery(), select(last.c["_id"]).scalar_subquery())
    ).one()
    if after and after["t"] != str(tx.tenant_id):
        raise _not_ours()
    has_more = row[1] > request.limit
    cursor = _encode(request, tx.tenant_id, row[2], row[3]) if has_more else None
    tail = f',"has_more":{"true" if has_more else "false"},"next_cursor":{json.dumps(cursor)}}}'
    return DatabaseJson(f'{{"data":{row[0]}{tail}', rows=row[1])


def narrowed(statement: Select[Any], request: Request, column: KeyedColumnElement[Any], row_id: KeyedColumnElement[UUID]) -> Select[Any]:
    """The rows of one of several sources that a page could show of it: what `page` joins laterally reads no more than that of each."""
    after = _decode(request) if request.cursor else None
    descending = request.sort.startswith("-")
    if after:
        statement = statement.where(_beyond(column, row_id, after, descending=descending))
    order = [column.desc(), row_id.desc()] if descending else [column.asc(), row_id.asc()]
    return statement.order_by(*order).limit(request.limit + 1)


def place(request: Request) -> tuple[str | None, str | None]:
    """The sort value and id that a cursor names, for a list that a function of the database turns. Raises Malformed (400)."""
    after = _decode(request) if request.cursor else None
    return (after["v"], after["i"]) if after else (None, None)


def pages(request: Request, rows: list[Any], *, last: tuple[str, str] | None) -> DatabaseJson:
    """A page of such a list; `last` is the place of its last row when there are more. Whose it is, `request.filters` has to say."""
    cursor = _encode(request, UUID(int=0), last[0], UUID(last[1])) if last else None
    document = {"data": rows, "has_more": last is not None, "next_cursor": cursor}
    return DatabaseJson(json.dumps(document), rows=len(rows))


def _beyond(column: ColumnElement[Any], row_id: ColumnElement[Any], after: dict[str, str], *, descending: bool) -> ColumnElement[bool]:
    value, last_id = cast(after["v"], column.type), UUID(after["i"])
    # Spelt out rather than as a row comparison: `col <= v` bounds the index scan, the rest only skips ties.
    if descending:
        return and_(column <= value, or_(column < value, row_id < last_id))
    return and_(column >= value, or_(column > value, row_id > last_id))


def _signature(payload: bytes) -> bytes:
    return hmac.digest(settings().signing_key, b"cursor:" + payload, "sha256")[:16]


def _encode(request: Request, tenant_id: UUID, value: str, row_id: UUID) -> str:
    payload = json.dumps({"t": str(tenant_id), "f": request.fingerprint, "v": value, "i": str(row_id)}).encode()
    return base64.urlsafe_b64encode(_signature(payload) + payload).decode().rstrip("=")


def _decode(request: Request) -> dict[str, str]:
    raw = request.cursor or ""
    try:
        data = base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _not_ours() from None
    signature, payload = data[:16], data[16:]
    if not hmac.compare_digest(signature, _signature(payload)):
        raise _not_ours()
    after: dict[str, str] = json.loads(payload)
    if after["f"] != request.fingerprint:
        raise _not_ours()
    return after


def _not_ours() -> Malformed:
    pointer = FieldError("#/query/cursor", "invalid_cursor", "not a cursor of this list with these filters and this sort")
    return Malformed("The cursor does not belong to this list.", errors=[pointer])
