"""Connections that leave no socket open, and one that costs a single flight to the server for each statement.

pg8000 makes three flights of a parameterised statement and three of a COMMIT. This one sends BEGIN, the call that
authenticates and sets the tenant, and the first statement together, each further statement in one flight, those that
nobody hears of along with the one after them, and COMMIT along with the last one. It leans on pg8000's internals: the
version is pinned, and tests/test_db.py counts the flights.
"""

import contextlib
import select
import socket
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pg8000.dbapi
from pg8000.converters import array_out, make_params
from pg8000.core import IDLE, IN_TRANSACTION, NULL_BYTE, SYNC_MSG, Context, _flush, _write

_convert = pg8000.dbapi.convert_paramstyle


@lru_cache(maxsize=512)
def _numbered(style: str, statement: str) -> str:
    return str(_convert(style, statement, ())[0])


# pg8000 looks at every character of a statement each time that it is sent: 1 ms for 5,000. In the
# style "format", SQLAlchemy's, what comes of it depends on the text alone.
pg8000.dbapi.convert_paramstyle = lambda style, query, args: (
    (_numbered(style, query), args) if style == "format" else _convert(style, query, args)
)


def _array(values: list[Any]) -> str:
    """A list as PostgreSQL reads it; pg8000 looks at every character of it, too, which took a tenth of an import's time."""
    if not all(isinstance(value, str) for value in values):
        return str(array_out(values))
    return "{" + ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values) + "}"


_BUFFER = 65_536


class Connection(pg8000.dbapi.Connection):
    """A pg8000 connection that gives its socket back, whatever becomes of it."""

    _sock: Any = None
    _usock: Any = None

    def __init__(self, *, host: str, port: int, timeout: float | None, **how: Any) -> None:
        """Connect; no turn to the server and back may take longer than `timeout` seconds. Raises InterfaceError, OSError."""
        try:
            line = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise pg8000.dbapi.InterfaceError(f"Nobody is reached at {host}:{port}: {error}") from error
        try:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # What is larger than the buffer goes in parts, and the kernel would keep the last one back until the server has
            # acknowledged those before it, for which that takes its time: 40 ms for each such statement.
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().__init__(host=host, sock=line, timeout=timeout, **how)
            # pg8000's own holds 8 KB, and the server would answer the first part of what goes in two: a flight more.
            self._sock.close()
            self._sock = self._usock.makefile("rwb", _BUFFER)
        except BaseException:
            # pg8000 closes only what fails while the server's greeting is read, not while TLS is asked for or the client's is sent.
            self.close()
            line.close()
            raise

    def close(self) -> None:
        """Close; one that cannot say goodbye any more is closed all the same."""
        stream = self._sock
        with contextlib.suppress(pg8000.dbapi.InterfaceError):
            super().close()
        # The errors hold one another and the stream, and that the socket, until a garbage collection.
        with contextlib.suppress(OSError, AttributeError):
            stream.close()


class PipelinedConnection(Connection):
    """A connection that sends as much as it can at once."""

    _ahead: tuple[str, ...] = ()
    _held: tuple[tuple[str, Any, Any], ...] = ()
    _holding = _commit_behind = _committed = False
    entered: dict[str, Any] | None = None
    used = False

    def __init__(self, *, timeout: float, **how: Any) -> None:
        """Connect; no flight may take longer than `timeout` seconds."""
        self._patience = timeout
        super().__init__(timeout=timeout, **how)
        self.register_out_adapter(list, _array)

    def within(self, until: float | None) -> None:
        """Have every flight of the next transaction end by this moment of time.monotonic() at the latest."""
        self._until = until

    _until: float | None = None

    def hung_up(self) -> bool:
        """Whether the server has spoken unasked, which it does to say that it closes the connection. Costs no flight."""
        poll = select.poll()
        poll.register(self._usock, select.POLLIN)
        return bool(poll.poll(0))

    def execute_simple(self, statement: str) -> Context:
        """Hold BEGIN back for the first statement; send anything else with what was held back."""
        if statement == "begin transaction":
            self._ahead, self._held, self._holding, self._commit_behind, self._committed = ("begin",), (), False, False, False
            self._transaction_status = IN_TRANSACTION
            return Context(statement)
        if self._holding:
            return self.execute_unnamed(statement)
        with self._whole():
            if not (self._ahead or self._held):
                return super().execute_simple(statement)
            self._send_waiting()
            # Two queries, two replies, one flight: sent together they would return one another's columns.
            self.send_QUERY(statement)
            _flush(self._sock)
            return self._drain(Context(statement))

    def execute_unnamed(self, statement: str, vals: Any = (), oids: Any = (), stream: Any = None) -> Context:
        """Send parse, bind, execute and whatever was held back in one flight."""
        if self._holding:
            self._holding = False
            self._held += ((statement, vals, oids),)
            return Context(statement)
        if statement == "rollback":
            self._held = ()
        if statement in ("commit", "rollback") and not self._held:
            if self._ahead or self._committed:
                self._ahead, self._committed = (), False
                self._transaction_status = IDLE
                return Context(statement)
            with self._whole():
                return super().execute_simple(statement)
        with self._whole():
            self._send_waiting()
            if stream is not None:
                _flush(self._sock)
                self._drain(None)
                return super().execute_unnamed(statement, vals, oids, stream)
            self._send(statement, vals, oids)
            if self._commit_behind:
                # Behind the sync: if the statement fails, the transaction has failed too and COMMIT only rolls it back.
                self.send_QUERY("commit")
            _flush(self._sock)
            return self._drain(Context(statement))

    def commit_behind(self) -> None:
        """Have COMMIT sent right behind the next statement; the commit that the caller makes then costs nothing."""
        self._commit_behind = True

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the statement for the one after it: both go in one flight, and nobody hears what this one returns."""
        self._holding = True
        try:
            yield
        finally:
            # What failed before it came here must not have the next one kept in its place, least of all a rollback.
            self._holding = False

    def enter(self, call: str) -> None:
        """Have a statement sent right behind BEGIN; its one value is kept in `entered`."""
        self._ahead += (call,)

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """One flight, in time and to its end: what is half said or half heard would be taken for the next one's."""
        left = self._patience if self._until is None else min(self._patience, self._until - time.monotonic())
        if left <= 0:
            raise TimeoutError("the request's time is up")
        try:
            self._usock.settimeout(left)
            yield
        except pg8000.dbapi.DatabaseError:
            # The server's own answer, heard to its end.
            raise
        except BaseException:
            with contextlib.suppress(OSError, AttributeError):
                self._usock.shutdown(socket.SHUT_RDWR)
            raise

    _sent_ahead: Context | None = None
    _sent_held: tuple[Context, ...] = ()

    def _send_waiting(self) -> None:
        """Send what was held back, in its order, before whatever is sent now."""
        if self._ahead:
            self._sent_ahead = Context("ahead")
            self.send_QUERY(";".join(self._ahead))
            self._ahead = ()
        for statement, vals, oids in self._held:
            self._send(statement, vals, oids)
        self._sent_held, self._held = tuple(Context(statement) for statement, *_ in self._held), ()

    def _send(self, statement: str, vals: Any, oids: Any) -> None:
        self.send_PARSE(NULL_BYTE, statement, oids)
        self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        self.send_BIND(NULL_BYTE, make_params(self.py_types, vals))
        self.send_EXECUTE()
        _write(self._sock, SYNC_MSG)

    def _drain(self, context: Context | None) -> Context:
        """Read every reply that is due; the first failure is the one that counts."""
        ahead, self._sent_ahead = self._sent_ahead, None
        held, self._sent_held = self._sent_held, ()
        behind, self._commit_behind = Context("commit") if self._commit_behind else None, False
        failure: Exception | None = None
        for due in (ahead, *held, context, behind):
            if due is None:
                continue
            try:
                self.handle_messages(due)
            except pg8000.dbapi.DatabaseError as error:
                failure = failure or error
            except pg8000.dbapi.InterfaceError:
                # What pg8000 makes of a COMMIT that only rolls back what has failed before.
                if failure is None:
                    raise
        if failure is not None:
            raise failure
        self._committed = behind is not None
        if ahead is not None and ahead.rows:
            self.entered = ahead.rows[0][0]
        return context or Context("ahead")
