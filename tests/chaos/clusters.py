"""A PostgreSQL of a test's own, durable as in production, that may be stopped, limited and killed."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from clientway import administration
from clientway.local import postgres
from clientway.migrations.run import migrate
from tests.served import eventually

DATABASE = "chaos"


@dataclass
class Cluster:
    """A running server with a migrated database in it."""

    data: Path
    server: postgres.Server
    admin: Engine
    """The superuser. Keeps no connection: they would not outlive the server."""

    def url(self, user: str = "clientway_app") -> str:
        return self.server.url(DATABASE, user)

    def start(self) -> None:
        """Start it again, where it was, and wait until it takes callers: after a kill it recovers first."""
        assert postgres.start(self.data) == self.server
        eventually(self._answers, seconds=60)

    def _answers(self) -> bool:
        try:
            with self.admin.connect():
                return True
        except DBAPIError:
            return False

    def stop(self) -> None:
        postgres.stop(self.data)

    @property
    def postmaster(self) -> int:
        return int((self.data / "cluster" / "postmaster.pid").read_text().split()[0])

    def kill(self, what: str) -> None:
        """Kill with -9 the `postmaster`, it and all of its `processes`, or one `backend` that is in a transaction."""
        with self.admin.connect() as admin:
            others = list(admin.scalars(text(_BUSIEST_FIRST)))
        victims = {"postmaster": [self.postmaster], "processes": [self.postmaster, *others], "backend": others[:1]}[what]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


_BUSIEST_FIRST = """
select pid from pg_stat_activity where pid <> pg_backend_pid()
 order by coalesce(application_name = 'clientway-app', false) desc, xact_start nulls last, pid
"""


@contextlib.contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """A new cluster with these settings, of which nothing is left at the end."""
    # Outside the checkout: as root the server runs as nobody, who may not be able to enter it.
    with tempfile.TemporaryDirectory(prefix="clientway-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "data"
        try:
            server = postgres.start(data)
            migrate(server.url(DATABASE))
            admin = administration.engine(server.url(DATABASE), isolation_level="AUTOCOMMIT")
            if settings:
                with admin.connect() as connection:
                    for setting, value in settings.items():
                        connection.execute(text(f"alter system set {setting} = '{value}'"))
                postgres.stop(data)
                postgres.start(data)
            yield Cluster(data, server, admin)
        finally:
            postgres.stop(data)
