"""PostgreSQL killed with -9 while callers are at work: what was acknowledged is there, the rest wholly or not at all."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos import journeys, lanes
from tests.chaos.clusters import cluster
from tests.chaos.journeys import STEPS, Journey

CALLERS = 4


@pytest.fixture(scope="module")
def durable():
    with cluster() as running:
        yield running


def at_work(gateway, ready: list[Journey], stop: threading.Event) -> list[Journey]:
    """A caller who makes one journey after another until the database is gone; those that were begun."""
    begun = []
    while ready and not stop.is_set():
        one = ready.pop()
        begun.append(one)
        call = lanes.calling(gateway, one.tenant.admin)
        while one.done < STEPS:
            if not one.walk(call):
                return begun
    return begun


def test_what_was_acknowledged_outlives_a_kill(durable, size, draw, tally):
    ready = [[] for _ in range(CALLERS)]
    with lanes.workers(durable.url(), CALLERS) as gateway, ThreadPoolExecutor(CALLERS) as pool:
        expected = journeys.expected(durable.admin, lambda token: lanes.calling(gateway, token))
        for number in range(size(short=1, long=200)):
            what, delay = draw.choice(["postmaster", "processes", "backend"]), draw.uniform(0.02, 0.3)
            print(number, what, round(delay, 3))
            for waiting in ready:
                waiting += [journeys.start(durable.admin) for _ in range(size(short=4, long=8) - len(waiting))]
            stop = threading.Event()
            callers = [pool.submit(at_work, gateway, waiting, stop) for waiting in ready]
            time.sleep(delay)
            durable.kill(what)
            stop.set()
            begun = [one for caller in callers for one in caller.result(25)]
            durable.start()

            found = journeys.traces(durable.admin, begun)
            outcomes = [one.check(found[one.tenant.id], expected) for one in begun]
            tally["kills"] += 1
            tally["kills that met a request under way"] += any(outcome != "nothing open" for outcome in outcomes)
            tally["acknowledged steps, all there"] += sum(one.done for one in begun)
            for outcome in ("done", "not done"):
                tally[f"steps without an answer: {outcome}"] += outcomes.count(outcome)
            go_on(durable, gateway, begun, expected)


def go_on(durable, gateway, begun, expected):
    """All of them get to their end, in the processes that lived through it."""
    for one in begun:
        call, ends = lanes.calling(gateway, one.tenant.admin), time.monotonic() + 10
        while one.done < STEPS:
            if not one.walk(call):
                assert time.monotonic() < ends, one
                time.sleep(0.1)
    found = journeys.traces(durable.admin, begun)
    assert {found[one.tenant.id] for one in begun} <= {expected[STEPS]}
