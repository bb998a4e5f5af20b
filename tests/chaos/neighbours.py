"""Five tenants who come and go over one connection, reading and writing at random, and none of whom may meet another.

`python -m tests.chaos.neighbours` reads who they are from its input and forks a process for each five of them, with one
connection for all five; each writes down what they did. An operation is a statement that was run as a tenant (most of
them name no tenant, so that row security alone stands between them) or a request through a handler; each is looked at.
"""

import importlib
import json
import os
import random
import sys
import traceback
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from clientway import access, db, effects, ratelimit, tokens
from clientway.db import Tx
from clientway.errors import Forbidden, Unauthorized
from tests import routes
from tests.everything import ROWS, WITHOUT_ID

TABLES = sorted(ROWS)
WITH_ID = sorted(set(ROWS) - WITHOUT_ID)
LISTS = (
    "/api/organizations",
    "/api/organizations?q=bistro",
    "/api/admin/contacts",
    "/api/deals",
    "/api/payments",
    "/api/tickets",
    "/api/reps",
)


class MetError(AssertionError):
    """A tenant saw or touched what is another's."""


class Walk:
    """One process's operations."""

    def __init__(self, number: int, given: dict[str, Any]) -> None:
        self.tenants, self.wanted = given["tenants"][number], given["operations"]
        self.draw = random.Random(f"{given['seed']} {number}")
        self.did: Counter[str] = Counter()
        self.backends: set[int] = set()
        ratelimit.RATE = ratelimit.BURST = 1e9

    def go(self) -> None:
        while self.did["operations"] < self.wanted:
            mine, other = self.draw.sample(self.tenants, 2)
            chance = self.draw.random()
            if chance < 0.02:
                self._request(mine)
            elif chance < 0.06:
                self._refused(mine)
            elif chance < 0.09:
                self._nobody()
            else:
                self._transaction(mine, other)

    def _transaction(self, mine: dict[str, Any], other: dict[str, Any]) -> None:
        job = self.draw.random() < 0.2
        role = self.draw.choice(sorted(mine["keys"]))
        tx = db.begin(
            db.Job(mine["id"]) if job else db.Credential(tokens.digest(mine["keys"][role]), access.VIEWERS), now=datetime.now(UTC)
        )
        self.did["transactions"] += 1
        try:
            for _ in range(self.draw.randrange(1, 30)):
                self._operation(tx, mine, other)
            if not job:
                self.backends.add(tx.scalar(text("select pg_backend_pid()")))
        except DatabaseError as error:
            # Asked for: what row security refuses, or a division by zero.
            if db.sqlstate(error) not in {"42501", "22012"}:
                raise
            self.did["failed"] += 1
            db.rollback(tx)
            return
        except BaseException:
            db.rollback(tx)
            raise
        self._end(tx, mine)

    def _end(self, tx: Tx, mine: dict[str, Any]) -> None:
        chance = self.draw.random()
        if chance < 0.4:
            if self.draw.random() < 0.3:
                effects.audit(tx, "walk", "walk", None, {"by": mine["slug"]})
            db.commit(tx, effects.pending(tx))
            self.did["committed"] += 1
        elif chance < 0.9:
            db.rollback(tx)
            self.did["rolled back"] += 1
        else:
            # Given back as it is; the pool rolls it back.
            tx.connection.close()
            self.did["abandoned"] += 1

    def _operation(self, tx: Tx, mine: dict[str, Any], other: dict[str, Any]) -> None:
        kind = self.draw.choices(list(_OPERATIONS), weights=[weight for weight, _ in _OPERATIONS.values()])[0]
        self.did["operations"] += 1
        self.did[kind] += 1
        try:
            _OPERATIONS[kind][1](self, tx, mine, other)
        except MetError as met:
            raise MetError(f"{kind} as {mine['slug']}: {met}") from None

    def _read(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        table = self.draw.choice(TABLES)
        sql = f"select count(*), count(*) filter (where tenant_id is distinct from cast(:mine as uuid)) from {table}"
        seen, foreign = tx.execute(text(sql), {"mine": mine["id"]}).one()
        self.did["rows seen"] += seen
        met(foreign == 0 and seen > 0, (table, seen, foreign))

    def _find(self, tx: Tx, mine: dict[str, Any], other: dict[str, Any]) -> None:
        table = self.draw.choice(WITH_ID)
        ids = [mine["ids"][table], other["ids"][table]]
        found = tx.execute(
            text(f"select id, tenant_id from {table} where id = any (cast(:ids as uuid[]))"), {"ids": "{" + ",".join(ids) + "}"}
        ).all()
        met([(str(row.id), str(row.tenant_id)) for row in found] == [(mine["ids"][table], mine["id"])], (table, found))

    def _join(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        sql = """select o.tenant_id, l.tenant_id, c.tenant_id, a.tenant_id from organizations o
                   left join locations l on l.organization_id = o.id left join contacts c on c.organization_id = o.id
                   left join client_accounts a on a.organization_id = o.id limit 20"""
        found = {str(one) for row in tx.execute(text(sql)).all() for one in row if one is not None}
        met(found == {mine["id"]}, found)

    def _write(self, tx: Tx, mine: dict[str, Any], other: dict[str, Any]) -> None:
        ids = "{" + f"{mine['ids']['organizations']},{other['ids']['organizations']}" + "}"
        sql = text("update organizations set notes = :mark where id = any (cast(:ids as uuid[]))")
        met(tx.execute(sql, {"mark": mine["slug"], "ids": ids}).rowcount == 1, "organizations")

    def _write_all(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        table, column = self.draw.choice([("reps", "name"), ("locations", "name"), ("tickets", "subject"), ("deals", "name")])
        found = tx.execute(text(f"update {table} set {column} = :mark returning tenant_id"), {"mark": mine["slug"]}).scalars().all()
        met([str(one) for one in found] == [mine["id"]], (table, found))

    def _tag(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        given = {"organization": mine["ids"]["organizations"], "tag": f"{mine['slug']} {self.draw.randrange(5)}"}
        sql = "insert into organization_tags (organization_id, tag) values (:organization, :tag) on conflict do nothing returning tenant_id"
        found = tx.execute(text(sql), given).scalars().all()
        met(all(str(one) == mine["id"] for one in found), found)

    def _untag(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        found = tx.execute(text("delete from organization_tags where tag <> 'vip' returning tenant_id")).scalars().all()
        met(all(str(one) == mine["id"] for one in found), found)

    def _take(self, tx: Tx, _mine: dict[str, Any], other: dict[str, Any]) -> None:
        table = self.draw.choice(["organization_tags", "locations", "contacts", "deals"])
        verb = "delete from organization_tags" if table == "organization_tags" else f"update {table} set tenant_id = app.tenant()"
        sql = text(f"{verb} where organization_id = :theirs")
        met(tx.execute(sql, {"theirs": other["ids"]["organizations"]}).rowcount == 0, table)

    def _give(self, tx: Tx, _mine: dict[str, Any], other: dict[str, Any]) -> None:
        given = {"other": other["id"], "organization": other["ids"]["organizations"]}
        tx.execute(text("insert into organization_tags (tenant_id, organization_id, tag) values (:other, :organization, 'met')"), given)
        raise MetError("a row was written for another tenant")

    def _who(self, tx: Tx, mine: dict[str, Any], _other: dict[str, Any]) -> None:
        found = tx.execute(text("select app.tenant()::text, current_setting('app.tenant_id', true)")).one()
        met(tuple(found) == (mine["id"], mine["id"]), found)

    def _fail(self, tx: Tx, _mine: dict[str, Any], _other: dict[str, Any]) -> None:
        tx.execute(text("select 1 / 0"))

    def _request(self, mine: dict[str, Any]) -> None:
        self.did["operations"] += 1
        self.did["a list through its handler"] += 1
        answer = routes.send("GET", self.draw.choice(LISTS), token=mine["keys"]["admin"])
        assert answer.status == 200, answer
        strangers = [one["slug"] for one in self.tenants if one is not mine and one["mark"].encode() in answer.content]
        met(mine["mark"].encode() in answer.content and not strangers, strangers)

    def _refused(self, mine: dict[str, Any]) -> None:
        """A credential that is none, or whose role may not: the transaction that never was leaves nothing to the next one."""
        self.did["operations"] += 1
        self.did["refused"] += 1
        unknown = self.draw.random() < 0.5
        entry = db.Credential(tokens.digest(tokens.new("key") if unknown else mine["keys"]["viewer"]), access.ADMINS)
        tx = db.begin(entry)
        try:
            tx.execute(text("select count(*) from organizations"))
        except (Unauthorized, Forbidden) as refusal:
            met(isinstance(refusal, Unauthorized if unknown else Forbidden), refusal)
            return
        finally:
            db.rollback(tx)
        raise MetError("entered without leave")

    def _nobody(self) -> None:
        self.did["operations"] += 1
        self.did["read by nobody"] += 1
        tx = db.begin(db.Anonymous())
        table = self.draw.choice(TABLES)
        met(tx.scalar(text(f"select count(*) from {table}")) == 0, table)
        db.rollback(tx)


_OPERATIONS = {
    "count a table": (30, Walk._read),
    "find by ids, ours and theirs": (25, Walk._find),
    "join without a tenant": (8, Walk._join),
    "write by ids, ours and theirs": (10, Walk._write),
    "write a whole table": (8, Walk._write_all),
    "add a row": (6, Walk._tag),
    "delete a whole table": (2, Walk._untag),
    "take what is theirs": (6, Walk._take),
    "write for another": (0.7, Walk._give),
    "ask who we are": (4, Walk._who),
    "fail": (0.3, Walk._fail),
}


def met(fine: Any, what: Any) -> None:
    if not fine:
        raise MetError(str(what))


def main() -> None:
    """Fork the walks and wait for them all; fail if one of them did."""
    given = json.load(sys.stdin)
    for route in routes.ROUTES:
        if route.path in {path.partition("?")[0] for path in LISTS}:
            # Before the fork, so that it is done once.
            importlib.import_module(route.handler.rpartition(".")[0])
    children = []
    for number in range(len(given["tenants"])):
        child = os.fork()
        if child == 0:
            walk, status = Walk(number, given), 1
            try:
                walk.go()
                status = 0
            except BaseException:  # noqa: BLE001  (whatever it was, the parent is told)
                traceback.print_exc()
            finally:
                (Path(given["folder"]) / f"{number}.json").write_text(json.dumps({"did": walk.did, "backends": len(walk.backends)}))
                sys.stderr.flush()
                os._exit(status)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main()
