"""The database as a request sees it: one transaction, one flight to the server for each statement.

pg8000 makes three flights of a parameterised statement and three of a COMMIT. The connection below sends BEGIN, the
call that authenticates and sets the tenant, and the first statement together, each further statement in one flight,
and COMMIT in one. It leans on pg8000's internals: the version is pinned, and tests/test_db.py counts the flights.
"""

import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pg8000.dbapi
from pg8000.converters import make_params
from pg8000.core import IDLE, IN_TRANSACTION, NULL_BYTE, SYNC_MSG, Context, _flush, _write
from pg8000.native import literal
from sqlalchemy import Connection, CursorResult, Engine, Executable, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from clientway.config import is_loopback, settings
from clientway.errors import Conflict, Forbidden, Problem, ServiceUnavailable, Unauthorized

PATCHED = {15: 15_0019, 16: 16_0015, 17: 17_0011, 18: 18_0006}
"""The lowest server version of each major that CVE-2026-14669 is fixed in (a chosen time zone runs code below it)."""

_SOCKET_SECONDS = {"app": 10.0, "job": 150.0}


class Unavailable(ServiceUnavailable):
    """503: the database cannot be reached, or the connection to it broke."""

    code, title = "database_unavailable", "Database unavailable"

    def __init__(self, detail: str, *, fresh: bool = True, sent_commit: bool = False) -> None:
        """`fresh`: the connection was new, so trying again at once is no use; `sent_commit`: the outcome is unknown."""
        super().__init__(detail, headers={"Retry-After": "2"})
        self.fresh = fresh
        self.sent_commit = sent_commit


class CommitUnknown(Unavailable):
    """503: the connection broke after COMMIT was sent; whether it was done is not known here."""

    code, title = "commit_unknown", "Outcome unknown"


class LockTimeout(Conflict):
    """409: somebody else holds the row for longer than we wait."""

    code, title = "locked", "Locked"


class StatementTimeout(Problem):
    """503: the statement took longer than it may."""

    status, code, title = HTTPStatus.SERVICE_UNAVAILABLE, "statement_timeout", "Statement timeout"


class SerializationConflict(Conflict):
    """409: two changes met; trying again will do."""

    code, title = "serialization", "Conflicting change"


@dataclass(frozen=True)
class Actor:
    """Who acts: a user, an api_key, a portal contact, or a job."""

    kind: str
    id: UUID | None
    role: str | None
    name: str
    credential_id: UUID | None = None


@dataclass(frozen=True)
class Credential:
    """Enter by a token's SHA-256 (64 hex digits); only these roles may."""

    token_hash: str
    roles: tuple[str, ...]

    @property
    def call(self) -> str:
        """The statement that authenticates."""
        if len(self.token_hash) != 64 or not set(self.token_hash) <= set("0123456789abcdef"):  # noqa: PLR2004
            raise Unauthorized("No valid credential was sent.")
        return f"select app.enter('{self.token_hash}', {literal(list(self.roles))})"


@dataclass(frozen=True)
class Job:
    """Enter a tenant on behalf of a schedule or a queue."""

    tenant_id: UUID

    @property
    def call(self) -> str:
        """The statement that sets the tenant."""
        return f"select app.enter_job('{UUID(str(self.tenant_id))}')"


@dataclass(frozen=True)
class Anonymous:
    """No tenant: row security shows nothing, only functions made for it (sign-in) do anything."""

    call = ""


Entry = Credential | Job | Anonymous


class PipelinedConnection(pg8000.dbapi.Connection):
    """A pg8000 connection that sends as much as it can at once."""

    _ahead: tuple[str, ...] = ()
    entered: dict[str, Any] | None = None
    used = False

    def execute_simple(self, statement: str) -> Context:
        """Hold BEGIN back for the first statement; send anything else with what was held back."""
        if statement == "begin transaction":
            self._ahead = ("begin",)
            self._transaction_status = IN_TRANSACTION
            return Context(statement)
        if not self._ahead:
            return super().execute_simple(statement)
        self._send_ahead()
        # Two queries, two replies, one flight: sent together they would return one another's columns.
        self.send_QUERY(statement)
        _flush(self._sock)
        return self._drain(Context(statement))

    def execute_unnamed(self, statement: str, vals: Any = (), oids: Any = (), stream: Any = None) -> Context:
        """Send parse, bind, execute and whatever was held back in one flight."""
        if statement in ("commit", "rollback"):
            if self._ahead:
                self._ahead = ()
                self._transaction_status = IDLE
                return Context(statement)
            return super().execute_simple(statement)
        if stream is not None:
            if self._ahead:
                self._send_ahead()
                _flush(self._sock)
                self._drain(None)
            return super().execute_unnamed(statement, vals, oids, stream)
        if self._ahead:
            self._send_ahead()
        self.send_PARSE(NULL_BYTE, statement, oids)
        self.send_DESCRIBE_STATEMENT(NULL_BYTE)
        self.send_BIND(NULL_BYTE, make_params(self.py_types, vals))
        self.send_EXECUTE()
        _write(self._sock, SYNC_MSG)
        _flush(self._sock)
        return self._drain(Context(statement))

    def enter(self, call: str) -> None:
        """Have a statement sent right behind BEGIN; its one value is kept in `entered`."""
        self._ahead += (call,)

    _sent_ahead: Context | None = None

    def _send_ahead(self) -> None:
        self._sent_ahead = Context("ahead")
        self.send_QUERY(";".join(self._ahead))
        self._ahead = ()

    def _drain(self, context: Context | None) -> Context:
        """Read every reply that is due; the first failure is the one that counts."""
        ahead, self._sent_ahead = self._sent_ahead, None
        failure: Exception | None = None
        for due in (ahead, context):
            if due is None:
                continue
            try:
                self.handle_messages(due)
            except (pg8000.dbapi.Error, OSError) as error:
                if not isinstance(error, pg8000.dbapi.DatabaseError):
                    raise
                failure = failure or error
        if failure is not None:
            raise failure
        if ahead is not None and ahead.rows:
            self.entered = ahead.rows[0][0]
        return context or Context("ahead")


class Tx:
    """One transaction of one tenant: the first argument of every service and query function."""

    def __init__(self, connection: Connection, driver: PipelinedConnection, now: datetime, request_id: str) -> None:
        """Made by `begin`."""
        self.connection = connection
        self.now = now
        self.request_id = request_id
        self.effects: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._driver = driver
        self._fresh = not driver.used
        driver.used = True

    @property
    def tenant_id(self) -> UUID:
        """The tenant; known after the first flight, which this makes if none was."""
        return UUID(self._entered["tenant_id"])

    @property
    def actor(self) -> Actor:
        """Who acts; known after the first flight, which this makes if none was."""
        entered = self._entered
        actor_id, credential_id = entered["actor_id"], entered["credential_id"]
        return Actor(
            kind=entered["kind"],
            id=UUID(actor_id) if actor_id else None,
            role=entered["role"],
            name=entered["name"] or "",
            credential_id=UUID(credential_id) if credential_id else None,
        )

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement. Raises the typed errors of this module in place of the driver's; IntegrityError stays."""
        with translated(fresh=self._fresh):
            return self.connection.execute(statement, parameters)  # type: ignore[return-value]

    def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return self.execute(statement, parameters).scalar()

    def become(self, entered: dict[str, Any]) -> None:
        """Act from here on as whoever has just signed in; the database function that let them in has set its own side."""
        self._driver.entered = entered

    @property
    def _entered(self) -> dict[str, Any]:
        if self._driver.entered is None:
            with translated(fresh=self._fresh):
                self.connection.exec_driver_sql("select 1")
        if self._driver.entered is None:
            message = "this transaction has no tenant"
            raise RuntimeError(message)
        return self._driver.entered


def begin(entry: Entry, *, now: datetime | None = None, request_id: str = "") -> Tx:
    """Begin a transaction; nothing is sent before its first statement. Raises Unavailable."""
    engine = _engine("job" if isinstance(entry, Job) else "app")
    call = entry.call
    with translated(fresh=True):
        connection = engine.connect()
        driver: PipelinedConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.entered = None
        connection.begin()
        # The dialect's BEGIN is the driver's: it happens with the first statement, so the entry call is set before it.
        driver.execute_simple("begin transaction")
        if call:
            driver.enter(call)
    return Tx(connection, driver, now or datetime.now(UTC), request_id)


def commit(tx: Tx) -> None:
    """Commit and give the connection back. Raises CommitUnknown when the answer to COMMIT was lost."""
    try:
        tx.connection.commit()
    except (DBAPIError, OSError, pg8000.dbapi.Error) as error:
        tx.connection.invalidate()
        if sqlstate(error) is not None and not _is_broken(error):
            raise
        raise CommitUnknown("The connection broke while the change was being committed.", fresh=False, sent_commit=True) from error
    finally:
        tx.connection.close()


def rollback(tx: Tx) -> None:
    """Undo everything and give the connection back; a broken connection has nothing left to undo."""
    try:
        tx.connection.rollback()
    except (DBAPIError, OSError, pg8000.dbapi.Error):
        tx.connection.invalidate()
    finally:
        tx.connection.close()


@contextmanager
def job_transaction(tenant_id: UUID, *, now: datetime | None = None) -> Iterator[Tx]:
    """A transaction of a schedule or a consumer: effects are written and all is committed at its end, or nothing is."""
    from clientway import effects  # noqa: PLC0415  (effects are written through a Tx)

    tx = begin(Job(tenant_id), now=now)
    try:
        yield tx
        effects.flush(tx)
    except BaseException:
        rollback(tx)
        raise
    commit(tx)


@contextmanager
def job_connection() -> Iterator[Connection]:
    """A transaction of the job role outside any tenant, for the functions that hand out work over all of them."""
    with translated(fresh=True), _engine("job").connect() as connection:
        driver: PipelinedConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.used = True
        driver.entered = None
        yield connection
        connection.commit()


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, if it carries one."""
    original = getattr(error, "orig", None) or error
    details = original.args[0] if getattr(original, "args", None) else None
    return details.get("C") if isinstance(details, dict) else None


def constraint_name(error: BaseException) -> str | None:
    """The constraint or unique index that a database error is about."""
    original = getattr(error, "orig", None) or error
    details = original.args[0] if getattr(original, "args", None) else None
    return details.get("n") if isinstance(details, dict) else None


def _is_broken(error: BaseException) -> bool:
    """Whether the connection is gone: no SQLSTATE at all, or one that the server sends before it hangs up."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, (DBAPIError, pg8000.dbapi.Error)):
        return False
    state = sqlstate(error)
    if state is None:
        original = getattr(error, "orig", None) or error
        return isinstance(original, (pg8000.dbapi.InterfaceError, OSError))
    return state.startswith("08") or state in {"57P01", "57P02", "57P03", "57P05", "53300"}


@contextmanager
def translated(*, fresh: bool) -> Iterator[None]:
    """Give the driver's errors our types; what is neither a lost connection nor a timeout passes as it is."""
    try:
        yield
    except (DBAPIError, OSError, pg8000.dbapi.Error) as error:
        if _is_broken(error):
            raise Unavailable("The database cannot be reached at the moment.", fresh=fresh) from error
        match sqlstate(error):
            case "CW401":
                raise Unauthorized("No valid credential was sent.", headers={"WWW-Authenticate": "Bearer"}) from None
            case "CW403":
                raise Forbidden("Your role may not do this.") from None
            case "55P03":
                raise LockTimeout("Somebody else is changing this; try again.", headers={"Retry-After": "1"}) from error
            case "57014":
                raise StatementTimeout("The database took too long.", headers={"Retry-After": "2"}) from error
            case "40001" | "40P01":
                raise SerializationConflict("Two changes met; try again.", headers={"Retry-After": "1"}) from error
            case _:
                raise


@cache
def _engine(role: str) -> Engine:
    url = settings().job_database_url if role == "job" else settings().database_url
    parts = urlsplit(url)
    tls = _tls(url)

    def connect() -> PipelinedConnection:
        connection = PipelinedConnection(
            user=unquote(parts.username or ""),
            password=_iam_token(url) if settings().database_iam else unquote(parts.password or "") or None,
            host=parts.hostname or "",
            port=parts.port or 5432,
            database=parts.path.lstrip("/"),
            timeout=_SOCKET_SECONDS[role],
            ssl_context=tls,
            application_name=f"clientway-{role}",
        )
        _check_server(connection, url)
        return connection

    return create_engine(
        "postgresql+pg8000://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=settings().database_pool_size,
        max_overflow=0,
        pool_timeout=5,
        # Five flights of version and default questions at every first connect, none of whose answers is used.
        _initialize=False,
    )


@cache
def _tls(url: str) -> ssl.SSLContext | bool:
    """One verified context for the process: building it takes 50 ms, and pg8000's own verifies nothing."""
    if is_loopback(url):
        return False
    context = ssl.create_default_context(cafile=settings().database_ca_file)
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _iam_token(url: str) -> str:
    """A password that is good for one connect within 15 minutes, signed here: no SDK client is made."""
    import os  # noqa: PLC0415  (only where IAM is on)

    from botocore.auth import SigV4QueryAuth  # noqa: PLC0415  (0.1 s, only where IAM is on)
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    parts, region = urlsplit(url), os.environ["AWS_REGION"]
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN"))
    target = f"https://{parts.hostname}:{parts.port or 5432}/?Action=connect&DBUser={parts.username}"
    request = AWSRequest(method="GET", url=target)
    SigV4QueryAuth(credentials, "rds-db", region, expires=900).add_auth(request)
    return str(request.url).removeprefix("https://")


@cache
def _warn_once(version: int) -> None:
    import warnings  # noqa: PLC0415

    warnings.warn(f"PostgreSQL {version} is below the patched release of its major (CVE-2026-14669)", RuntimeWarning, stacklevel=3)


def _check_server(connection: PipelinedConnection, url: str) -> None:
    """Refuse a server below the patched floor of its major; on this machine only warn. Costs no flight."""
    major, _, minor = str(connection.parameter_statuses["server_version"]).split(" ")[0].partition(".")
    version = int(major) * 10_000 + int(minor or 0)
    if version >= PATCHED.get(int(major), 0) or int(major) > max(PATCHED):
        return
    if not is_loopback(url):
        message = f"PostgreSQL {major}.{minor} lacks the fix of CVE-2026-14669; upgrade the server"
        raise RuntimeError(message)
    _warn_once(version)


__all__ = ["Actor", "Anonymous", "CommitUnknown", "Credential", "Job", "LockTimeout", "Mapping", "Tx", "Unavailable", "begin", "commit", "rollback"]
