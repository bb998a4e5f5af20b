"""One function as Lambda runs it: the real runtime interface client under the real emulator, without a container.

The emulator takes one invocation at a time and falls over at a second one, starts the runtime at the first invocation,
and says what that took in its log alone.
"""

import http.client
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clientway.local.template import Function
from tests.served import eventually

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-smoke" / "bin" / "python"
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "")
_STARTS = 3


def program() -> Path | None:
    """The emulator for this machine, which the SAM CLI brings along; it is made for Linux."""
    if sys.platform != "linux":
        return None
    return next((ROOT / ".venv-sam").glob(f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{ARCHITECTURE}"), None)


def missing() -> str | None:
    """What this machine lacks, in words, or None."""
    if program() is None:
        return f"the SAM CLI has no emulator for {sys.platform} on {platform.machine()}, or make test has not installed it"
    if not list((ROOT / ".venv-smoke").glob("lib/python*/site-packages/awslambdaric")):
        return "awslambdaric is not installed; make test installs it where there is a wheel"
    return None


@dataclass(frozen=True)
class Built:
    """A build, unpacked as Lambda does it: both layers in one /opt, each function in a folder of its own."""

    functions: Path
    opt: Path


class Emulated:
    """One function and its environment. Use as a context manager; nothing is left running behind it."""

    def __init__(self, function: Function, built: Built, environment: Mapping[str, str]) -> None:
        self.function = function
        self._task = built.functions / function.name
        # Of this machine's own environment nothing gets in.
        self._environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": str(built.opt / "python"),
            "LAMBDA_TASK_ROOT": str(self._task),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            **environment,
        }

    def __enter__(self) -> Self:
        for left in reversed(range(_STARTS)):
            self._log = tempfile.TemporaryFile()
            # Two free ports, which somebody else may take before the emulator does.
            self._port, runtime_port = _free_ports()
            self._process = subprocess.Popen(
                [
                    str(program()), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}",
                    "--runtime-api-address", f"127.0.0.1:{runtime_port}", str(PYTHON), "-m", "awslambdaric", self.function.handler,
                ],
                cwd=self._task, env=self._environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            )  # fmt: skip
            try:
                eventually(self._listens, seconds=10)
                break
            except AssertionError:
                self.__exit__()
                if not left:
                    raise
        return self

    def __exit__(self, *_: object) -> None:
        # It ends the runtime along with itself; killed, it would leave it behind.
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(self.log())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def invoke(self, event: Any) -> Any:
        """What the function returns; an error comes as Lambda's document with `errorType`, a timeout as text."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=self.function.timeout + 30)
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event).encode())
            content = connection.getresponse().read().decode()
        finally:
            connection.close()
        try:
            return json.loads(content)
        except ValueError:
            return content

    def log(self) -> str:
        """What the emulator, the runtime and the function have said so far."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def init(self) -> float:
        """What starting the runtime and importing the handler took, in milliseconds."""
        return float(self._logged(r"INIT REPORT\(durationMs: ([\d.]+)\)", 1)[0])

    def durations(self, count: int) -> list[float]:
        """What each of so many invocations took, in milliseconds, without the start."""
        return [float(one) for one in self._logged(r"INVOKE RTDONE\(.*duration: ([\d.]+)ms", count)]

    def _logged(self, pattern: str, count: int) -> list[str]:
        ends = time.monotonic() + 5
        # The log comes a moment after the answer.
        while len(found := re.findall(pattern, self.log())) < count and time.monotonic() < ends:
            time.sleep(0.01)
        assert len(found) == count, self.log()
        return found


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
