"""Real handlers in processes of their own, each with one connection, as Lambda has it."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from clientway.local.server import Gateway, Request
from clientway.local.workers import Pool
from tests.chaos.asking import Call
from tests.proxy import Proxy
from tests.routes import ROOT, ROUTES, reply


@contextmanager
def workers(database_url: str, size: int) -> Iterator[Gateway]:
    """A gateway with this many processes behind it."""
    path = os.pathsep.join([str(ROOT / "functions"), str(ROOT / "shared")])
    own = {"DATABASE_URL": database_url, "JOB_DATABASE_URL": database_url, "DATABASE_POOL_SIZE": "1", "PYTHONPATH": path}
    with Pool({**os.environ, **own}, size) as pool:
        yield Gateway(ROUTES, pool.invoke)


def calling(gateway: Gateway, token: str) -> Call:
    """How to ask a gateway, with a credential."""

    def call(method: str, target: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Any:
        sent = {"content-type": "application/json", "authorization": f"Bearer {token}", **(headers or {})}
        return reply(gateway.handle(Request(method, target, list(sent.items()), b"" if body is None else json.dumps(body).encode())))

    return call


@contextmanager
def behind_a_proxy(database_url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of a database, and the URL that leads through it."""
    parts = urlsplit(database_url)
    proxy = Proxy((parts.hostname or "", parts.port or 5432))
    port = proxy.start()
    yield proxy, database_url.replace(f":{parts.port}/", f":{port}/")
    proxy.stop()
