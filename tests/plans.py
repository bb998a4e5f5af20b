"""The plan that PostgreSQL makes of a list, under row security, in a tenant of many rows: the fixture `crowd` of a module."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql

from clientway import access, db, paging, tokens
from tests.fixtures import Tenant, make_tenant

ROWS = 40_000
Plan = dict[str, Any]


def seed(engine: Engine, statements: str, tenant: Tenant | None = None, *, rows: int = ROWS, analyze: tuple[str, ...] = ()) -> Tenant:
    """A tenant (a new one unless given) with what the statements insert; they may name :t, :s (its slug) and :rows."""
    one = tenant or make_tenant(engine)
    with engine.connect() as connection:
        for statement in filter(str.strip, statements.split(";\n")):
            given = {"t": one.id, "s": one.slug, "rows": rows}
            connection.execute(text(statement), {key: value for key, value in given.items() if f":{key}" in statement})
            # After each: with statistics from before, the check of a foreign key may read all of the tenant's rows for every row.
            for table in analyze:
                connection.execute(text(f"analyze {table}"))
    return one


@pytest.fixture
def plan(crowd: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[db.Tx], Any]], Plan]]:
    """Call it with a query function: the plan of the one statement built by SQLAlchemy that it sends as the application's role."""
    explained: list[Plan] = []

    def begin() -> db.Tx:
        tx = db.begin(db.Credential(tokens.digest(crowd.admin), access.VIEWERS), now=datetime.now(UTC))
        # A flight has seven seconds, of which a busy machine may give it none: so the first is one that may be repeated.
        tx.execute(text("select 1"))
        return tx

    try:
        tx = begin()
    except db.Unavailable:
        tx = begin()
    execute = tx.execute

    def explain(statement: Any, parameters: Any = None) -> Any:
        if not isinstance(statement, type(text(""))):
            compiled = statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
            sql = str(compiled).replace(":", r"\:")
            answer = execute(text(f"explain (analyze, format json) {sql}")).scalar_one()
            explained.extend(answer if isinstance(answer, list) else json.loads(answer))
        return execute(statement, parameters)

    monkeypatch.setattr(tx, "execute", explain)

    def call(find: Callable[[db.Tx], Any]) -> Plan:
        find(tx)
        [one] = explained
        return one

    yield call
    db.rollback(tx)


def request(sort: str, **filters: Any) -> paging.Request:
    """The first page in this order."""
    return paging.Request(25, None, sort, filters)


def scanned(node: Plan) -> set[str]:
    """The tables that are read from end to end."""
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return found.union(*(scanned(child) for child in node.get("Plans", [])))


def touched(node: Plan) -> int:
    """Rows that the leaves handed on or threw away: what makes a list crawl."""
    children = node.get("Plans", [])
    own = 0 if children else (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return own + sum(touched(child) for child in children)


def outline(node: Plan, depth: int = 0) -> str:
    """A plan, a line for each node: what a failed check shows."""
    facts = [node["Node Type"], node.get("Relation Name") or "", node.get("Index Name") or ""]
    rows = f"{node['Actual Rows'] * node['Actual Loops']:g} rows, {node.get('Rows Removed by Filter', 0)} removed"
    told = [node[name] for name in ("Index Cond", "Filter", "Recheck Cond") if name in node]
    line = "  " * depth + " ".join(filter(None, facts)) + f" ({rows}) {'; '.join(told)}"
    return "\n".join([line, *(outline(child, depth + 1) for child in node.get("Plans", []))])


def check(plan: Mapping[str, Any], tables: set[str], *, most: int | None = None) -> None:
    """No table is read from end to end, nor through an index for much more than the page (`most` rows) that was asked for."""
    told = "\n" + outline(plan["Plan"])
    assert not scanned(plan["Plan"]) & tables, told
    assert plan["Execution Time"] < 1000, told
    assert most is None or touched(plan["Plan"]) < most, told
