"""One request of each kind, and what may be said and left behind when something breaks under it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from tests import routes
from tests.fixtures import Tenant
from tests.routes import Reply

Call = Callable[..., Any]
"""Call a method and a path with a body and headers; answers have `status`, `headers`, `json` and `content`."""

UNAVAILABLE, UNKNOWN = "database_unavailable", "commit_unknown"


@dataclass(frozen=True)
class Ask:
    """A request."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """Whether asking twice is no second effect."""
        return self.method == "GET" or "idempotency-key" in self.headers

    def of(self, call: Call) -> Any:
        return call(self.method, self.path, self.body, headers=self.headers)


def calling(tenant: Tenant) -> Call:
    """Real handlers in this process, as a tenant's admin."""
    return lambda *what, **how: routes.send(*what, token=tenant.admin, **how)


def keyed() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


def organization(call: Call) -> Any:
    """A new organization."""
    made = call("POST", "/api/organizations", {"legal_name": f"Before {uuid4().hex}"})
    assert made.status == 201, made.content
    return made.json


def _read(call: Call) -> Ask:
    return Ask("GET", f"/api/organizations/{organization(call)['id']}")


def _list(call: Call) -> Ask:
    return Ask("GET", "/api/organizations?limit=50")


def _create(call: Call) -> Ask:
    return Ask("POST", "/api/organizations", {"legal_name": f"New {uuid4().hex}", "tags": ["a", "b"]}, keyed())


def _create_without_a_key(call: Call) -> Ask:
    return Ask("POST", "/api/organizations", {"legal_name": f"New {uuid4().hex}", "tags": ["a", "b"]})


def _change(call: Call) -> Ask:
    one = organization(call)
    return Ask("PATCH", f"/api/organizations/{one['id']}", {"notes": uuid4().hex, "tags": ["x"]}, {"if-match": f'"{one["version"]}"'})


def _delete(call: Call) -> Ask:
    one = organization(call)
    return Ask("DELETE", f"/api/organizations/{one['id']}", None, {"if-match": f'"{one["version"]}"'})


def _move(call: Call) -> Ask:
    return Ask("POST", f"/api/organizations/{organization(call)['id']}/stage-change", {"stage": "opportunity"}, keyed())


def _convert(call: Call) -> Ask:
    return Ask("POST", f"/api/organizations/{organization(call)['id']}/convert-to-client", {"mrr_cents": 49_900}, keyed())


def _pay(call: Call) -> Ask:
    return Ask("POST", f"/api/organizations/{organization(call)['id']}/payments", {"amount_cents": 100}, keyed())


def _booking() -> dict[str, Any]:
    client = {"first_name": "Jane", "email": f"{uuid4().hex}@client.example", "address": {"address1": "1 Main St", "city": "Miami"}}
    return {"client": client, "start_at": (datetime.now(UTC) + timedelta(days=3)).isoformat()}


def _book(call: Call) -> Ask:
    return Ask("POST", "/api/create-job-with-client", _booking(), keyed())


def _move_job(call: Call) -> Ask:
    made = call("POST", "/api/create-job-with-client", _booking())
    assert made.status == 201, made.content
    start_at = (datetime.now(UTC) + timedelta(days=5)).isoformat()
    return Ask("PATCH", f"/api/jobs/{made.json['job']['id']}", {"start_at": start_at}, {"if-match": '"1"'})


KINDS: dict[str, Callable[[Call], Ask]] = {
    "read": _read,
    "list": _list,
    "create with a key": _create,
    "create without a key": _create_without_a_key,
    "change": _change,
    "delete": _delete,
    "move a stage": _move,
    "convert to client": _convert,
    "payment that moves a stage": _pay,
    "book a job for a new client": _book,
    "move a job": _move_job,
}
"""Each arranges what it needs and returns a request that is right."""


def state(engine: Engine, tenant: Tenant) -> dict[str, frozenset[str]]:
    """All of a tenant's rows, each with the transaction that wrote it."""
    return {table: frozenset(rows) for table, rows in routes.state(engine, tenant).items()}


Shape = dict[str, tuple[int, int]]


def difference(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> Shape:
    """How many rows came and went, by table: the shape of a request's effect, its ids and times left out."""
    none: frozenset[str] = frozenset()
    tables = {table: (before.get(table, none), after.get(table, none)) for table in {*before, *after}}
    return {table: (len(new - old), len(old - new)) for table, (old, new) in tables.items() if new != old}


def is_turned_away(reply: Reply) -> bool:
    """Whether an answer is 503 as it should be: a problem with a code, that says when to come again."""
    return (
        reply.status == 503
        and reply.headers.get("content-type") == "application/problem+json"
        and reply.json["code"] in {UNAVAILABLE, UNKNOWN}
        and reply.headers.get("retry-after", "").isdigit()
    )
