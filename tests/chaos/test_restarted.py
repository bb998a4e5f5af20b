"""The database stopped, killed and started again under the running system, with callers at work all the while."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from clientway import administration
from clientway.local import postgres
from tests.chaos import journeys
from tests.chaos.clusters import Cluster
from tests.chaos.conftest import LONG
from tests.chaos.journeys import STEPS, Journey
from tests.served import Served, eventually, served

CALLERS = 8


def database_of(stack: Served) -> Cluster:
    """What is underneath a running system."""
    data = stack.folder / ".clientway" / "postgres"
    server = postgres.start(data)
    return Cluster(data, server, administration.engine(server.url("clientway"), isolation_level="AUTOCOMMIT"))


def calling(stack: Served, token: str, answers: list | None = None):
    """Over HTTP; every answer is kept with the moments it was asked for and came."""

    def call(*what, **how):
        asked = time.monotonic()
        answer = stack.call(*what, token=token, **how)
        if answers is not None:
            answers.append((asked, time.monotonic(), answer))
        return answer

    return call


def at_work(stack: Served, ready: list[Journey], stop: threading.Event, answers: list) -> list[Journey]:
    """A caller who comes again when turned away; the journeys that were begun."""
    begun = []
    while not stop.is_set() and ready:
        one = ready.pop()
        begun.append(one)
        call = calling(stack, one.tenant.admin, answers)
        while one.done < STEPS and not stop.is_set():
            if not one.walk(call):
                # Sooner than told, to see more of it.
                time.sleep(0.1)
    return begun


def test_the_system_outlives_its_database(size, draw, tally):
    with served(CLIENTWAY_WORKERS="4") as stack, ThreadPoolExecutor(CALLERS) as pool:
        below = database_of(stack)
        expected = journeys.expected(below.admin, lambda token: calling(stack, token))
        process, ready = stack.process, [[] for _ in range(CALLERS)]
        for number in range(size(short=1, long=20)):
            how, calm, down = draw.choice(["stop", "postmaster", "processes"]), draw.uniform(0.2, 0.6), draw.uniform(0.5, 2)
            print(number, how, round(calm, 3), round(down, 3))
            for waiting in ready:
                waiting += [journeys.start(below.admin) for _ in range(size(short=4, long=8) - len(waiting))]
            stop, answers = threading.Event(), []
            callers = [pool.submit(at_work, stack, waiting, stop, answers) for waiting in ready]
            time.sleep(calm)
            if how == "stop":
                below.stop()
            else:
                below.kill(how)
            gone = time.monotonic()
            time.sleep(down)
            below.start()
            back = time.monotonic()
            well = eventually(lambda since=back - 0.5, heard=answers: [at for _, at, one in list(heard) if one.status < 300 and at > since])
            time.sleep(max(0, back + 1 - time.monotonic()))
            stop.set()
            begun = [one for caller in callers for one in caller.result(30)]

            refused = [at for _, at, answer in answers if answer.status == 503]
            assert refused, "nobody noticed"
            # Not who had asked before: their answer may have been on its way, on a busy machine for long.
            while_away = [at for asked, at, answer in answers if answer.status < 300 and gone + 0.2 < asked and at < gone + down]
            assert while_away == []
            # How soon is a matter of the machine too, which may be busy with other tests in the short run.
            assert not LONG or min(well) - back < 1
            found = journeys.traces(below.admin, begun)
            for one in begun:
                one.check(found[one.tenant.id], expected)
            tally["restarts"] += 1
            tally["answers"] += len(answers) - len(refused)
            tally["turned away"] += len(refused)
            tally["acknowledged steps, all there"] += sum(one.done for one in begun)
            for one in begun:
                call = calling(stack, one.tenant.admin)
                while one.done < STEPS:
                    assert one.walk(call), one
            assert set(journeys.traces(below.admin, begun).values()) == {expected[STEPS]}
        assert stack.process is process
        assert process.poll() is None
