"""`python -m tests.chaos.crowd`: many environments at once, each a process with a connection of its own, as Lambda makes them.

Forked from one that has imported the handlers, so that hundreds of them fit on a machine. Prints what each was answered.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from tests import routes

AFTER = 5.0
"""Seconds after the rush at which some come once more."""
ONCE_MORE = 12


def ask(token: str, name: str | None) -> dict[str, Any]:
    """One request: to make an organization of this name, or to read a page."""
    began = time.monotonic()
    if name is None:
        reply = routes.send("GET", "/api/organizations?limit=20", token=token)
    else:
        reply = routes.send("POST", "/api/organizations", {"legal_name": name}, token=token, headers={"idempotency-key": name})
    body = reply.json
    return {
        "name": name,
        "status": reply.status,
        "code": body.get("code"),
        "retry_after": reply.headers.get("retry-after"),
        "seconds": time.monotonic() - began,
        "right": body.get("legal_name") == name if name else isinstance(body.get("data"), list),
    }


def rush(number: int, token: str, seed: str, starts: float, ends: float) -> dict[str, list[dict[str, Any]]]:
    """One caller: asks again and again, waits as long as told where there was no place; some come once more afterwards."""
    draw, answers, later = random.Random(f"{seed} {number}"), [], []
    time.sleep(max(0.0, starts - time.monotonic()))
    while time.monotonic() < ends:
        answers.append(ask(token, f"Crowd {number} {len(answers)} {seed}" if draw.random() < 0.5 else None))
        time.sleep(float(answers[-1]["retry_after"] or 0.02))
    # Warm and idle from here on, as environments are: they do not end with the rush.
    if number < ONCE_MORE:
        time.sleep(max(0.0, ends + AFTER - time.monotonic()))
        later.append(ask(token, None))
    return {"answers": answers, "later": later}


def until_answered(token: str, since: float) -> float:
    """How long after the rush somebody who was not in it is answered."""
    time.sleep(max(0.0, since - time.monotonic()))
    while ask(token, None)["status"] != 200:
        time.sleep(0.1)
    return time.monotonic() - since


def forked(work: Callable[[], Any]) -> tuple[int, int]:
    """Have something done by a copy of this process; its id, and where it writes what came of it."""
    read, write = os.pipe()
    if pid := os.fork():
        os.close(write)
        return pid, read
    with os.fdopen(write, "w") as out:
        json.dump(work(), out)
    # Idle environments are not gone: they hold what they have until they are ended.
    signal.pause()
    os._exit(0)


def main(callers: int, seconds: float, token: str, seed: str) -> None:
    # All that a first request does is done before the first fork, short of a connection.
    for name in (None, "Nobody"):
        ask("no token", name)
    starts = time.monotonic() + callers * 0.01
    ends = starts + seconds
    children = [forked(lambda number=number: rush(number, token, seed, starts, ends)) for number in range(callers)]
    recovered = until_answered(token, ends)
    found = []
    for _, read in children:
        with os.fdopen(read) as answers:
            found.append(json.load(answers))
    for pid, _ in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    json.dump(
        {
            "answers": [answer for one in found for answer in one["answers"]],
            "later": [answer for one in found for answer in one["later"]],
            "recovered": recovered,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4])
