"""The connection lost at every flight of every kind of request.

The answer is the right one or 503, what was asked for is there wholly or not at all, and the process goes on.
"""

from dataclasses import dataclass

import pytest
from sqlalchemy import text

from tests.chaos import asking
from tests.chaos.asking import KINDS, Ask, calling, difference, is_turned_away, state
from tests.fixtures import make_tenant
from tests.test_db import proxy as _proxy

proxy = _proxy
FAULTS = ("cut before", "cut after", "terminated")


@dataclass
class Clean:
    """A request of one kind as it goes when nothing breaks."""

    status: int
    effect: asking.Shape
    flights: int


def prepared(kind, call, proxy, *, warm):
    """The request, and the process as it is when it comes: with a connection that has worked before, or with none."""
    from clientway import engines

    proxy.heal()
    ask = KINDS[kind](call)
    if not warm:
        engines.engine("app").dispose()
    proxy.reset()
    return ask


def look_at(kind, tenant, proxy, admin_engine, *, warm):
    call = calling(tenant)
    ask = prepared(kind, call, proxy, warm=warm)
    before = state(admin_engine, tenant)
    answer = ask.of(call)
    assert answer.status < 300, answer.content
    return Clean(answer.status, difference(before, state(admin_engine, tenant)), proxy.flights)


def arm(proxy, fault, flight, engine, *, once):
    """Have it break at a flight, and unless `once` at every one behind it."""
    done = []

    def now(_data):
        if proxy.flights < flight or (once and done):
            return False
        done.append(proxy.flights)
        return True

    def terminate(data):
        if now(data):
            with engine.connect() as admin:
                admin.execute(
                    text(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                        " where application_name = 'clientway-app' and datname = current_database()"
                    )
                )
        return False

    if fault == "cut before":
        proxy.cut_before = now
    elif fault == "cut after":
        proxy.cut_after = now
    else:
        proxy.cut_before = terminate


def judge(ask: Ask, answer, effect: asking.Shape, clean: Clean, *, forgiven: bool):
    """What may come of a request that something broke under; returns what it came to."""
    if answer.status == clean.status:
        assert effect == clean.effect
        return "answered"
    assert is_turned_away(answer), (answer.status, answer.content)
    # One lost connection that had worked before is the server's affair, not the caller's.
    assert not (forgiven and ask.repeatable), answer.content
    if answer.json["code"] == asking.UNAVAILABLE:
        assert effect == {}
        return "503, nothing done"
    assert ask.method != "GET"
    assert effect in ({}, clean.effect)
    return "503, outcome unknown: done" if effect else "503, outcome unknown: nothing done"


def again(ask: Ask, call, clean: Clean, effect, before, tenant, admin_engine):
    """The same request on the same process, now that nothing breaks: what is missing is done, and nothing twice."""
    done = effect != {}
    if done and not ask.repeatable and "if-match" not in ask.headers:
        assert call("GET", "/api/organizations").status == 200
        return
    answer = ask.of(call)
    if done and "if-match" in ask.headers:
        # The version has moved on, which it does only by this change: nobody else is here.
        assert answer.status == (412 if ask.method == "PATCH" else 404)
    else:
        assert answer.status == clean.status, answer.content
    assert difference(before, state(admin_engine, tenant)) == clean.effect
    if "idempotency-key" in ask.headers:
        replay = ask.of(call)
        assert (replay.status, replay.content) == (clean.status, answer.content)
        assert replay.headers["idempotent-replayed"] == "true"
        assert answer.headers.get("idempotent-replayed") == ("true" if done else None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_lost_at_every_flight(kind, proxy, admin_engine, database_url, size, draw, tally):
    rounds = [warm for warm in (True, False) for _ in range(size(short=1, long=8))]
    for warm in rounds:
        tenant = make_tenant(admin_engine)
        call = calling(tenant)
        look_at(kind, tenant, proxy, admin_engine, warm=warm)
        clean = look_at(kind, tenant, proxy, admin_engine, warm=warm)
        cases = [(fault, flight, once) for fault in FAULTS for flight in range(1, clean.flights + 1) for once in (True, False)]
        draw.shuffle(cases)
        for fault, flight, once in cases[: size(short=3, long=len(cases))]:
            ask = prepared(kind, call, proxy, warm=warm)
            before = state(admin_engine, tenant)
            arm(proxy, fault, flight, admin_engine, once=once)
            print(kind, "warm" if warm else "cold", fault, flight, "once" if once else "always")
            answer = ask.of(call)
            proxy.heal()
            effect = difference(before, state(admin_engine, tenant))
            tally[judge(ask, answer, effect, clean, forgiven=warm and once)] += 1
            again(ask, call, clean, effect, before, tenant, admin_engine)
