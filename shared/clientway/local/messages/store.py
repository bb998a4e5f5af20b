"""What the stand-ins for SES and End User Messaging took, and what they have to tell of it, in one SQLite file."""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Channel = Literal["email", "sms"]

_SCHEMA = """
create table if not exists messages (seq integer primary key autoincrement, id text not null unique, channel text not null,
  incoming integer not null, at real not null, body text not null);
create table if not exists recipients (address text not null, seq integer not null, primary key (address, seq)) without rowid;
create table if not exists events (seq integer primary key autoincrement, message integer not null, name text not null,
  at real not null, due real not null, body text not null, done integer not null default 0);
create index if not exists events_message on events (message);
create index if not exists events_due on events (due) where done = 0;
"""
_COLUMNS = "seq, id, channel, incoming, at, body"


@dataclass(frozen=True)
class Message:
    """A mail or a text: one that was handed over to be sent, or, `incoming`, one that somebody sent back."""

    id: str
    channel: Channel
    at: float
    sender: str
    recipients: tuple[str, ...]
    text: str
    subject: str | None = None
    html: str | None = None
    reply_to: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    configuration_set: str | None = None
    promotional: bool = False
    incoming: bool = False
    seq: int = 0

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Event:
    """Something that the provider tells of a message; `done` once it was published."""

    seq: int
    message: int
    name: str
    at: float
    body: str
    done: bool


class Store:
    """One connection that threads take turns on."""

    def __init__(self, file: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the file, or keep everything in memory."""
        self.clock = clock
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(str(file) if file else ":memory:", check_same_thread=False, isolation_level=None)
        # A machine that loses power may lose the last mails that nobody was sent.
        self._connection.executescript(f"pragma journal_mode = wal; pragma synchronous = off; {_SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def add(self, message: Message) -> Message:
        """Keep a message; returns it with its place."""
        body = {
            "sender": message.sender, "recipients": message.recipients, "subject": message.subject, "text": message.text,
            "html": message.html, "reply_to": message.reply_to, "headers": message.headers, "tags": message.tags,
            "configuration_set": message.configuration_set, "promotional": message.promotional,
        }  # fmt: skip
        row = (message.id, message.channel, message.incoming, message.at, json.dumps(body))
        # Whom a search finds it by: the other side's address.
        others = (message.sender,) if message.incoming else message.recipients
        with self._lock:
            cursor = self._connection.execute("insert into messages (id, channel, incoming, at, body) values (?, ?, ?, ?, ?)", row)
            seq = int(cursor.lastrowid or 0)
            self._connection.executemany("insert or ignore into recipients values (?, ?)", [(one.lower(), seq) for one in others])
        return _message((seq, *row))

    def tell(self, message: Message, name: str, body: dict[str, Any], *, due: float) -> None:
        """Have an event of a message published when it is due."""
        row = (message.seq, name, self.clock(), due, json.dumps(body))
        with self._lock:
            self._connection.execute("insert into events (message, name, at, due, body) values (?, ?, ?, ?, ?)", row)

    def find(self, message_id: str) -> Message | None:
        """The message of this id."""
        found = self._rows(f"select {_COLUMNS} from messages where id = ?", (message_id,))
        return _message(found[0]) if found else None

    def newest(self, *, channel: str | None = None, address: str = "", before: int | None = None, limit: int = 50) -> list[Message]:
        """The last messages, newest first: of one channel, of an address or a part of one, of those before a place."""
        return self._messages(channel=channel, address=address, before=before, limit=limit)

    def conversation(self, number: str, limit: int = 100) -> list[Message]:
        """The texts to and from a number, oldest first."""
        return self._messages(channel="sms", exact=number, limit=limit)[::-1]

    def count(self, channel: Channel) -> int:
        """How many messages of a channel were handed over."""
        return int(self._rows("select count(*) from messages where channel = ? and not incoming", (channel,))[0][0])

    def events(self, messages: Iterable[Message]) -> list[Event]:
        """What is told of these messages, in its order."""
        places = [one.seq for one in messages]
        marks = ", ".join("?" * len(places))
        query = f"select seq, message, name, at, body, done from events where message in ({marks}) order by due, seq"
        return [Event(seq, message, name, at, body, bool(done)) for seq, message, name, at, body, done in self._rows(query, places)]

    def due(self, limit: int = 10) -> list[Event]:
        """What is to be published now."""
        query = "select seq, message, name, at, body, done from events where done = 0 and due <= ? order by due, seq limit ?"
        found = self._rows(query, (self.clock(), limit))
        return [Event(seq, message, name, at, body, bool(done)) for seq, message, name, at, body, done in found]

    def published(self, events: Iterable[Event]) -> None:
        """These have been published."""
        with self._lock:
            self._connection.executemany("update events set done = 1 where seq = ?", [(one.seq,) for one in events])

    def publish_again(self, since: float) -> None:
        """Publish once more what was published since then: a queue that lived in memory may have lost it."""
        with self._lock:
            self._connection.execute("update events set done = 0 where done = 1 and due >= ?", (since,))

    def _messages(
        self, *, channel: str | None = None, address: str = "", exact: str = "", before: int | None = None, limit: int = 50
    ) -> list[Message]:
        conditions: list[str] = ["true"]
        values: list[Any] = []
        if channel:
            conditions.append("channel = ?")
            values.append(channel)
        if address:
            conditions.append("seq in (select seq from recipients where instr(address, ?) > 0)")
            values.append(address.lower())
        if exact:
            conditions.append("seq in (select seq from recipients where address = ?)")
            values.append(exact.lower())
        if before is not None:
            conditions.append("seq < ?")
            values.append(before)
        query = f"select {_COLUMNS} from messages where {' and '.join(conditions)} order by seq desc limit ?"
        return [_message(row) for row in self._rows(query, (*values, limit))]

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, tuple(values)).fetchall()


def _message(row: tuple[Any, ...]) -> Message:
    seq, message_id, channel, incoming, at, body = row
    given = json.loads(body)
    given["recipients"], given["reply_to"] = tuple(given["recipients"]), tuple(given["reply_to"])
    given["headers"] = tuple((name, value) for name, value in given["headers"])
    return Message(id=message_id, channel=channel, at=at, incoming=bool(incoming), seq=seq, **given)
