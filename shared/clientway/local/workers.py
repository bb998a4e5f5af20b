"""A pool of worker processes that run the handlers.

Processes and not threads: Powertools' resolvers keep the current event in class state, so an environment runs one invocation at a time.
"""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any, Self

from clientway.local.template import Function

DEFAULT_WORKERS = 4
DEFAULT_TIMEOUT_SECONDS = 30.0


class FunctionError(Exception):
    """A handler raised; Lambda calls this an unhandled function error."""

    def __init__(self, kind: str, message: str) -> None:
        """`kind` is the name of the exception's class."""
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class WorkerDiedError(FunctionError):
    """The process ended in the middle of an invocation, which Lambda reports as Runtime.ExitError."""

    def __init__(self) -> None:
        """Say so in Lambda's words."""
        super().__init__("Runtime.ExitError", "The worker ended before it answered.")


class TimedOutError(FunctionError):
    """The invocation took longer than the function's Timeout; its process has been ended."""

    def __init__(self, seconds: float) -> None:
        """Say so in Lambda's words."""
        super().__init__("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")


class _Worker:
    """One process and our end of its socket. It ends itself when that socket closes, so a killed parent leaves none behind."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            # A session of its own: Ctrl-C reaches the parent only, which then lets running invocations finish or ends them.
            self.process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                [sys.executable, "-m", "clientway.local.worker", str(theirs.fileno())],
                env=dict(environment), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=2, start_new_session=True,
            )  # fmt: skip
        self.connection = Connection(ours.detach())

    def ask(self, request: bytes, timeout: float) -> dict[str, Any]:
        try:
            self.connection.send_bytes(request)
            if not self.connection.poll(timeout):
                raise TimedOutError(timeout)
            answer: dict[str, Any] = json.loads(self.connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise WorkerDiedError from error
        return answer

    def end(self) -> None:
        """End the process; a call that waits for its answer fails with WorkerDiedError."""
        self.process.kill()
        self.process.wait()


class Pool:
    """Runs handlers, one invocation per worker at a time. Thread safe; use as a context manager."""

    def __init__(
        self,
        environment: Mapping[str, str],
        size: int | None = None,
        functions: Mapping[str, tuple[Function, dict[str, str]]] | None = None,
    ) -> None:
        """Start the workers with this environment; `functions` gives each handler's function and its own variables."""
        self.size = size or int(os.environ.get("CLIENTWAY_WORKERS") or DEFAULT_WORKERS)
        self._environment = dict(environment)
        self._functions = dict(functions or {})
        self._closed = False
        # Last in, first out: a worker that has imported its handlers is used again before a cold one.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers = {_Worker(self._environment) for _ in range(self.size)}
        self._guard = threading.Lock()
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def invoke(self, handler: str, event: dict[str, Any]) -> Any:
        """Run a handler such as "lifecycle.organizations.handler" in the next free worker and return its answer.

        Raises FunctionError when the handler raises; TimedOutError or WorkerDiedError when its process ended, which is then replaced.
        """
        function, variables = self._functions.get(handler, (None, {}))
        timeout = float(function.timeout) if function else DEFAULT_TIMEOUT_SECONDS
        request = {
            "handler": handler,
            "function": function.name if function else handler.rpartition(".")[0].replace(".", "-"),
            "timeout": timeout,
            "environment": variables,
            "event": event,
        }
        encoded = json.dumps(request).encode()
        worker = self._idle.get()
        try:
            if worker.process.poll() is not None:
                # It died while idle (the kernel's memory killer, a hand at the keyboard): no reason to fail this call.
                worker = self._replace(worker)
            answer = worker.ask(encoded, timeout)
        except (WorkerDiedError, TimedOutError):
            worker = self._replace(worker)
            raise
        finally:
            self._idle.put(worker)
        if "error" in answer:
            raise FunctionError(answer["type"], answer["error"])
        return answer["result"]

    def close(self) -> None:
        """End all workers, also in the middle of an invocation; calls that run, wait or come later fail with WorkerDiedError."""
        with self._guard:
            self._closed = True
            for worker in self._workers:
                worker.end()

    def _replace(self, worker: _Worker) -> _Worker:
        with self._guard:
            if self._closed:
                raise WorkerDiedError
            worker.end()
            self._workers.discard(worker)
            fresh = _Worker(self._environment)
            self._workers.add(fresh)
            return fresh
