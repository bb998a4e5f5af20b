"""A line that stays open and says nothing: an answer in time, and nothing held on the server by nobody."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from clientway import engines
from clientway.config import TIMEOUTS
from tests.chaos import lanes
from tests.chaos.asking import KINDS, calling, difference, is_turned_away, state
from tests.chaos.test_every_flight import look_at, prepared
from tests.fixtures import make_tenant
from tests.served import eventually
from tests.test_db import proxy as _proxy

proxy = _proxy
SLOW = 3.7
"""Seconds that a flight takes on a line that is slow and not silent: each is in time, and all together are not."""
HELD = """
select count(*) from pg_stat_activity
 where application_name = 'clientway-app' and datname = current_database() and xact_start is not null
"""


@pytest.fixture
def impatient(monkeypatch, admin_engine, database):
    """Both sides give up sooner than they do: how, and not when, is what is looked at."""
    monkeypatch.setitem(engines._FLIGHT_SECONDS, "app", 0.5)
    with admin_engine.connect() as admin:
        admin.execute(text(f"alter role clientway_app in database {database} set idle_in_transaction_session_timeout = '1s'"))
    yield
    with admin_engine.connect() as admin:
        admin.execute(text(f"alter role clientway_app in database {database} reset idle_in_transaction_session_timeout"))


def hush(proxy, fault, flight, *, once):
    """Have the line fall silent at a flight, and unless `once` at every one behind it."""
    done = []

    def now(_data):
        if proxy.flights < flight or (once and done):
            return False
        done.append(proxy.flights)
        return True

    if fault == "slow":
        proxy.delay = SLOW
    elif fault == "before":
        proxy.silence_before = now
    else:
        proxy.silence_after = now


def is_told_to_wait(answer):
    """What a caller hears while the transaction of a silent line holds what they want."""
    return answer.status == 409 and answer.json["code"] in {"idempotency_in_flight", "locked"} and answer.headers["retry-after"] == "1"


def patiently(ask, call):
    """Ask as often as one is told to wait."""
    ends = time.monotonic() + 20
    while is_told_to_wait(answer := ask.of(call)) and time.monotonic() < ends:
        time.sleep(0.2)
    return answer


def judge(ask, answer, effect, clean):
    if answer.status == clean.status:
        assert effect == clean.effect
        return "answered"
    assert effect in ({}, clean.effect)
    if is_told_to_wait(answer):
        assert effect == {}
        return "409, to come again"
    assert is_turned_away(answer), (answer.status, answer.content)
    assert effect == {} or answer.json["code"] == "commit_unknown"
    return "503, done" if effect else "503, nothing done"


def finish(ask, call, clean, effect):
    """Ask again until it is settled."""
    if effect and not ask.repeatable and "if-match" not in ask.headers:
        return
    expected = {"PATCH": 412, "DELETE": 404}[ask.method] if effect and "if-match" in ask.headers else clean.status
    answer = patiently(ask, call)
    assert answer.status == expected, answer.content


@pytest.mark.parametrize("kind", ["read", "create with a key", "change", "move a stage", "payment that moves a stage"])
def test_a_line_that_falls_silent_at_any_flight(kind, impatient, proxy, admin_engine, database_url, size, draw, tally):
    tenant = make_tenant(admin_engine)
    call = calling(tenant)
    look_at(kind, tenant, proxy, admin_engine, warm=True)
    clean = look_at(kind, tenant, proxy, admin_engine, warm=True)
    cases = [(fault, flight, once) for fault in ("before", "after") for flight in range(1, clean.flights + 1) for once in (True, False)]
    for fault, flight, once in draw.sample(cases, min(len(cases), size(short=1, long=20))):
        ask = prepared(kind, call, proxy, warm=True)
        before = state(admin_engine, tenant)
        hush(proxy, fault, flight, once=once)
        print(kind, fault, flight, "once" if once else "always")
        began = time.monotonic()
        answer = ask.of(call)
        took = time.monotonic() - began
        proxy.heal()
        # Twice half a second, and two seconds for what the silent line's own transaction holds; a busy machine takes its time,
        # but who had the real patience would take that.
        assert took < 3 + TIMEOUTS["flight"] / 2
        effect = difference(before, state(admin_engine, tenant))
        tally[judge(ask, answer, effect, clean)] += 1
        finish(ask, call, clean, effect)
        assert difference(before, state(admin_engine, tenant)) == clean.effect
        # Without anybody's doing: the server ends what says nothing for as long as it was told.
        with admin_engine.connect() as admin:
            eventually(lambda connection=admin: connection.execute(text(HELD)).scalar() == 0, seconds=8)


def test_the_answer_comes_in_time(admin_engine, database_url, size, draw, tally):
    """Real patience, and processes that go on afterwards."""
    # Drawn here: threads would draw in any order.
    kinds = [draw.choice(list(KINDS)) for _ in range(size(short=1, long=60))]
    places = [(kind, draw.choice(["before", "after"]), draw.randint(1, 2), bool(number % 2)) for number, kind in enumerate(kinds)]
    # Six flights, which would take longer than a request may.
    places += [("book a job for a new client", "slow", 1, False)] * size(short=0, long=4)
    tenant = make_tenant(admin_engine)

    def one(place):
        kind, fault, flight, always = place
        with lanes.behind_a_proxy(database_url) as (proxy, url), lanes.workers(url, 1) as gateway:
            call = lanes.calling(gateway, tenant.admin)
            ask = KINDS[kind](call)
            assert call("GET", "/api/organizations?limit=1").status == 200
            proxy.reset()
            hush(proxy, fault, flight, once=not always)
            began = time.monotonic()
            answer = ask.of(call)
            took = time.monotonic() - began
            proxy.heal()
            assert answer.status < 300 or is_turned_away(answer) or is_told_to_wait(answer), answer.content
            # What is read comes with the first flight, and is right whether or not anybody hears that the reading is over.
            if always and not (ask.method == "GET" and flight > 1):
                assert is_turned_away(answer), answer.content
            # Clients of one name wait for each other's: of several slow ones some are told to come again.
            if fault == "slow":
                assert is_turned_away(answer) or is_told_to_wait(answer), answer.content
            after = time.monotonic()
            assert call("GET", "/api/organizations?limit=1").status == 200
            assert time.monotonic() - after < TIMEOUTS["flight"] / 2
            return took

    with ThreadPoolExecutor(10) as pool:
        took = list(pool.map(one, places))

    tally["answers"] += len(took)
    tally["slowest, milliseconds"] += round(max(took) * 1000)
    assert TIMEOUTS["flight"] < max(took) < TIMEOUTS["handler"] - 3
    with admin_engine.connect() as admin:
        eventually(lambda: admin.execute(text(HELD)).scalar() == 0, seconds=12)
