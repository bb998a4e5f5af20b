"""Where connections come from: one small pool for each database role, TLS, IAM passwords, and servers we refuse."""

import os
import ssl
import time
import warnings
from functools import cache
from urllib.parse import unquote, urlsplit

import pg8000.dbapi
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from clientway.config import IDLE_SECONDS, TIMEOUTS, ca_file, iam, is_loopback, settings
from clientway.pipeline import PipelinedConnection

PATCHED = {15: 15_0019, 16: 16_0015, 17: 17_0011, 18: 18_0006}
"""The lowest server version of each major that CVE-2026-14669 is fixed in (a chosen time zone runs code below it)."""

_FLIGHT_SECONDS = {"app": TIMEOUTS["flight"], "job": 150.0}


@cache
def engine(role: str) -> Engine:
    """The pool of a role: app (requests) or job (schedules and consumers)."""
    url = settings().job_database_url if role == "job" else settings().database_url
    parts = urlsplit(url)
    verified = tls(url)

    def connect() -> PipelinedConnection:
        connection = PipelinedConnection(
            user=unquote(parts.username or ""),
            password=iam_token(url) if iam(url) else unquote(parts.password or "") or None,
            host=parts.hostname or "",
            port=parts.port or 5432,
            database=parts.path.lstrip("/"),
            timeout=_FLIGHT_SECONDS[role],
            ssl_context=verified,
            application_name=f"clientway-{role}",
        )
        check_server(connection, url)
        return connection

    pool = create_engine(
        "postgresql+pg8000://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=settings().database_pool_size,
        max_overflow=0,
        pool_timeout=5,
        # Five flights of version and default questions at every first connect, none of whose answers is used.
        _initialize=False,
    )
    event.listen(pool, "checkin", _note_the_time)
    event.listen(pool, "checkout", _check_it_is_there)
    return pool


def _note_the_time(_connection: PipelinedConnection, entry: ConnectionPoolEntry) -> None:
    entry.info["left"] = time.time()


def _check_it_is_there(connection: PipelinedConnection, entry: ConnectionPoolEntry, _fairy: object) -> None:
    """Have a connection that the server has closed, or will have, replaced by a new one. Costs no flight.

    By the wall clock: an environment that was frozen in between may not have heard of it.
    """
    if time.time() - entry.info.get("left", time.time()) >= IDLE_SECONDS or connection.hung_up():
        raise DisconnectionError


@cache
def tls(url: str) -> ssl.SSLContext | bool:
    """One verified context for the process: building it takes time, and pg8000's own verifies nothing."""
    if is_loopback(url):
        return False
    context = ssl.create_default_context(cafile=ca_file(url))
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def iam_token(url: str) -> str:
    """A password that is good for one connect within 15 minutes, signed here: no SDK client is made."""
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
    warnings.warn(f"PostgreSQL {version} is below the patched release of its major (CVE-2026-14669)", RuntimeWarning, stacklevel=3)


def check_server(connection: pg8000.dbapi.Connection, url: str) -> None:
    """Hang up on a server below the patched floor of its major, with a RuntimeError; on this machine only warn. Costs no flight."""
    major, _, minor = str(connection.parameter_statuses["server_version"]).split(" ")[0].partition(".")
    version = int(major) * 10_000 + int(minor or 0)
    if version >= PATCHED.get(int(major), 0) or int(major) > max(PATCHED):
        return
    if not is_loopback(url):
        connection.close()
        message = f"PostgreSQL {major}.{minor} lacks the fix of CVE-2026-14669; upgrade the server"
        raise RuntimeError(message)
    _warn_once(version)
