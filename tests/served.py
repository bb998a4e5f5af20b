"""The system as its user starts it: `clientway dev` in a folder of its own, and what is said to it over HTTP."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from clientway.local import postgres

T = TypeVar("T")

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    content: bytes
    cookies: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Served:
    """One `clientway dev`, which may be killed and started again in its folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self) -> None:
        """Start it and wait until it runs."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CLIENTWAY_", "AWS_", "PYTEST_"))
            and not name.endswith("DATABASE_URL")
            and name not in {"PORT", "PUBLIC_URL", "IMPORT_BUCKET", "DATABASE_POOL_SIZE"}
        }
        path = os.pathsep.join([str(ROOT / "functions"), str(ROOT / "shared")])
        with (self.folder / "output").open("w") as output:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "from clientway.local.cli import app; app()",
                    "dev",
                    "--port",
                    "0",
                    "--template",
                    str(ROOT / "template.yaml"),
                ],
                cwd=self.folder,
                env={**inherited, "PYTHONPATH": path, "POWERTOOLS_LOG_LEVEL": "CRITICAL", **self._environment},
                stdout=output,
                stderr=output,
            )
        self.url = eventually(self._address, seconds=120)

    def _address(self) -> str | None:
        found = re.search(r"Clientway is running\s+(\S+)", self.output())
        assert self.process is not None
        assert self.process.poll() is None, self.output()
        return found[1] if found else None

    def output(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def key(self) -> str:
        """The demo tenant's API key."""
        return (self.folder / ".clientway" / "demo-api-key").read_text().strip()

    @property
    def mails(self) -> list[dict[str, Any]]:
        """What the local stack has sent, as it shows it."""
        file = self.folder / ".clientway" / "mailbox.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "demo", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request; as the demo tenant's admin unless told otherwise."""
        credential = self.key if token == "demo" else token
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {credential}"} if credential else {}), **(headers or {})}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            found = answer.read()
        finally:
            connection.close()
        cookies = {name: morsel.value for line in answer.headers.get_all("set-cookie") or [] for name, morsel in SimpleCookie(line).items()}
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, found, cookies)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it however it stands, with its database."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        data = self.folder / ".clientway" / "postgres"
        if data.exists():
            postgres.stop(data)


@contextmanager
def served(**environment: str) -> Iterator[Served]:
    """A running stack that nothing is left of."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        stack = Served(folder, **environment)
        try:
            stack.start()
            yield stack
        finally:
            stack.stop()


def eventually(look: Callable[[], T | None], *, seconds: float = 20) -> T:
    """What is found as soon as it is there. Raises AssertionError when it does not come."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    message = f"{look} found nothing in {seconds} s"
    raise AssertionError(message)
