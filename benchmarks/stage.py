"""Where the benchmarks run: a PostgreSQL of their own in a temporary folder, migrated, with the settings of `make run`."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from clientway.config import settings
from clientway.engines import engine
from clientway.local import postgres
from clientway.migrations.run import migrate
from clientway.pipeline import PipelinedConnection
from tests.conftest import ENVIRONMENT
from tests.fixtures import Tenant, make_tenant

DATABASE = "clientway_benchmarks"


@dataclass(frozen=True)
class Stage:
    """The server, and the superuser's engine, which is outside row security."""

    server: postgres.Server
    folder: Path
    admin: Engine

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return self.server.url(DATABASE)

    def tenant(self) -> Tenant:
        """A new tenant."""
        return make_tenant(self.admin)

    def seed(self, statements: str, tenant: Tenant, *, rows: int, large: str = "") -> None:
        """Run statements that may name :t (the tenant), :s (its slug) and :rows.

        Foreign keys are not checked, and the indexes of the table that becomes `large` are made at the end: millions of
        rows are a matter of a minute so.
        """
        given = {"t": tenant.id, "s": tenant.slug, "rows": rows}
        with self.admin.connect() as connection:
            indexes = text("select indexname, indexdef from pg_indexes where tablename = :table and not indexdef ~ 'UNIQUE'")
            put_off = connection.execute(indexes, {"table": large}).all()
            connection.exec_driver_sql("set session_replication_role = replica")
            for name, _ in put_off:
                connection.exec_driver_sql(f"drop index {name}")
            for statement in filter(str.strip, statements.split(";\n")):
                used = {name: value for name, value in given.items() if re.search(rf":{name}\b", statement)}
                connection.execute(text(statement), used)
            for _, definition in put_off:
                connection.exec_driver_sql(definition)
            connection.exec_driver_sql("reset session_replication_role")
            connection.exec_driver_sql("vacuum analyze")
            # What was just written is on the disk now, and not in the middle of a measurement.
            connection.exec_driver_sql("checkpoint")

    def pgbench(self, script: str, *, user: str, times: int) -> list[float]:
        """Run a script of pgbench, one client; returns the milliseconds of each transaction."""
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "script.sql").write_text(script)
            program = postgres.find_binaries() / "pgbench"
            server = ["-h", self.server.host, "-p", str(self.server.port), "-U", user, DATABASE]
            subprocess.run(
                [program, "--no-vacuum", "--client=1", f"--transactions={times}", "--log", "--file=script.sql", *server],
                cwd=place, check=True, capture_output=True,
            )  # fmt: skip
            [log] = place.glob("pgbench_log.*")
            return [int(line.split()[2]) / 1000 for line in log.read_text().splitlines()]


@contextmanager
def raised() -> Iterator[Stage]:
    """Start the server, point the package's settings at it, and remove it all at the end."""
    # Outside the checkout: as root the server runs as nobody, who may not be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="clientway-benchmarks-"))
    folder.chmod(0o755)
    try:
        server = postgres.start(folder / "data")
        migrate(server.url(DATABASE))
        urls = {"DATABASE_URL": server.url(DATABASE, "clientway_app"), "JOB_DATABASE_URL": server.url(DATABASE, "clientway_job")}
        os.environ.update({**ENVIRONMENT, **urls})
        settings.cache_clear()
        admin = create_engine(server.url(DATABASE).replace("postgresql://", "postgresql+pg8000://", 1), isolation_level="AUTOCOMMIT")
        yield Stage(server, folder, admin)
        admin.dispose()
        for role in ("app", "job"):
            engine(role).dispose()
    finally:
        postgres.stop(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Every statement that the package sends meanwhile, with its parameters written into it."""
    heard: list[str] = []
    query, parse, bind = (getattr(PipelinedConnection, name) for name in ("send_QUERY", "send_PARSE", "send_BIND"))

    def send_query(self: PipelinedConnection, sql: str) -> None:
        heard.append(sql)
        query(self, sql)

    def send_parse(self: PipelinedConnection, name: bytes, sql: str, oids: object = ()) -> None:
        heard.append(sql)
        parse(self, name, sql, oids)

    def send_bind(self: PipelinedConnection, name: bytes, values: tuple[str | None, ...]) -> None:
        heard[-1] = re.sub(r"\$(\d+)", lambda place: _quoted(values[int(place[1]) - 1]), heard[-1])
        bind(self, name, values)

    PipelinedConnection.send_QUERY, PipelinedConnection.send_PARSE, PipelinedConnection.send_BIND = send_query, send_parse, send_bind
    try:
        yield heard
    finally:
        PipelinedConnection.send_QUERY, PipelinedConnection.send_PARSE, PipelinedConnection.send_BIND = query, parse, bind


def _quoted(value: str | None) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def as_script(statements: list[str]) -> str:
    """What a request sent, as a script of pgbench: all but the last statement (COMMIT) in one flight, as the request did."""
    entry, *others, commit = [" ".join(statement.split()) for statement in statements]
    return " \\; ".join([*entry.split(";"), *others]) + f";\n{commit};\n"
