"""Bring a database to the newest revision: used by `make run`, the tests and the migrator function alike."""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from alembic import command, op
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url

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
  end loop;
  alter role clientway_app set statement_timeout = '5s';
  -- Nothing but our own code runs between two statements of a request: who is silent for so long is gone.
  alter role clientway_app set idle_in_transaction_session_timeout = '10s';
  alter role clientway_job set statement_timeout = '120s';
end $$;
"""

EXTENSIONS = "create extension if not exists pg_trgm; create extension if not exists btree_gin;"


def migrate(admin_url: str) -> None:
    """Create the database named in `admin_url` if it is missing, its roles, and upgrade it to the newest revision.

    `admin_url` is a PostgreSQL URL of a role that may create roles and databases. Safe to repeat and to race.
    """
    url = _driver_url(admin_url)
    _create_database(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        _apply(connection, ROLES)
        _apply(connection, EXTENSIONS)
        connection.commit()
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(HERE))
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()


def apply_sql(filename: str) -> None:
    """Run one file of migrations/sql inside the current revision."""
    _apply(op.get_bind(), (HERE / "sql" / filename).read_text())


def _apply(connection: Connection, script: str) -> None:
    # Many statements in one simple query: no parameters, so pg8000 does not look at percent signs.
    connection.exec_driver_sql(script, execution_options={"no_parameters": True})


def _create_database(url: URL) -> None:
    maintenance = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with maintenance.connect() as connection:
        known = connection.scalar(text("select 1 from pg_database where datname = :name"), {"name": url.database})
        if not known:
            quoted = '"' + str(url.database).replace('"', '""') + '"'
            connection.exec_driver_sql(f"create database {quoted}")
    maintenance.dispose()


def _driver_url(url: str) -> URL:
    parts = urlsplit(url)
    return make_url(urlunsplit(parts._replace(scheme="postgresql+pg8000")))
