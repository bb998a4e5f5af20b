"""The schema at a deployment: by an administrator who is no superuser, as on Aurora, and with an answer in any case."""

import http.server
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pg8000.dbapi
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DatabaseError

from clientway import administration, engines
from clientway.config import settings
from clientway.identity.tenants import service as tenants
from clientway.local import postgres
from clientway.migrations import run
from clientway.operations import schema
from tests.fixtures import LambdaContext

ADMIN = "clientway_admin"


@contextmanager
def superuser(server, database="postgres"):
    """Who RDS keeps to itself."""
    engine = create_engine(server.url(database).replace("postgresql:", "postgresql+pg8000:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(scope="module")
def cluster():
    """A cluster of its own, as RDS makes it: the master may create roles and databases and is no superuser."""
    folder = Path(tempfile.mkdtemp(prefix="clientway-schema-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "data", durable=False)
    with superuser(server) as connection:
        connection.exec_driver_sql("create role rds_iam nologin")
        connection.exec_driver_sql(f"create role {ADMIN} login createrole createdb")
    yield server
    postgres.stop(folder / "data")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def admin(cluster):
    """The master's URL."""
    return cluster.url("clientway", ADMIN)


@pytest.fixture(scope="module")
def migrated(admin):
    """Migrated by the master."""
    assert run.migrate(admin) == run.newest()
    return admin


@pytest.fixture
def deployed(migrated, cluster, monkeypatch):
    """The settings of the migrator function."""
    monkeypatch.setenv("ADMIN_DATABASE_URL", migrated)
    monkeypatch.setenv("DATABASE_URL", cluster.url("clientway", "clientway_app"))
    monkeypatch.setenv("JOB_DATABASE_URL", cluster.url("clientway", "clientway_job"))
    settings.cache_clear()
    yield migrated
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def inbox():
    """Takes what is PUT to it, as S3 does at the URL that CloudFormation gives."""
    received = []

    class Inbox(http.server.BaseHTTPRequestHandler):
        def do_PUT(self):
            received.append((self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Inbox)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/answer?X-Amz-Signature=s", received
    server.shutdown()
    server.server_close()


def request(kind, url):
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/clientway/1",
        "RequestId": "request-1",
        "LogicalResourceId": "Schema",
        "ResourceType": "Custom::Schema",
        "ResourceProperties": {"ServiceToken": "arn", "Package": "arn:layer:1"},
    }


def call(event):
    return importlib.import_module("operations.migrate").handler(event, LambdaContext())


def columns(url):
    with administration.engine(url).connect() as connection:
        return connection.execute(
            text("select table_name, column_name from information_schema.columns where table_schema = 'public' order by 1, 2")
        ).all()


def test_a_master_who_is_no_superuser_can_migrate_and_again(migrated):
    before = columns(migrated)

    assert run.migrate(migrated) == run.newest() == run.revision(migrated)
    assert len(before) > 200
    assert columns(migrated) == before


def test_migrations_that_race_take_their_turns(cluster):
    url = cluster.url("raced", ADMIN)
    program = f"from clientway.migrations.run import migrate; print(migrate({url!r}))"
    started = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]

    assert [(one.communicate()[0].strip(), one.returncode) for one in started] == [(run.newest(), 0)] * 3


def test_a_master_who_is_no_superuser_can_make_tenants(migrated):
    made = tenants.create(migrated, name="N", slug="no-superuser", admin_email="a@staff.example")
    key = tenants.issue_api_key(migrated, tenant_id=made.tenant_id, name="k", role="viewer")

    assert tenants.revoke_api_key(migrated, key=key.token) == key.id


def test_who_makes_the_roles_is_in_what_they_were_granted_and_loses_the_password(migrated, cluster, monkeypatch):
    # RDS's pg_hba asks for membership, inherited or not. So with IAM there is no master who keeps a password.
    members = text("select rolname from pg_roles where pg_has_role(oid, 'rds_iam', 'member') and rolcanlogin and not rolsuper order by 1")
    with superuser(cluster) as connection:
        connection.exec_driver_sql("grant rds_iam to clientway_app")
        assert connection.scalars(members).all() == [ADMIN, "clientway_app"]
        connection.exec_driver_sql("revoke rds_iam from clientway_app")
        assert connection.scalars(members).all() == []

        # RDS lets its master grant this role; PostgreSQL wants it said.
        connection.exec_driver_sql(f"grant rds_iam to {ADMIN} with admin true, inherit false, set false")
        monkeypatch.setattr(run, "iam", lambda _: True)
        run.migrate(migrated)
        assert connection.scalars(members).all() == [ADMIN, "clientway_app", "clientway_job"]


def test_code_that_is_older_than_the_database_leaves_it_alone(migrated):
    # What a deployment that is rolled back does: the custom resource runs again, with the package as it was.
    with administration.engine(migrated).begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    try:
        assert run.migrate(migrated) == "9999"
    finally:
        with administration.engine(migrated).begin() as connection:
            connection.execute(text("update alembic_version set version_num = :v"), {"v": run.newest()})


def test_by_hand_it_says_the_revision(deployed):
    assert call({}) == {"Revision": run.newest()}


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_cloudformation_hears_of_success(deployed, inbox, kind):
    url, received = inbox
    call(request(kind, url))

    ((content_type, answer),) = received
    assert content_type == ""
    assert answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "clientway-schema",
        "StackId": request(kind, url)["StackId"],
        "RequestId": "request-1",
        "LogicalResourceId": "Schema",
        "Data": {"Revision": run.newest()},
    }


def test_deleting_the_resource_deletes_nothing(deployed, inbox, monkeypatch):
    url, received = inbox
    monkeypatch.setattr(schema, "migrate", lambda *_, **__: pytest.fail("touched the database"))
    call(request("Delete", url))

    assert [answer["Status"] for _, answer in received] == ["SUCCESS"]


def test_cloudformation_hears_of_failure_and_why(deployed, inbox, monkeypatch):
    url, received = inbox

    def fails(*_, **__):
        raise ValueError("column already exists " + "x" * 5000)

    monkeypatch.setattr(schema.run, "migrate", fails)
    call(request("Update", url))

    ((_, answer),) = received
    assert (answer["Status"], answer["Reason"][:33], len(answer["Reason"])) == ("FAILED", "ValueError: column already exists", 400)


def test_a_migration_that_does_not_come_back_is_reported_before_the_time_is_up(deployed, inbox, monkeypatch):
    url, received = inbox
    monkeypatch.setattr(schema, "_RESERVE_SECONDS", 1)
    monkeypatch.setattr(schema, "migrate", lambda *_, **__: time.sleep(2) or {"Revision": "0"})
    schema.provide(request("Update", url), deployed, seconds=1.5)

    assert [(answer["Status"], answer["Reason"]) for _, answer in received] == [("FAILED", "The migration took too long.")]


def test_an_answer_that_cannot_be_given_is_tried_again_and_then_raised(deployed, monkeypatch):
    slept = []
    monkeypatch.setattr(schema.time, "sleep", slept.append)
    with pytest.raises(OSError, match="refused"):
        call(request("Delete", "http://127.0.0.1:9/closed"))

    assert len(slept) == 3


def test_a_cluster_that_wakes_up_is_waited_for(deployed, monkeypatch):
    real, tries = run.migrate, []

    def waking(url, **more):
        tries.append(url)
        if len(tries) < 3:
            raise ConnectionRefusedError
        return real(url, **more)

    monkeypatch.setattr(schema.run, "migrate", waking)
    monkeypatch.setattr(schema.time, "sleep", lambda _: None)

    assert schema.migrate(deployed, seconds=60) == {"Revision": run.newest()}
    assert len(tries) == 3


def test_without_iam_the_roles_take_the_passwords_of_their_urls(deployed, cluster, monkeypatch, admin):
    parts = urlsplit(cluster.url("clientway", "clientway_app"))
    secret = 'it\'s 100% \\ "secret"'
    url = urlunsplit(parts._replace(netloc=f"clientway_app:it%27s%20100%25%20%5C%20%22secret%22@{parts.netloc.rpartition('@')[2]}"))
    monkeypatch.setenv("DATABASE_URL", url)
    settings.cache_clear()
    schema.migrate(admin, seconds=60)

    with superuser(cluster) as connection:
        stored = connection.scalar(text("select rolpassword from pg_authid where rolname = 'clientway_app'"))
    assert _opens(stored, secret)


def _opens(stored, password):
    """Whether a SCRAM verifier was made of this password (RFC 5803)."""
    import base64
    import hashlib
    import hmac

    parameters, keys = stored.removeprefix("SCRAM-SHA-256$").split("$")
    iterations, salt = parameters.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client_key).digest()).decode() == keys.split(":")[0]


def test_iam_is_tried_first_and_the_password_only_when_it_is_refused(monkeypatch):
    tried = []

    class Refused(pg8000.dbapi.DatabaseError):
        pass

    def connect(*, password, **_):
        tried.append(password)
        raise Refused({"C": "28P01"} if password == "token" else {"C": "3D000"})

    monkeypatch.setenv("DATABASE_IAM", "true")
    monkeypatch.setattr(administration, "iam_token", lambda _: "token")
    monkeypatch.setattr(administration, "tls", lambda _: True)
    monkeypatch.setattr(administration, "Connection", connect)
    url = "postgresql://clientway_admin:first%2Ftime@db.example/clientway"
    with pytest.raises(DatabaseError, match="3D000"):
        administration.engine(url).connect()
    assert tried == ["token", "first/time"]

    tried.clear()
    with pytest.raises(DatabaseError, match="28P01"):
        administration.engine(url.replace(":first%2Ftime", "")).connect()
    assert tried == ["token"]


def test_a_remote_database_without_authorities_is_refused(monkeypatch):
    monkeypatch.delenv("DATABASE_CA_FILE", raising=False)
    with pytest.raises(Exception, match="DATABASE_CA_FILE"):
        administration.engine("postgresql://a:b@db.example/clientway").connect()


def test_a_token_is_what_the_sdk_signs(monkeypatch):
    import boto3

    for name, value in (("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "a/b+c==")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: datetime(2026, 11, 21, 10, tzinfo=UTC))
    host = "c.cluster-x.eu-central-1.rds.amazonaws.com"
    ours = engines.iam_token(f"postgresql://clientway_app@{host}/clientway")
    # A session of its own: the default one has the credentials of whichever test made it.
    client = boto3.Session().client("rds", region_name="eu-central-1")
    sdk = client.generate_db_auth_token(DBHostname=host, Port=5432, DBUsername="clientway_app")

    assert ours == sdk
