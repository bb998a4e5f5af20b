"""A queue that delivers one message until it is done, to workers that are killed meanwhile: real processes, real SIGKILL.

`python -m tests.chaos.deliveries` reads the message from its input and prints how many workers died of it.
"""

import json
import os
import signal
import sys
import time
from typing import Any

from clientway.integrations.imports import worker
from integrations import run_import
from tests.fixtures import LambdaContext

MOST_RECEIVES = 5


def deliver(message: dict[str, Any]) -> int:
    """Run the handler in a process of its own; returns its pid."""
    child = os.fork()
    if child == 0:
        # Whatever happens, this process must not go on as its parent.
        status = 1
        try:
            record = {"messageId": "1", "body": json.dumps(message), "eventSource": "aws:sqs"}
            status = len(run_import.handler({"Records": [record]}, LambdaContext())["batchItemFailures"])
            for kind, error, _ in run_import.processor.exceptions:
                print(kind, error, file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    return child


def main() -> None:
    """Kill a worker after each of the given times; the one after them may finish."""
    given = json.load(sys.stdin)
    worker.CHUNK = given["chunk"]
    killed = 0
    for seconds in given["deaths"]:
        child = deliver(given["message"])
        time.sleep(seconds)
        done, _ = os.waitpid(child, os.WNOHANG)
        if done:
            break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
    status, failed = 1, -1
    while status and failed < MOST_RECEIVES - 1:
        _, status = os.waitpid(deliver(given["message"]), 0)
        failed += 1
    print(json.dumps({"killed": killed, "failed": failed, "status": os.waitstatus_to_exitcode(status)}))


if __name__ == "__main__":
    main()
