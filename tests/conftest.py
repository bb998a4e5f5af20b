"""One PostgreSQL for the run, a template database migrated once, and a clone of it for each worker."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sqlalchemy import create_engine

from clientway.config import settings
from clientway.local import postgres
from clientway.migrations.run import migrate

# A property is none of how busy the machine is: 200 ms for an example pass there without anything being wrong.
hypothesis.settings.register_profile("clientway", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("clientway")

pytest_plugins = ["tests.fixtures", "tests.plans", "tests.fake_stripe"]

TEMPLATE = "clientway_template"
# Who waits for a row is told so after two seconds (tests/test_connections.py), which whoever holds it may take on a busy machine.
PATIENCE = [
    ("clientway_app", "lock_timeout = '6s'"),
    ("clientway_app", "statement_timeout = '6500ms'"),
    ("clientway_job", "lock_timeout = '6s'"),
]
ENVIRONMENT = {
    "CLIENTWAY_SIGNING_KEY": "test-signing-key-test-signing-key-0",
    "CLIENTWAY_IDENTITY_KEY": "test-identity-key-test-identity-key",
    "STRIPE_TICKET_KEY": "test-ticket-key-test-ticket-key-00",
    "PUBLIC_URL": "http://127.0.0.1:3000",
    "POWERTOOLS_SERVICE_NAME": "clientway",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "IMPORT_BUCKET": "imports-test",
}


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the folder of the run's server, so that it can remove it when all workers are done."""
    if not hasattr(config, "workerinput"):
        # Outside the checkout: as root the server runs as nobody, who may not be able to enter it.
        folder = Path(tempfile.mkdtemp(prefix="clientway-tests-"))
        folder.chmod(0o755)
        os.environ["CLIENTWAY_TEST_FOLDER"] = str(folder)
    os.environ.update(ENVIRONMENT)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server of the run."""
    if not hasattr(config, "workerinput"):
        folder = Path(os.environ["CLIENTWAY_TEST_FOLDER"])
        if (folder / "data").exists():
            postgres.stop(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> postgres.Server:
    """The run's server, started by whichever worker comes first."""
    folder = Path(os.environ["CLIENTWAY_TEST_FOLDER"])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = postgres.start(folder / "data", durable=False)
        done = folder / "migrated"
        if not done.exists():
            migrate(running.url(TEMPLATE))
            done.touch()
    return running


def clone(server: postgres.Server, name: str) -> None:
    """Make a copy of the migrated database; one at a time, because a database that is copied may have no visitor."""
    maintenance = create_engine(_driver(server.url("postgres")), isolation_level="AUTOCOMMIT")
    folder = Path(os.environ["CLIENTWAY_TEST_FOLDER"])
    with (folder / "lock").open("w") as lock, maintenance.connect() as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.exec_driver_sql(f"create database {name} template {TEMPLATE}")
    maintenance.dispose()


@pytest.fixture(scope="session")
def database(server: postgres.Server) -> str:
    """The name of this worker's own copy of the migrated database."""
    name = f"clientway_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    clone(server, name)
    changes = [f"alter role {role} in database {name} set {setting}" for role, setting in PATIENCE]
    if mutant := os.environ.get("CLIENTWAY_MUTANT"):
        changes.append(mutant)
    changed = create_engine(_driver(server.url(name)), isolation_level="AUTOCOMMIT")
    with changed.connect() as connection:
        for change in changes:
            connection.exec_driver_sql(change)
    changed.dispose()
    return name


@pytest.fixture(scope="session")
def admin_url(server: postgres.Server, database: str) -> str:
    """The superuser's URL of this worker's database."""
    return server.url(database)


@pytest.fixture(scope="session")
def job_url(server: postgres.Server, database: str) -> str:
    """The job role's URL."""
    return server.url(database, "clientway_job")


@pytest.fixture(scope="session")
def database_url(server: postgres.Server, database: str, admin_url: str, job_url: str) -> Iterator[str]:
    """The application role's URL; the environment is set so that `settings()` works."""
    url = server.url(database, "clientway_app")
    os.environ.update({"DATABASE_URL": url, "JOB_DATABASE_URL": job_url, "ADMIN_DATABASE_URL": admin_url, "DATABASE_POOL_SIZE": "4"})
    settings.cache_clear()
    yield url
    settings.cache_clear()


def _driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+pg8000://", 1)
