"""What goes over the wire while the tests run, and what of it must not.

Every statement that the package sends is parsed: each tenant table in it needs a predicate on its tenant of its own,
although row security would hide the other tenants' rows anyway. Two guards, and this one is looked at without the other.
Nothing may be sent that makes RDS Proxy keep a connection for one client.
"""

import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from clientway import db
from clientway.billing import tables as _billing  # noqa: F401  (fills metadata)
from clientway.identity import tables as _identity  # noqa: F401
from clientway.integrations import tables as _integrations  # noqa: F401
from clientway.lifecycle import client_tables as _clients  # noqa: F401
from clientway.lifecycle import tables as _lifecycle  # noqa: F401
from clientway.pipeline import PipelinedConnection
from clientway.tables import metadata
from clientway.work import tables as _work  # noqa: F401

TENANT_TABLES = frozenset(name for name, table in metadata.tables.items() if "tenant_id" in table.c)

# What AWS names as leaving something behind in a session: "Pinning RDS Proxy", conditions for PostgreSQL.
_PINNING = re.compile(
    r"(?:^|;)\s*(?:set|reset|discard|listen|unlisten|declare|prepare|execute|deallocate|load)\b"
    r"|\bpg_(?:try_)?advisory_(?:un)?lock|\bset_config\b|\b(?:nextval|setval)\b"
    r"|\bcreate\s+(?:local\s+|global\s+)?temp",
    re.IGNORECASE,
)
_QUERY = (exp.Select, exp.Update, exp.Delete, exp.Insert, exp.Merge)
_PACKAGE, _TESTS = str(Path(db.__file__).parent), str(Path(__file__).parent)
_DRIVER = tuple(f"{_PACKAGE}/{name}.py" for name in ("db", "engines", "pipeline"))


def pinning(sql: str) -> str | None:
    """What of a statement would pin a proxied connection, if anything."""
    found = _PINNING.search(sql)
    return found and found[0].strip()


@cache
def without_tenant(sql: str) -> tuple[str, ...]:
    """The tenant tables that a statement reads or changes without saying whose rows. What it inserts is not looked at."""
    return tuple(name for statement in sqlglot.parse(sql, read="postgres") if statement for name in _loose(statement))


def _loose(statement: exp.Expr) -> Iterator[str]:
    named = {cte.alias for cte in statement.find_all(exp.CTE)}
    for query in statement.find_all(exp.Select, exp.Update, exp.Delete):
        owned = {
            table.alias_or_name: table.name
            for table in query.find_all(exp.Table)
            if _query_of(table) is query and table.name in TENANT_TABLES and table.db in ("", "public") and table.name not in named
        }
        equal = [pair for condition in _conditions(query) for pair in _equalities(condition, owned)]
        known: set[str] = set()
        while more := {one for one, other in equal if one not in known and (other is None or other in known)}:
            known |= more
        yield from (f"{name} as {alias}" for alias, name in owned.items() if alias not in known)


def _query_of(node: exp.Expr) -> exp.Expr | None:
    return node.find_ancestor(*_QUERY)


def _conditions(query: exp.Expr) -> Iterator[exp.Expr]:
    """Everything that has to hold for a row: the parts of WHERE and ON that are joined by AND."""
    for place in query.find_all(exp.Where, exp.Join):
        condition = place.this if isinstance(place, exp.Where) else place.args.get("on")
        if condition is not None and _query_of(place) is query:
            yield from condition.flatten() if isinstance(condition, exp.And) else [condition]


def _equalities(condition: exp.Expr, owned: dict[str, str]) -> Iterator[tuple[str, str | None]]:
    """(alias, alias) for each table that a condition puts into another's tenant; (alias, None) for one given from outside."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        for part in condition.flatten():
            yield from _equalities(part, owned)
    if not isinstance(condition, exp.EQ):
        return
    for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
        if isinstance(one, exp.Column) and one.name == "tenant_id":
            # Without a qualifier it can only be the one table's: of two it would be ambiguous.
            alias = one.table or next(iter(owned), "")
            inside = [column.table for column in other.find_all(exp.Column) if column.table in owned]
            if alias in owned:
                yield alias, inside[0] if inside else None


class Watch:
    """Listens at the driver, below everything that could hide a statement, and keeps what is wrong with it."""

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def __call__(self, sql: str, name: bytes = b"\x00") -> None:
        if name != b"\x00":
            self.wrong.append(f"a statement with a name: {sql}")
        if (what := pinning(sql)) is not None:
            self.wrong.append(f"pins the connection ({what}): {sql}")
        if _sent_by_the_package() and (loose := without_tenant(sql)):
            self.wrong.append(f"no tenant for {', '.join(loose)}: {sql}")


def _sent_by_the_package() -> bool:
    """Whether a module of the package wrote the statement. What a test wrote itself tries row security, on purpose."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_TESTS) and file != __file__:
            return False
        if file.startswith(_PACKAGE) and file not in _DRIVER:
            return True
        frame = frame.f_back
    return False


def listen(watch: Watch) -> Callable[[], None]:
    """Have every statement of every connection of the package reported; returns what ends it."""
    parse, query = PipelinedConnection.send_PARSE, PipelinedConnection.send_QUERY

    def send_parse(self: PipelinedConnection, name: bytes, sql: str, oids: Any = ()) -> None:
        watch(sql, name)
        parse(self, name, sql, oids)

    def send_query(self: PipelinedConnection, sql: str) -> None:
        watch(sql)
        query(self, sql)

    PipelinedConnection.send_PARSE, PipelinedConnection.send_QUERY = send_parse, send_query

    def end() -> None:
        PipelinedConnection.send_PARSE, PipelinedConnection.send_QUERY = parse, query

    return end
