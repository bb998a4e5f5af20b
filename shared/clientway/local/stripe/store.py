"""What the stand-in for Stripe knows, in one SQLite file: accounts with their keys, objects, kept answers, deliveries."""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_SCHEMA = """
create table if not exists keys (key text primary key, account text not null);
create table if not exists objects (seq integer primary key autoincrement, account text not null, kind text not null, id text not null unique, body text not null);
create index if not exists objects_kind on objects (account, kind, seq);
create table if not exists replays (account text not null, key text not null, fingerprint text not null, status integer not null, body text not null,
  primary key (account, key));
create table if not exists hooks (id text primary key, secret text not null, connect integer not null);
create table if not exists deliveries (seq integer primary key autoincrement, account text not null, event text not null, hook text not null,
  due real not null, attempts integer not null default 0, done real);
create index if not exists deliveries_due on deliveries (due) where done is null;
"""  # noqa: E501
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Delivery:
    """An event on its way to an endpoint."""

    seq: int
    account: str
    event: str
    hook: str
    attempts: int


class Store:
    """One connection that threads take turns on; everything within `with store.transaction()` happens or nothing does."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file, or keep everything in memory."""
        self.clock = clock
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(str(file) if file else ":memory:", check_same_thread=False, isolation_level=None)
        # A machine that loses power may lose the last payments of play money.
        self._connection.executescript(f"pragma journal_mode = wal; pragma synchronous = off; {_SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @property
    def now(self) -> int:
        """The moment, in whole seconds, as Stripe has it."""
        return int(self.clock())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One at a time; an exception takes everything back."""
        with self._lock:
            if self._depth:
                yield
                return
            self._depth = 1
            self._connection.execute("begin")
            try:
                yield
            except BaseException:
                self._connection.execute("rollback")
                raise
            else:
                self._connection.execute("commit")
            finally:
                self._depth = 0

    def _all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def add_key(self, key: str, account: str) -> None:
        """A key opens an account."""
        self._all("insert or replace into keys values (?, ?)", key, account)

    def account_of(self, key: str) -> str | None:
        """Which account a key opens."""
        found = self._all("select account from keys where key = ?", key)
        return found[0][0] if found else None

    def account_keys(self) -> list[tuple[str, str]]:
        """All accounts with their keys."""
        return [(account, key) for account, key in self._all("select account, key from keys order by rowid")]

    def put(self, account: str, body: Json) -> Json:
        """Keep an object, new or changed."""
        statement = """insert into objects (account, kind, id, body) values (?, ?, ?, ?)
                       on conflict (id) do update set body = excluded.body"""
        self._all(statement, account, body["object"], body["id"], json.dumps(body))
        return body

    def get(self, account: str, object_id: str, kind: str | None = None) -> Json | None:
        """An object of an account by its id."""
        found = self._all("select body, kind from objects where id = ? and account = ?", object_id, account)
        return json.loads(found[0][0]) if found and kind in {None, found[0][1]} else None

    def drop(self, object_id: str) -> None:
        """Delete an object."""
        self._all("delete from objects where id = ?", object_id)

    def all(self, account: str, kind: str) -> list[Json]:
        """An account's objects of a kind, newest first."""
        return [
            json.loads(body)
            for (body,) in self._all("select body from objects where account = ? and kind = ? order by seq desc", account, kind)
        ]

    def every(self, kind: str) -> list[tuple[str, Json]]:
        """All accounts' objects of a kind, newest first, each with its account."""
        return [
            (account, json.loads(body))
            for account, body in self._all("select account, body from objects where kind = ? order by seq desc", kind)
        ]

    def replay(self, account: str, key: str) -> tuple[str, int, str] | None:
        """The answer that is kept under an idempotency key: fingerprint of the request, status, body."""
        found = self._all("select fingerprint, status, body from replays where account = ? and key = ?", account, key)
        return found[0] if found else None

    def keep(self, account: str, key: str, fingerprint: str, status: int, body: str) -> None:
        """Keep an answer for its repetitions."""
        self._all("insert or replace into replays values (?, ?, ?, ?, ?)", account, key, fingerprint, status, body)

    def put_hook(self, hook_id: str, secret: str, *, connect: bool) -> None:
        """What an endpoint's object does not show."""
        self._all("insert or replace into hooks values (?, ?, ?)", hook_id, secret, int(connect))

    def hook(self, hook_id: str) -> tuple[str, bool]:
        """An endpoint's secret, and whether it is for connected accounts."""
        secret, connect = self._all("select secret, connect from hooks where id = ?", hook_id)[0]
        return secret, bool(connect)

    def queue(self, account: str, event: str, hook: str, *, due: float) -> None:
        """Have an event delivered to an endpoint."""
        self._all("insert into deliveries (account, event, hook, due) values (?, ?, ?, ?)", account, event, hook, due)

    def due(self) -> list[Delivery]:
        """What is to be delivered by now."""
        statement = "select seq, account, event, hook, attempts from deliveries where done is null and due <= ? order by due, seq limit 100"
        return [Delivery(*row) for row in self._all(statement, self.clock())]

    def attempted(self, delivery: Delivery, *, retry_at: float | None) -> None:
        """A delivery was tried: it is done, or due again then."""
        if retry_at is None:
            self._all("update deliveries set done = ?, attempts = attempts + 1 where seq = ?", self.clock(), delivery.seq)
        else:
            self._all("update deliveries set due = ?, attempts = attempts + 1 where seq = ?", retry_at, delivery.seq)

    def deliver_again(self, since: float) -> None:
        """Have what was delivered since then delivered once more, and what waits for its next try at once."""
        now = self.clock()
        self._all("update deliveries set done = null, due = ? where done >= ?", now, since)
        self._all("update deliveries set due = ? where done is null and due > ?", now, now)

    def waiting(self) -> int:
        """How many deliveries are not done."""
        return int(self._all("select count(*) from deliveries where done is null")[0][0])


def new_id(prefix: str, length: int = 24) -> str:
    """An id as Stripe gives them out."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(length))}"
