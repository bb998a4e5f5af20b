"""One worker process: `python -m clientway.local.worker <descriptor>`. Runs one invocation at a time, like one Lambda environment.

The parent sends `{handler, function, timeout, environment, event}` as JSON over a socket and gets `{result}` or `{error, type}` back.
"""

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
import uuid
from multiprocessing.connection import Connection
from typing import Any


class LambdaContext:
    """The context object of the Lambda runtime, as far as handlers and Powertools read it."""

    def __init__(self, function: str, timeout: float) -> None:
        """Begin an invocation that may take `timeout` seconds."""
        self.function_name = function
        self.function_version = "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:local:123456789012:function:{function}"
        self.memory_limit_in_mb = 1024
        self.aws_request_id = str(uuid.uuid4())
        self.log_group_name = f"/aws/lambda/{function}"
        self.log_stream_name = "local"
        self.client_context = None
        self.identity = None
        self._deadline = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left until the parent ends this process."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Run one invocation and return the answer to send; a handler's exception becomes an answer as well."""
    before = dict(os.environ)
    os.environ.update(request["environment"])
    try:
        module, _, name = request["handler"].rpartition(".")
        handler = getattr(importlib.import_module(module), name)
        result = handler(request["event"], LambdaContext(request["function"], request["timeout"]))
        return {"result": json.loads(json.dumps(result))}
    except Exception as error:  # noqa: BLE001  the runtime reports whatever a handler raises
        traceback.print_exc()
        return {"error": str(error), "type": type(error).__name__}
    finally:
        os.environ.clear()
        os.environ.update(before)


def serve(connection: Connection) -> None:
    """Answer requests until the other end closes. A second thread reads, so that the parent's death ends a busy worker too."""
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def read() -> None:
        try:
            while True:
                requests.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        answer = run(json.loads(requests.get()))
        connection.send_bytes(json.dumps(answer).encode())


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
