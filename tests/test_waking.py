"""A database that is being woken takes connections and says nothing for a while: the API answers in time that it is away."""

import importlib
import socket
import time
from contextlib import suppress

import pytest

from clientway import engines
from clientway.config import TIMEOUTS
from tests.fixtures import forget_engines


@pytest.fixture
def asleep(database_url, monkeypatch):
    """A database that connections are made to and that does not speak."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://clientway_app@127.0.0.1:{listener.getsockname()[1]}/clientway")
        monkeypatch.setitem(engines._FLIGHT_SECONDS, "app", 0.5)
        forget_engines()
        yield listener
        forget_engines()


def tries(listener):
    """How many connections were made to it."""
    listener.settimeout(0)
    count = 0
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


@pytest.mark.parametrize("function", ["operations/healthz", "lifecycle/organizations"])
def test_the_api_answers_in_time_that_the_database_is_away(asleep, invoke, function):
    importlib.import_module(function.replace("/", "."))
    began = time.monotonic()
    answer = invoke(function)

    assert (answer.status, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    # One try: a new connection that fails is not tried again at once, so with the real time it fits into the function's.
    assert (tries(asleep), time.monotonic() - began < 5) == (1, True)
    assert TIMEOUTS["flight"] < TIMEOUTS["request"] < TIMEOUTS["handler"]
