"""Fixtures of the product's own nouns: a tenant of its own for each test, a transaction in it, a call of a real handler.

Tests commit; nothing is cleaned up between them, because no test can see another's tenant.
"""

import base64
import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, create_engine, text

from clientway import access, db, engines, ids, tokens
from clientway.config import settings
from clientway.db import Tx
from clientway.operations import retention
from tests import wire

EVENTS = Path(__file__).parents[1] / "events"


@dataclass(frozen=True)
class Tenant:
    """A tenant with one API key for each role."""

    id: UUID
    slug: str
    keys: dict[str, str]
    user_id: UUID

    @property
    def admin(self) -> str:
        """An admin's token."""
        return self.keys["admin"]

    @property
    def editor(self) -> str:
        """An editor's token."""
        return self.keys["editor"]

    @property
    def viewer(self) -> str:
        """A viewer's token."""
        return self.keys["viewer"]


@dataclass(frozen=True)
class Answer:
    """What a handler answered."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    @property
    def etag(self) -> str:
        """The ETag, to be sent back in If-Match."""
        return self.headers["ETag"]


@dataclass
class LambdaContext:
    """What Lambda hands to a handler."""

    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:test"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """As much as a function has."""
        return 25_000


@pytest.fixture(scope="session")
def watch() -> Iterator[wire.Watch]:
    """Hears every statement that the package sends while the tests run."""
    watching = wire.Watch()
    end = wire.listen(watching)
    yield watching
    end()


@pytest.fixture(autouse=True)
def _nothing_wrong_on_the_wire(watch: wire.Watch) -> Iterator[None]:
    """Each statement names its tenant, and none pins a proxied connection."""
    yield
    wrong, watch.wrong = watch.wrong, []
    assert wrong == []


@pytest.fixture(scope="session")
def admin_engine(admin_url: str) -> Iterator[Engine]:
    """The superuser, outside row security: for arranging and for looking at what was written."""
    engine = create_engine(admin_url.replace("postgresql://", "postgresql+pg8000://", 1), isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def forget_engines() -> None:
    """Have settings and pools made anew.

    Each pool is disposed: one that is merely dropped leaves its sockets to the garbage collector, and the warning to
    whichever test runs then.
    """
    for role in ("app", "job"):
        engines.engine(role).dispose()
    engines.engine.cache_clear()
    settings.cache_clear()


def make_tenant(engine: Engine) -> Tenant:
    """A tenant with an admin user and one API key for each role."""
    tenant_id, user_id, slug = ids.uuid7(), ids.uuid7(), f"t-{uuid4().hex[:12]}"
    keys = {role: tokens.new("key") for role in ("admin", "editor", "viewer")}
    with engine.connect() as connection:
        connection.execute(
            text("insert into tenants (tenant_id, name, slug) values (:t, 'Test tenant', :slug)"), {"t": tenant_id, "slug": slug}
        )
        email = f"{slug}@staff.example"
        connection.execute(
            text("insert into users (id, email, email_norm, name) values (:u, :e, :e, 'Ada Admin')"), {"u": user_id, "e": email}
        )
        connection.execute(
            text("insert into memberships (tenant_id, id, user_id, role) values (:t, :i, :u, 'admin')"),
            {"t": tenant_id, "i": ids.uuid7(), "u": user_id},
        )
        for role, token in keys.items():
            connection.execute(
                text("insert into api_keys (tenant_id, id, name, prefix, token_hash, role) values (:t, :i, :n, :p, :h, :r)"),
                {"t": tenant_id, "i": ids.uuid7(), "n": f"{role} key", "p": token[:12], "h": tokens.digest(token), "r": role},
            )
    return Tenant(tenant_id, slug, keys, user_id)


@pytest.fixture
def tenant(admin_engine: Engine, database_url: str) -> Tenant:
    """A tenant that only this test knows."""
    return make_tenant(admin_engine)


@pytest.fixture
def other_tenant(admin_engine: Engine, database_url: str) -> Tenant:
    """Somebody else."""
    return make_tenant(admin_engine)


@pytest.fixture
def ours_alone(tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules serve the test's own tenants: those of all tests before would take their time, and bring their own trouble."""
    ours = [tenant.id, other_tenant.id]
    assert set(ours) <= set(db.all_tenants())
    for module in (db, retention):
        monkeypatch.setattr(module, "all_tenants", lambda: ours)


@pytest.fixture
def tx(tenant: Tenant) -> Iterator[Tx]:
    """A transaction of the tenant's admin, rolled back at the end."""
    transaction = db.begin(db.Credential(tokens.digest(tenant.admin), access.ADMINS), now=datetime.now(UTC))
    yield transaction
    db.rollback(transaction)


Invoke = Callable[..., Answer]


@pytest.fixture
def invoke(tenant: Tenant) -> Invoke:
    """Call a real handler with its sample event, changed as the test needs it."""

    def call(
        function: str,
        *,
        method: str | None = None,
        path: dict[str, Any] | None = None,
        query: dict[str, Any] | None = None,
        body: Any = None,
        raw_body: str | bytes | None = None,
        headers: dict[str, str] | None = None,
        token: str | None = tenant.admin,
        claims: dict[str, Any] | None = None,
        cookies: list[str] | None = None,
    ) -> Answer:
        event = json.loads((EVENTS / f"{function}.json").read_text())
        http = event["requestContext"]["http"]
        http["method"] = method or ("POST" if body is not None and http["method"] == "GET" else http["method"])
        parameters = {**(event.get("pathParameters") or {}), **{name: str(value) for name, value in (path or {}).items()}}
        _fill_path(event, parameters)
        # API Gateway joins what comes several times with commas; as it came it stands in the raw string alone.
        given = {name: [str(one) for one in value] if isinstance(value, list) else [str(value)] for name, value in (query or {}).items()}
        event["queryStringParameters"] = {name: ",".join(values) for name, values in given.items()}
        event["rawQueryString"] = urlencode(given, doseq=True)
        sent = {**event.get("headers", {}), **{name.lower(): value for name, value in (headers or {}).items()}}
        sent.pop("authorization", None)
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        event["headers"] = sent
        if cookies is not None:
            event["cookies"] = cookies
        if claims is not None:
            event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        event.pop("body", None)
        if body is not None:
            event["body"] = json.dumps(body, default=str)
        if raw_body is not None:
            event["body"] = raw_body if isinstance(raw_body, str) else base64.b64encode(raw_body).decode()
            event["isBase64Encoded"] = isinstance(raw_body, bytes)
        module = importlib.import_module(function.replace("/", "."))
        answer = module.handler(event, LambdaContext())
        text_body = base64.b64decode(answer["body"]).decode() if answer.get("isBase64Encoded") else (answer.get("body") or "")
        return Answer(answer["statusCode"], text_body, answer.get("headers") or {}, answer.get("cookies") or [])

    return call


def _fill_path(event: dict[str, Any], parameters: dict[str, str]) -> None:
    """Put the path parameters into the path that the event's routeKey describes."""
    template = event["routeKey"].split(" ", 1)[1]
    for name, value in parameters.items():
        template = template.replace("{" + name + "}", value)
    event["pathParameters"] = parameters or None
    event["rawPath"] = event["requestContext"]["http"]["path"] = template
