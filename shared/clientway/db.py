"""The database as a request sees it: who enters, one transaction, and typed errors in place of the driver's."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pg8000.dbapi
from pg8000.native import literal
from sqlalchemy import Connection, CursorResult, Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoPlaceInPool

from clientway.engines import engine
from clientway.errors import Conflict, Forbidden, Problem, ServiceUnavailable, Unauthorized
from clientway.pipeline import PipelinedConnection


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

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Run a statement. Raises the typed errors of this module in place of the driver's.

        A constraint's refusal stays sqlalchemy's DatabaseError (pg8000 knows no IntegrityError): see sqlstate, constraint_name.
        """
        with translated(fresh=self._fresh):
            return self.connection.execute(statement, parameters)

    def later(self, statement: Executable, parameters: Any = None) -> None:
        """Run a statement of which nothing needs to be heard: it goes along with the next one, in that one's flight.

        What it fails of, the next one raises, or the commit.
        """
        with self._driver.hold():
            self.execute(statement, parameters)

    def scalar(self, statement: Executable, parameters: Any = None) -> Any:
        """The first column of the first row, or None."""
        return self.execute(statement, parameters).scalar()

    def commit_with(self, statement: Executable, parameters: Any) -> None:
        """Run the last statement, with COMMIT sent behind it; for `commit` alone."""
        self._driver.commit_behind()
        self.connection.execute(statement, parameters)

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


def begin(entry: Entry, *, now: datetime | None = None, request_id: str = "", until: float | None = None) -> Tx:
    """Begin a transaction; nothing is sent before its first statement. Raises Unavailable.

    `until` is the moment of time.monotonic() that no statement of it outlasts.
    """
    pool = engine("job" if isinstance(entry, Job) else "app")
    call = entry.call
    with translated(fresh=True):
        connection = pool.connect()
        driver: PipelinedConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.entered = None
        driver.within(until)
        connection.begin()
        # The dialect's BEGIN is the driver's: it happens with the first statement, so the entry call is set before it.
        driver.execute_simple("begin transaction")
        if call:
            driver.enter(call)
    return Tx(connection, driver, now or datetime.now(UTC), request_id)


def commit(tx: Tx, last: tuple[Executable, Any] | None = None) -> None:
    """Commit and give the connection back; a last statement with its parameters rides in the same flight.

    Raises CommitUnknown when the answer to COMMIT was lost, and what that statement raises; then nothing is committed.
    """
    try:
        if last is not None:
            tx.commit_with(*last)
        tx.connection.commit()
    except (DBAPIError, OSError, pg8000.dbapi.Error) as error:
        tx.connection.invalidate()
        if sqlstate(error) is not None and not _is_broken(error):
            with translated(fresh=False):
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
    except BaseException:
        rollback(tx)
        raise
    commit(tx, effects.pending(tx))


@contextmanager
def job_connection() -> Iterator[Connection]:
    """A transaction of the job role outside any tenant, for the functions that hand out work over all of them."""
    with translated(fresh=True), engine("job").connect() as connection:
        driver: PipelinedConnection = connection.connection.driver_connection  # type: ignore[assignment]
        driver.used = True
        driver.entered = None
        driver.within(None)
        yield connection
        connection.commit()


def all_tenants() -> list[UUID]:
    """Every tenant, for the jobs that go round them all, each in a transaction of its own."""
    with job_connection() as connection:
        return list(connection.scalars(text("select app.all_tenants()")))


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
    except (DBAPIError, OSError, pg8000.dbapi.Error, NoPlaceInPool) as error:
        if isinstance(error, NoPlaceInPool) or _is_broken(error):
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
                raise SerializationConflict("Two changes collided; try again.", headers={"Retry-After": "1"}) from error
            case _:
                raise
