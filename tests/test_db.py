"""The pipelined connection: flights, errors, and what a lost connection looks like."""

import re
import socket
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import StatementError

from clientway import access, db, effects, pipeline, tokens
from clientway.errors import Forbidden, Unauthorized
from tests.fixtures import forget_engines
from tests.proxy import Proxy

# At the beginning of a statement: behind a message's header or a semicolon. (`update … set` is another thing.)
PINNING = re.compile(
    rb"(?:[\x00;]\s*)(?:set|reset|discard|listen|declare|prepare|load)\s|pg_advisory_lock|nextval|(?<!perform )set_config", re.IGNORECASE
)


@pytest.fixture
def proxy(database_url, monkeypatch):
    """The database behind a proxy; the module's engines are made anew for it."""
    parts = urlsplit(database_url)
    counting = Proxy((parts.hostname, parts.port))
    port = counting.start()
    for name in ("DATABASE_URL", "JOB_DATABASE_URL"):
        monkeypatch.setenv(name, database_url.replace(f":{parts.port}/", f":{port}/"))
    forget_engines()
    yield counting
    forget_engines()
    counting.stop()


def enter(tenant, roles=access.ADMINS):
    return db.begin(db.Credential(tokens.digest(tenant.admin), roles))


def warm(tenant):
    tx = enter(tenant)
    tx.execute(text("select 1"))
    db.commit(tx)


def test_a_statement_is_read_once_however_often_it_is_sent(tenant):
    warm(tenant)
    for number in range(3):
        with db.job_transaction(tenant.id) as tx:
            assert tx.execute(text("select cast(:n as int), '%', cast(:word as text)"), {"n": number, "word": "%s $1"}).one() == (
                number,
                "%",
                "%s $1",
            )
            if number == 0:
                read = pipeline._numbered.cache_info().misses

    assert pipeline._numbered.cache_info().misses == read


def test_the_end_of_a_long_statement_is_not_kept_back(tenant):
    with db.job_transaction(tenant.id) as tx:
        assert tx._driver._usock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("values", [["a", "", "NULL", 'q"', "back\\slash", "{,}", "ñ 漢", " "], [], ["a", None], [1, 2], [uuid4()]])
def test_a_list_arrives_as_it_was_sent(tenant, values):
    kind = {int: "integer", UUID: "uuid"}.get(type(next(iter(values), "")), "text")
    with db.job_transaction(tenant.id) as tx:
        assert tx.scalar(text(f"select cast(:values as {kind}[])"), {"values": values}) == values


def test_a_transaction_of_one_statement_takes_two_flights(proxy, tenant):
    warm(tenant)
    proxy.reset()

    tx = enter(tenant)
    assert tx.execute(text("select cast(:n as int)"), {"n": 1}).scalar() == 1
    assert tx.tenant_id == tenant.id
    db.commit(tx)

    assert proxy.flights == 2


def test_three_statements_take_four_flights(proxy, tenant):
    warm(tenant)
    proxy.reset()

    tx = enter(tenant)
    for n in range(3):
        tx.execute(text("select cast(:n as int)"), {"n": n})
    db.commit(tx)

    assert proxy.flights == 4


def test_a_large_statement_leaves_at_once(tenant, monkeypatch):
    """In parts, the server would answer the first one, and what is counted would be a matter of chance."""
    warm(tenant)
    written, write = [], socket.SocketIO.write
    monkeypatch.setattr(socket.SocketIO, "write", lambda stream, data: written.append(len(data)) or write(stream, data))
    tx = enter(tenant)
    assert tx.scalar(text("select length(cast(:word as text))"), {"word": "x" * 30_000}) == 30_000
    db.rollback(tx)

    first, _rollback = written
    assert first > 30_000


def test_the_last_statement_and_the_commit_share_a_flight(proxy, tenant, admin_engine):
    warm(tenant)
    proxy.reset()

    for _ in range(2):
        tx = enter(tenant)
        tx.execute(text("select cast(:n as int)"), {"n": 1})
        effects.audit(tx, "written", "test", None)
        db.commit(tx, effects.pending(tx))

    assert (proxy.flights, audited(admin_engine, tenant)) == (4, 2)


def test_a_last_statement_alone_is_begun_run_and_committed_in_one_flight(proxy, tenant, admin_engine):
    warm(tenant)
    proxy.reset()

    tx = enter(tenant)
    tx.effects["audit"].append({"id": uuid4(), "actor_type": "job", "action": "x", "object_type": "x", "changes": {}, "at": tx.now})
    db.commit(tx, effects.pending(tx))

    assert (proxy.flights, audited(admin_engine, tenant)) == (1, 1)


def test_a_last_statement_that_fails_commits_nothing(proxy, tenant, admin_engine):
    tx = enter(tenant)
    effects.audit(tx, "written", "test", None)
    effects.flush(tx)
    with pytest.raises(Exception, match="division by zero"):
        db.commit(tx, (text("select 1 / cast(:n as int)"), {"n": 0}))

    assert audited(admin_engine, tenant) == 0
    warm(tenant)


def test_what_nobody_hears_of_goes_along_with_the_next_statement(proxy, tenant, admin_engine):
    warm(tenant)
    proxy.reset()

    tx = enter(tenant)
    for number in range(3):
        effects.audit(tx, f"written {number}", "test", None)
        tx.later(*effects.pending(tx))
    assert tx.scalar(text("select count(*) from audit_log where tenant_id = app.tenant() and object_type = :t"), {"t": "test"}) == 3
    assert proxy.flights == 2  # the first one told who acts
    tx.later(text("select 1"))
    db.commit(tx)

    assert (proxy.flights, audited(admin_engine, tenant)) == (3, 3)
    warm(tenant)


def test_what_nobody_hears_of_goes_along_with_the_last_statement_and_the_commit(proxy, tenant, admin_engine):
    warm(tenant)
    proxy.reset()

    tx = enter(tenant)
    tx.later(text("select cast(:n as int)"), {"n": 1})
    tx.effects["audit"].append({"id": uuid4(), "actor_type": "job", "action": "x", "object_type": "x", "changes": {}, "at": tx.now})
    db.commit(tx, effects.pending(tx))

    assert (proxy.flights, audited(admin_engine, tenant)) == (1, 1)
    warm(tenant)


@pytest.mark.parametrize("then", [None, (text("select cast(:n as int)"), {"n": 1})], ids=["commit", "a last statement"])
def test_what_nobody_heard_fail_commits_nothing(tenant, admin_engine, then):
    tx = enter(tenant)
    effects.audit(tx, "written", "test", None)
    effects.flush(tx)
    tx.later(text("select 1 / cast(:n as int)"), {"n": 0})
    with pytest.raises(Exception, match="division by zero"):
        db.commit(tx, then)

    assert audited(admin_engine, tenant) == 0
    warm(tenant)


def test_what_nobody_heard_fail_is_raised_by_the_next_statement(tenant):
    tx = enter(tenant)
    tx.later(text("select 1 / cast(:n as int)"), {"n": 0})
    with pytest.raises(Exception, match="division by zero"):
        tx.execute(text("select cast(:n as int)"), {"n": 1})
    db.rollback(tx)
    warm(tenant)


def test_what_never_came_to_wait_keeps_nothing_else(tenant, admin_engine):
    tx = enter(tenant)
    effects.audit(tx, "written", "test", None)
    effects.flush(tx)
    with pytest.raises(StatementError, match="bind parameter"):
        tx.later(text("select cast(:n as int)"), {"m": 1})
    assert tx.scalar(text("select cast(:n as int)"), {"n": 7}) == 7
    db.rollback(tx)

    assert audited(admin_engine, tenant) == 0
    warm(tenant)


def test_what_waits_is_forgotten_with_the_transaction(proxy, tenant, admin_engine):
    warm(tenant)
    tx = enter(tenant)
    effects.audit(tx, "written", "test", None)
    proxy.reset()
    tx.later(*effects.pending(tx))
    db.rollback(tx)

    assert (proxy.flights, audited(admin_engine, tenant)) == (1, 0)  # the rollback of what told who acts
    warm(tenant)


def audited(admin_engine, tenant):
    with admin_engine.connect() as admin:
        return admin.execute(text("select count(*) from audit_log where tenant_id = :t"), {"t": tenant.id}).scalar()


def test_nothing_on_the_wire_would_pin_a_proxied_connection(proxy, tenant):
    tx = enter(tenant)
    effects.audit(tx, "test", "test", None)
    effects.flush(tx)
    db.commit(tx)

    assert PINNING.findall(b"".join(proxy.sent)) == []


def test_an_unused_transaction_sends_nothing(proxy, tenant):
    warm(tenant)
    proxy.reset()

    db.rollback(enter(tenant))

    assert proxy.flights == 0


def test_a_wrong_role_is_told_apart_from_a_wrong_credential(tenant):
    for roles, token, refusal in ((("portal",), tenant.admin, Forbidden), (access.ADMINS, tokens.new("key"), Unauthorized)):
        tx = db.begin(db.Credential(tokens.digest(token), roles))
        with pytest.raises(refusal):
            tx.execute(text("select cast(:n as int)"), {"n": 1})
        db.rollback(tx)


def test_a_connection_goes_on_after_an_error(tenant):
    for _ in range(3):
        tx = enter(tenant)
        with pytest.raises(Exception, match="division by zero"):
            tx.execute(text("select 1 / cast(:n as int)"), {"n": 0})
        db.rollback(tx)
        warm(tenant)


def test_values_come_back_as_they_went(tx):
    given = {"u": uuid4(), "t": datetime(2026, 3, 1, 12, 30, 1, 5, UTC), "j": '{"a": [1, null]}', "x": None, "s": "naïve ✓ 'quoted' %s :x"}
    row = tx.execute(
        text("select cast(:u as uuid), cast(:t as timestamptz), cast(:j as jsonb), cast(:x as text), cast(:s as text), array['a', 'b']"),
        given,
    ).one()

    assert tuple(row) == (given["u"], given["t"], {"a": [1, None]}, None, given["s"], ["a", "b"])


def test_a_terminated_backend_is_unavailable_and_the_next_transaction_works(tenant, admin_engine):
    tx = enter(tenant)
    pid = tx.execute(text("select pg_backend_pid()")).scalar()
    with admin_engine.connect() as admin:
        admin.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
    with pytest.raises(db.Unavailable):
        tx.execute(text("select cast(:n as int)"), {"n": 1})
    db.rollback(tx)

    warm(tenant)


@pytest.mark.parametrize("together", [True, False])
def test_a_lost_answer_to_commit_is_unknown(proxy, tenant, admin_engine, together):
    proxy.cut_after = lambda data: b"commit" in data
    tx = enter(tenant)
    effects.audit(tx, "unknown outcome", "test", None)
    if not together:
        effects.flush(tx)

    with pytest.raises(db.CommitUnknown) as unknown:
        db.commit(tx, effects.pending(tx))

    assert unknown.value.sent_commit
    assert audited(admin_engine, tenant) == 1


def test_a_stale_connection_is_retried_once_by_the_edge(tenant, admin_engine, invoke):
    invoke("operations/healthz", token=None)
    with admin_engine.connect() as admin:
        admin.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'clientway-app' and datname = current_database()"
            )
        )

    assert invoke("operations/healthz", token=None).status == 200
