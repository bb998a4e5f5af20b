"""Worker processes: one invocation at a time, isolation, replacement, and no orphans."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clientway.local.template import Function
from clientway.local.workers import FunctionError, Pool, TimedOutError, WorkerDiedError

HANDLERS = """
import os, time

running = 0

def echo(event, context):
    return {"pid": os.getpid(), "own": os.environ.get("OWN"), "event": event, "name": context.function_name}

def slow(event, context):
    global running
    running += 1
    try:
        time.sleep(event["seconds"])
        return running
    finally:
        running -= 1

def stuck(event, context):
    time.sleep(30)

def fail(event, context):
    raise LookupError("nothing there")

def die(event, context):
    os._exit(3)

def unserialisable(event, context):
    return {1, 2}
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "sample_handlers.py").write_text(HANDLERS)
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture
def pool(environment: dict[str, str]) -> Iterator[Pool]:
    # The time that a cold worker takes to start is the function's.
    own = Function("Short", "sample_handlers.stuck", 1, {})
    named = Function("Echo", "sample_handlers.echo", 5, {})
    with Pool(environment, 2, {own.handler: (own, {}), named.handler: (named, {"OWN": "yes"})}) as workers:
        yield workers


def test_a_handler_gets_its_event_context_and_variables(pool: Pool) -> None:
    answer = pool.invoke("sample_handlers.echo", {"a": [1, None, "é"]})
    assert (answer["event"], answer["own"], answer["name"]) == ({"a": [1, None, "é"]}, "yes", "Echo")
    assert answer["pid"] != os.getpid()


def test_a_worker_runs_one_invocation_at_a_time(pool: Pool) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(pool.invoke("sample_handlers.slow", {"seconds": 0.1}))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [1] * 6


def test_errors_of_handlers_are_reported_and_leave_the_worker(pool: Pool) -> None:
    with pytest.raises(FunctionError, match="LookupError: nothing there"):
        pool.invoke("sample_handlers.fail", {})
    with pytest.raises(FunctionError, match="TypeError"):
        pool.invoke("sample_handlers.unserialisable", {})
    with pytest.raises(FunctionError, match="ModuleNotFoundError"):
        pool.invoke("missing_module.handler", {})


def test_dead_and_slow_workers_are_replaced(pool: Pool) -> None:
    for _ in range(3):
        with pytest.raises(WorkerDiedError):
            pool.invoke("sample_handlers.die", {})
    with pytest.raises(TimedOutError):
        pool.invoke("sample_handlers.stuck", {})
    idle = pool.invoke("sample_handlers.echo", {})["pid"]
    os.kill(idle, signal.SIGKILL)
    os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)
    assert pool.invoke("sample_handlers.echo", {})["pid"] != idle


def test_closing_ends_running_invocations(environment: dict[str, str]) -> None:
    pool = Pool(environment, 1)
    failures: list[Exception] = []

    def call() -> None:
        try:
            pool.invoke("sample_handlers.slow", {"seconds": 20})
        except WorkerDiedError as error:
            failures.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)
    pool.close()
    thread.join(5)
    assert len(failures) == 1
    with pytest.raises(WorkerDiedError):
        pool.invoke("sample_handlers.echo", {})


def test_busy_workers_die_with_a_killed_parent(environment: dict[str, str], tmp_path: Path) -> None:
    script = """
import threading, time
from clientway.local.workers import Pool
pool = Pool(dict(__import__("os").environ), 2)
print(*(worker.process.pid for worker in pool._workers), flush=True)
pool.invoke("sample_handlers.slow", {"seconds": 25})
"""
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        time.sleep(0.5)
        parent.kill()
    assert len(workers) == 2
    for pid in workers:
        assert gone(pid)


def gone(pid: int) -> bool:
    """A process that ended, whether or not anybody has collected its status."""
    for _ in range(200):
        status = Path(f"/proc/{pid}/stat")
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
