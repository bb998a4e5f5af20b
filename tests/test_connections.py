"""Connections that are not what they were: closed in between, half read, out of time, or none to be had."""

import gc
import socket
import ssl
import struct
import threading
import time
from uuid import uuid4

import pg8000.dbapi
import pytest
from sqlalchemy import text

from clientway import access, administration, config, db, engines, tokens
from clientway.pipeline import Connection
from tests.routes import send
from tests.test_db import proxy as _proxy

proxy = _proxy


@pytest.fixture(autouse=True)
def _one_connection(database_url):
    """Those that other tests have left are not in the way."""
    engines.engine("app").dispose()
    engines.engine("job").dispose()


def backend(tenant):
    """The server's process that a transaction is with."""
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    pid = tx.scalar(text("select pg_backend_pid()"))
    db.commit(tx)
    return pid


def test_roles_let_nobody_be_idle_for_longer_than_the_code_believes(admin_engine):
    statement = text("select rolname, unnest(rolconfig) from pg_roles where rolname in ('clientway_app', 'clientway_job')")
    with admin_engine.connect() as admin:
        given = {(role, *setting.split("=", 1)) for role, setting in admin.execute(statement)}

    for role in ("clientway_app", "clientway_job"):
        assert (role, "idle_session_timeout", f"{config.IDLE_SECONDS:.0f}s") in given
    assert ("clientway_app", "statement_timeout", f"{config.TIMEOUTS['statement']:.0f}s") in given
    assert ("clientway_app", "lock_timeout", f"{config.TIMEOUTS['lock']:.0f}s") in given
    assert list(config.TIMEOUTS.values()) == sorted(config.TIMEOUTS.values())


@pytest.mark.parametrize("job", [False, True])
def test_a_connection_that_was_closed_while_idle_is_replaced_before_it_is_used(tenant, admin_engine, job):
    # A job has nobody who would run it once more.
    entry = db.Job(tenant.id) if job else db.Credential(tokens.digest(tenant.admin), access.ADMINS)
    pids = []
    for _ in range(2):
        tx = db.begin(entry)
        pids.append(tx.scalar(text("select pg_backend_pid()")))
        db.commit(tx)
        with admin_engine.connect() as admin:
            admin.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pids[-1]})

    assert pids[0] != pids[1]


def test_a_connection_that_the_server_will_have_closed_is_replaced_though_nothing_was_heard(tenant, monkeypatch):
    first = backend(tenant)
    assert backend(tenant) == first

    later = time.time() + config.IDLE_SECONDS
    with monkeypatch.context() as frozen:
        frozen.setattr(engines.time, "time", lambda: later)
        second = backend(tenant)

    assert second != first


def test_a_statement_that_was_half_said_is_not_finished_by_the_next(tenant):
    """What cannot be encoded is found out when the first half is on its way."""
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    with pytest.raises(UnicodeEncodeError):
        tx.execute(text("select cast(:word as text)"), {"word": "\ud800"})
    with pytest.raises(db.Unavailable):
        tx.execute(text("select cast(:word as text)"), {"word": "none"})
    db.rollback(tx)

    for word in ("one", "two"):
        tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
        assert tx.execute(text("select cast(:word as text)"), {"word": word}).scalar() == word
        db.commit(tx)


def test_a_commit_that_was_ordered_and_never_sent_is_not_sent_with_another_transaction(tenant, admin_engine):
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    with pytest.raises(Exception, match="bind parameter"):
        db.commit(tx, (text("select cast(:missing as int)"), {}))

    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    name = uuid4().hex
    tx.execute(text("update tenants set name = :name where tenant_id = app.tenant()"), {"name": name})
    db.rollback(tx)
    with admin_engine.connect() as admin:
        assert admin.execute(text("select count(*) from tenants where name = :name"), {"name": name}).scalar() == 0


def test_a_request_whose_time_is_up_says_no_more_than_goodbye(proxy, tenant):
    backend(tenant)
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), until=time.monotonic() + 20)
    tx.execute(text("select cast(:n as int)"), {"n": 1})
    # However long the machine took for that: now it is up.
    tx._driver.within(time.monotonic())
    proxy.reset()

    with pytest.raises(db.Unavailable):
        tx.execute(text("select cast(:n as int)"), {"n": 1})
    db.rollback(tx)

    assert b"".join(proxy.sent) in {b"", b"X\x00\x00\x00\x04"}


def test_no_statement_outlasts_its_request(tenant):
    began = time.monotonic()
    tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), until=began + 0.3)
    with pytest.raises(db.Unavailable):
        tx.execute(text("select pg_sleep(cast(:n as int))"), {"n": 3})
    db.rollback(tx)

    assert time.monotonic() - began < 2.5


def test_what_finds_no_connection_is_unavailable(tenant, monkeypatch):
    monkeypatch.setattr(engines.engine("app").pool, "_timeout", 0.05)
    held = [db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS)) for _ in range(4)]

    with pytest.raises(db.Unavailable):
        db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))

    for tx in held:
        db.rollback(tx)


class Lost:
    """The answer to the first COMMIT gets lost."""

    def __init__(self, proxy):
        self.commits, self._proxy = 0, proxy
        proxy.cut_after = self

    def __call__(self, data):
        self.commits += b"commit" in data
        return b"commit" in data and self.commits == 1


def test_the_kept_answer_stands_in_for_a_commit_whose_answer_was_lost(proxy, tenant):
    backend(tenant)
    name, lost = uuid4().hex, Lost(proxy)

    made = send("POST", "/api/organizations", {"legal_name": name}, token=tenant.admin, headers={"idempotency-key": name})

    assert (made.status, made.headers.get("idempotent-replayed"), lost.commits) == (201, "true", 2)
    assert made.headers["etag"] == '"1"'
    assert len(send("GET", f"/api/organizations?q={name}", token=tenant.admin).json["data"]) == 1


def test_what_was_read_is_right_though_the_commit_was_lost(proxy, tenant):
    backend(tenant)
    lost = Lost(proxy)

    assert send("GET", "/api/organizations", token=tenant.admin).status == 200
    assert lost.commits == 1
    assert send("GET", "/api/organizations", token=tenant.admin).status == 200


def test_without_a_key_an_unknown_outcome_is_said_to_be_one(proxy, tenant):
    backend(tenant)
    name, lost = uuid4().hex, Lost(proxy)

    answer = send("POST", "/api/organizations", {"legal_name": name}, token=tenant.admin)

    assert (answer.status, answer.json["code"], answer.headers["retry-after"], lost.commits) == (503, "commit_unknown", "2", 1)
    assert len(send("GET", f"/api/organizations?q={name}", token=tenant.admin).json["data"]) == 1


def test_an_unknown_outcome_stays_unknown_when_the_database_is_gone_the_next_moment(proxy, tenant):
    """It was done, and the second attempt found nobody to ask: that is no ground to say that nothing was done."""
    backend(tenant)
    name, lost = uuid4().hex, Lost(proxy)
    proxy.cut_before = lambda _data: lost.commits > 0

    answer = send("POST", "/api/organizations", {"legal_name": name}, token=tenant.admin, headers={"idempotency-key": name})
    proxy.heal()

    assert (answer.status, answer.json["code"], answer.headers["retry-after"]) == (503, "commit_unknown", "2")
    again = send("POST", "/api/organizations", {"legal_name": name}, token=tenant.admin, headers={"idempotency-key": name})
    assert (again.status, again.headers["idempotent-replayed"]) == (201, "true")


def test_a_key_whose_first_request_is_still_committing_is_in_flight(tenant, admin_engine):
    """The other side of running once more: the first COMMIT may be under way yet."""
    key = uuid4().hex
    holder = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
    statement = text(
        "insert into idempotency_keys (principal, method, route, key, fingerprint)"
        " values (current_setting('app.principal', true), 'POST', '/api/organizations', :key, '')"
    )
    holder.execute(statement, {"key": key})
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(
            send("POST", "/api/organizations", {"legal_name": "x"}, token=tenant.admin, headers={"idempotency-key": key})
        )
    )
    thread.start()
    thread.join(10)
    db.rollback(holder)

    assert (answers[0].status, answers[0].json["code"], answers[0].headers["retry-after"]) == (409, "idempotency_in_flight", "1")


def test_a_broken_connection_gives_its_socket_back_at_once(tenant, admin_engine):
    """And not at some garbage collection: on a busy server they would pile up."""
    gc.disable()
    try:
        tx = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS))
        line = tx._driver._usock
        with admin_engine.connect() as admin:
            admin.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": tx.scalar(text("select pg_backend_pid()"))})
        with pytest.raises(db.Unavailable):
            tx.execute(text("select cast(:n as int)"), {"n": 1})
        db.rollback(tx)

        assert line.fileno() == -1
    finally:
        gc.enable()


@pytest.fixture
def lines(monkeypatch):
    """The sockets of connections that were tried."""
    made, real = [], socket.create_connection

    def connect(*how):
        made.append(real(*how))
        return made[-1]

    monkeypatch.setattr(socket, "create_connection", connect)
    return made


@pytest.mark.parametrize("secured", [False, True])
def test_nor_does_a_connection_keep_one_that_breaks_at_the_first_word(lines, monkeypatch, secured):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connect = socket.create_connection

        def hung_up_on(*how):
            line = connect(*how)
            server, _ = listener.accept()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            server.close()
            return line

        monkeypatch.setattr(socket, "create_connection", hung_up_on)
        context = ssl.create_default_context() if secured else False
        with pytest.raises((pg8000.dbapi.InterfaceError, OSError)):
            Connection(host="127.0.0.1", port=listener.getsockname()[1], timeout=5, user="nobody", ssl_context=context)

    assert [line.fileno() for line in lines] == [-1]


def test_nor_one_to_a_server_that_is_too_old(lines, admin_url, monkeypatch):
    monkeypatch.setattr(engines, "PATCHED", {99: 0, **dict.fromkeys(range(14, 99), 990_000)})
    monkeypatch.setattr(engines, "is_loopback", lambda _url: False)
    monkeypatch.setattr(administration, "tls", lambda _url: False)
    with pytest.raises(RuntimeError, match="upgrade the server"):
        administration.engine(admin_url).connect()

    assert [line.fileno() for line in lines] == [-1]
