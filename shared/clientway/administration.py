"""How the administrator reaches the database: to migrate it, and to make tenants. Requests and jobs have clientway.engines."""

from typing import Any
from urllib.parse import unquote, urlsplit

import pg8000.dbapi
from sqlalchemy import Engine, NullPool, create_engine

from clientway.config import iam
from clientway.engines import check_server, iam_token, tls
from clientway.pipeline import Connection


def engine(url: str, *, database: str | None = None, seconds: float | None = None, **options: Any) -> Engine:
    """An engine for a PostgreSQL URL, with verified TLS and the same refusals as any other; it keeps no connection.

    With IAM a signed token is tried first. The password in the URL, if there is one, serves the first deployment alone: the
    migration grants rds_iam to the administrator, and then the server takes no password of theirs any more. `seconds`
    bounds one turn to the server and back.
    """
    parts = urlsplit(url)

    def connect() -> Connection:
        passwords = [unquote(parts.password or "") or None]
        if iam(url):
            passwords = [iam_token(url), *filter(None, passwords)]
        while True:
            try:
                connection = Connection(
                    user=unquote(parts.username or ""),
                    password=passwords.pop(0),
                    host=parts.hostname or "",
                    port=parts.port or 5432,
                    database=database or unquote(parts.path.lstrip("/")),
                    timeout=seconds,
                    ssl_context=tls(url),
                    application_name="clientway-admin",
                )
            except pg8000.dbapi.DatabaseError as error:
                if not (passwords and _is_refused(error)):
                    raise
            else:
                check_server(connection, url)
                return connection

    return create_engine("postgresql+pg8000://", creator=connect, poolclass=NullPool, **options)


def _is_refused(error: pg8000.dbapi.DatabaseError) -> bool:
    """Whether the server did not take the password: SQLSTATE class 28, invalid authorization."""
    details = error.args[0] if error.args else None
    return isinstance(details, dict) and str(details.get("C", "")).startswith("28")
