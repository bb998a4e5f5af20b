"""Bring a database to the newest revision: used by `make run`, the tests and the migrator function alike."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from clientway import administration
from clientway.config import iam
from clientway.migrations import zones

HERE = Path(__file__).parent

# Roles belong to the cluster, not to a database. Timeouts nest below the function's own (lock 2 s < statement 5 s <
# provider 8 s < handler 25 s < API 29 s) and live on the role: a SET on a connection would pin it to RDS Proxy.
ROLES = """
do $$
declare r text;
begin
  -- Several databases of one cluster may migrate at once (the test workers do).
  perform pg_advisory_xact_lock(7041776);
  foreach r in array array['clientway_owner', 'clientway_auth', 'clientway_search', 'clientway_identity'] loop
    if not exists (select from pg_roles where rolname = r) then execute format('create role %I nologin', r); end if;
    execute format('grant %I to current_user', r);
  end loop;
  foreach r in array array['clientway_app', 'clientway_job'] loop
    if not exists (select from pg_roles where rolname = r) then execute format('create role %I login', r); end if;
    execute format('alter role %I set timezone = ''UTC''', r);
    execute format('alter role %I set default_transaction_isolation = ''read committed''', r);
    execute format('alter role %I set search_path = ''public''', r);
    execute format('alter role %I set lock_timeout = ''2s''', r);
    execute format('alter role %I set idle_in_transaction_session_timeout = ''30s''', r);
    execute format('alter role %I set idle_session_timeout = ''4s''', r);
    -- Both read few rows at a time, from memory or solid state: one found through an index costs little more than the one beside
    -- it. Taken for four times as dear, as the default has it, the next few in the order of an index lost to reading and sorting
    -- all there is.
    execute format('alter role %I set random_page_cost = 1.1', r);
  end loop;
  alter role clientway_app set statement_timeout = '5s';
  -- Nothing but our own code runs between two statements of a request: who is silent for so long is gone.
  alter role clientway_app set idle_in_transaction_session_timeout = '10s';
  alter role clientway_job set statement_timeout = '120s';
end $$;
"""

EXTENSIONS = "create extension if not exists pg_trgm; create extension if not exists btree_gin; create extension if not exists btree_gist;"


# With IAM the server takes a signed token and no password any more. The administrator is in it in any case: who makes a
# role is a member of it (PostgreSQL 16), and so of what it was granted.
IAM = "grant rds_iam to clientway_app, clientway_job, current_user;"

# A table that somebody holds is not waited for long: whoever queues behind the migration waits as well.
WAITS = "set lock_timeout = '10s'; set statement_timeout = 0;"


def migrate(admin_url: str, *, seconds: float | None = None) -> str:
    """Create the database named in `admin_url` if it is missing, its roles, and upgrade it; returns its revision.

    `admin_url` is a PostgreSQL URL of a role that may create roles and databases. Safe to repeat and to race. A database
    at a revision that this package does not know is newer than we are and stays as it is: schema changes are made so that
    the code before them still runs, and a deployment that is rolled back comes by here with the old code. `seconds` bounds
    a statement.
    """
    _create_database(admin_url)
    engine = administration.engine(admin_url, seconds=seconds)
    config = Config()
    config.set_main_option("script_location", str(HERE))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.connect() as connection:
        _alone(connection)
        before = _revision(connection)
        if before is not None and before not in known:
            return before
        _apply(connection, WAITS)
        _apply(connection, ROLES)
        if iam(admin_url):
            _apply(connection, IAM)
        _apply(connection, EXTENSIONS)
        connection.commit()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        zones.write(connection)
        connection.commit()
        return str(_revision(connection))


def revision(admin_url: str) -> str | None:
    """The revision of a database; None when nothing was migrated yet."""
    with administration.engine(admin_url).connect() as connection:
        return _revision(connection)


def newest() -> str:
    """The revision that this package brings a database to."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    return str(ScriptDirectory.from_config(config).get_current_head())


def apply_sql(filename: str) -> None:
    """Run one file of migrations/sql inside the current revision."""
    _apply(op.get_bind(), (HERE / "sql" / filename).read_text())


def _apply(connection: Connection, script: str) -> None:
    # Many statements in one simple query: no parameters, so pg8000 does not look at percent signs.
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def _alone(connection: Connection) -> None:
    """Wait until nobody else migrates here; held until the connection is closed."""
    connection.execute(text("select pg_advisory_lock(7041777)"))


def _revision(connection: Connection) -> str | None:
    found = MigrationContext.configure(connection).get_current_revision()
    connection.rollback()
    return found


def _create_database(url: str) -> None:
    name = unquote(urlsplit(url).path.lstrip("/"))
    maintenance = administration.engine(url, database="postgres", isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        _alone(connection)
        known = connection.scalar(text("select 1 from pg_database where datname = :name"), {"name": name})
        if not known:
            quoted = '"' + name.replace('"', '""') + '"'
            connection.exec_driver_sql(f"create database {quoted}")
