"""Every route of template.yaml, and how to feed it: what the tests of bad input and of other tenants' ids walk over.

A new route needs nothing here as long as its path parameters are called after their tables (`ticket_id` -> tickets) and
its body can be made from its schema. Otherwise the tests fail and name the table of tests/feeding.py that wants a line.
"""

import functools
import importlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from sqlalchemy import Engine, text

from clientway import ids, ratelimit, tokens
from clientway.local import openapi
from clientway.local.server import Gateway, Request
from clientway.local.template import Route, read
from clientway.messaging import links
from clientway.tables import metadata
from tests.everything import ROWS, one_of_everything
from tests.feeding import ANSWERS, BODIES, EXTERNAL, NAMES, PARAMETERS
from tests.fixtures import LambdaContext, Tenant
from tests.replies import Reply, held_out, is_problem, refused_in_form, reply  # noqa: F401  (callers know them from here)

ROOT = Path(__file__).parents[1]
for one in (ROOT / "shared" / "clientway").glob("*/*tables.py"):
    importlib.import_module(f"clientway.{one.parent.name}.{one.stem}")  # fills metadata
ROUTES = [route for route in read(ROOT / "template.yaml").routes if route.path and route.path.startswith("/api/")]
CLAIMS = {"iss": "https://id.example", "sub": "nobody", "email": "nobody@staff.example", "email_verified": "true"}


def key(route: Route) -> str:
    """How a route is called in the tables of tests/feeding.py."""
    return f"{route.method} {route.path}"


def routes(*methods: str) -> list[Any]:
    """The routes with one of these methods, as pytest parameters."""
    import pytest

    return [pytest.param(route, id=key(route)) for route in ROUTES if not methods or route.method in methods]


def invoke(handler: str, event: dict[str, Any]) -> Any:
    """Run a real handler. What the rate limit holds of the tests before is forgotten."""
    ratelimit._buckets.clear()
    module, _, name = handler.rpartition(".")
    # As text in between, as Lambda hands it over.
    return getattr(importlib.import_module(module), name)(json.loads(json.dumps(event)), LambdaContext())


GATEWAY = Gateway(ROUTES, invoke, lambda _header: CLAIMS)


def send(
    method: str,
    target: str,
    body: Any = None,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    raw: bytes | None = None,
) -> Reply:
    """One request through the local gateway's own routing and events into the real handler; `target` is percent-encoded."""
    sent = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
    content = raw if raw is not None else b"" if body is None else json.dumps(body, default=str).encode()
    return reply(GATEWAY.handle(Request(method, target, list(sent.items()), content)))


@functools.cache
def contract() -> dict[str, Any]:
    """The contract as it is published. That it is the handlers', test_house says; to make it takes seconds, in each worker."""
    return json.loads(openapi.DOCUMENT.read_text())


def operation(route: Route) -> dict[str, Any]:
    return contract()["paths"][route.path][route.method.lower()]


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema behind references, and of several the first that is not null."""
    while True:
        if "$ref" in schema:
            schema = contract()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema or "oneOf" in schema:
            schema = next(one for one in schema.get("anyOf", schema.get("oneOf")) if one.get("type") != "null")
        elif "allOf" in schema:
            schema = schema["allOf"][0]
        else:
            return schema


def body_schema(route: Route) -> dict[str, Any] | None:
    """The schema of a route's body, or None."""
    content = operation(route).get("requestBody", {}).get("content")
    return resolve(next(iter(content.values()))["schema"]) if content else None


def properties(route: Route) -> dict[str, dict[str, Any]]:
    """The members of a route's body."""
    return (body_schema(route) or {}).get("properties", {})


def query(route: Route) -> dict[str, dict[str, Any]]:
    """The query parameters of a route."""
    return {one["name"]: resolve(one["schema"]) for one in operation(route).get("parameters", []) if one["in"] == "query"}


def singular(table: str) -> str:
    return table.removesuffix("ies") + "y" if table.endswith("ies") else table.removesuffix("s")


TABLES = {singular(table): table for table in (*ROWS, "memberships", "api_keys")} | {"user": "user"}


def table_named(name: str) -> str | None:
    """The table that a field, filter or path parameter names a row of: `owner_rep_id` -> reps."""
    if name in NAMES:
        return NAMES[name]
    stem = name.removesuffix("_ids").removesuffix("_id")
    found = [one for one in TABLES if stem == one or stem.endswith(f"_{one}")]
    return TABLES[max(found, key=len)] if found else None


def parameters(route: Route) -> dict[str, str]:
    """The path parameters of a route, each with the table whose row it names. Raises LookupError for one nobody told us of."""
    found = {}
    for part in (route.path or "").split("/"):
        if part.startswith("{"):
            name = part.strip("{}+")
            table = next(
                (table for prefix, table in PARAMETERS.items() if route.path == prefix or (route.path or "").startswith(f"{prefix}/")), None
            )
            table = (table if name == "slug" else None) or PARAMETERS.get(name) or (table_named(name) if name.endswith("_id") else None)
            if table is None:
                raise LookupError(f"{key(route)}: tests/feeding.py, PARAMETERS does not say whose row {{{name}}} names")
            found[name] = table
    return found


@dataclass(frozen=True)
class Rows:
    """A tenant with one row of everything: what a request to it can name."""

    tenant: Tenant
    ids: Mapping[str, UUID]
    session: str
    portal: str
    person: str

    def token(self, route: Route) -> str | None:
        """Who may call a route: a contact in the portal, a person for themselves, an admin anywhere else."""
        if (route.path or "").startswith("/api/person/"):
            return self.person
        return self.portal if (route.path or "").startswith("/api/portal/") else self.tenant.admin

    def value(self, name: str, table: str) -> str:
        """What stands for our row of a table in a path: its slug or its id, or the link by which a contact unsubscribes."""
        if name == "token":
            return links.token(links.Subscription(self.tenant.id, self.ids[table], "email"))
        return f"s-{self.ids[table].hex}" if name == "slug" else str(self.ids[table])

    def target(self, route: Route, **others: str) -> str:
        """A route's path with our rows, or with others' where given."""
        path = route.path or ""
        for name, table in parameters(route).items():
            path = path.replace("{" + name + "}", quote(others.get(name) or self.value(name, table), safe=""))
        return path

    def body(self, route: Route) -> Any:
        """A body that a route takes; None where it takes none."""
        schema = body_schema(route)
        if schema is None:
            return None
        return self._filled(BODIES[key(route)]) if key(route) in BODIES else self.example(schema)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._filled(one) for one in value]
        if isinstance(value, str) and value.startswith(":"):
            ours = {":tenant": self.tenant.slug, ":staff": f"{self.tenant.slug}@staff.example"}
            return ours.get(value) or str(self.ids[value[1:]])
        return value

    def example(self, schema: dict[str, Any], name: str = "") -> Any:  # noqa: PLR0911  (a line for each type)
        """The least that a schema asks for."""
        schema = resolve(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                members = schema.get("properties", {})
                return {one: self.example(members[one], one) for one in schema.get("required", [])}
            case "array":
                return [self.example(schema["items"], name) for _ in range(schema.get("minItems", 0))]
            case "integer" | "number":
                return int(max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 0) + 1))
            case "boolean":
                return True
            case _:
                return self._word(schema, name)

    def _word(self, schema: dict[str, Any], name: str) -> str:  # noqa: PLR0911  (a line for each kind)
        match schema.get("format"):
            case "uuid":
                table = table_named(name)
                if table is None:
                    raise LookupError(f"tests/feeding.py, NAMES does not say whose row the field {name} names")
                return str(self.ids[table])
            case "date-time":
                return datetime.now(UTC).isoformat()
            case "date":
                return datetime.now(UTC).date().isoformat()
        if "email" in name:
            return "pat@bistro.example"
        if "url" in name:
            return "https://bistro.example"
        if schema.get("pattern") == "^[A-Z]{3}$":
            return "USD"
        return "sample".ljust(schema.get("minLength", 1), "x")

    def ask(
        self, route: Route, body: Any = None, *, target: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Reply:
        """Call a route as whoever may, with our rows and a right body unless told otherwise."""
        sent = {"if-match": '"1"'} if route.method in {"PATCH", "PUT", "DELETE"} else {}
        if route.method == "POST":
            sent["idempotency-key"] = uuid4().hex
        given = {"token": self.token(route), **more}
        return send(
            route.method,
            target or self.target(route),
            self.body(route) if body is None else body,
            headers={**sent, **(headers or {})},
            **given,
        )


def accepted(route: Route, answer: Reply) -> bool:
    """Whether an answer shows that the request was understood and its rows were found."""
    return 200 <= answer.status < 300 or answer.status == 409 or answer.status in ANSWERS.get(key(route), ())


def make_rows(engine: Engine, tenant: Tenant) -> Rows:
    """One row of everything for a tenant, slugs of its own, and a second member, who may be changed and removed."""
    everything = one_of_everything(engine, tenant)
    found = {**everything.ids, "memberships": ids.uuid7()}
    with engine.connect() as connection:
        given = {"t": tenant.id, "u": uuid4(), "m": found["memberships"], "e": f"{uuid4().hex}@staff.example"}
        connection.execute(text("insert into users (id, email, email_norm, name) values (:u, :e, :e, 'Vic Viewer')"), given)
        connection.execute(text("insert into memberships (tenant_id, id, user_id, role) values (:t, :m, :u, 'viewer')"), given)
        statement = text("select id from api_keys where tenant_id = :t and role = 'viewer'")
        found["api_keys"] = connection.execute(statement, {"t": tenant.id}).scalar_one()
        # The transition among the rows counts.
        connection.execute(text("update organizations set lifecycle_sequence = 1 where tenant_id = :t"), {"t": tenant.id})
        for table in ("organizations", "locations", "contacts", "reps"):
            connection.execute(text(f"update {table} set slug = 's-' || replace(id::text, '-', '') where tenant_id = :t"), {"t": tenant.id})
        person = tokens.new("per")
        given = {"t": tenant.id, "c": found["contacts"], "p": found["contact_update_proposals"], "x": uuid4(), "h": tokens.digest(person),
                 "e": tokens.digest(person[::-1])}  # fmt: skip
        for statement in (
            "insert into identity.person_accounts (id, email_blind, person_id) values (:x, :e, :x)",
            "insert into identity.person_sessions (id, account_id, token_hash, expires_at) values (:x, :x, :h, now() + interval '1 hour')",
            "insert into identity.contact_person (tenant_id, contact_id, person_id) values (:t, :c, :x)",
            "insert into identity.proposal_person (tenant_id, proposal_id, person_id) values (:t, :p, :x)",
        ):
            connection.execute(text(statement), {name: value for name, value in given.items() if f":{name}" in statement})
    return Rows(tenant, found, everything.session, everything.portal, person)


# What a request that is refused may leave behind nevertheless: when a credential was last used.
TOUCHED = {"sessions", "portal_sessions", "api_keys"}


def state(engine: Engine, *tenants: Tenant) -> dict[str, tuple[str, ...]]:
    """All rows of these tenants, each with the transaction that wrote it."""
    tables = sorted(name for name, table in metadata.tables.items() if "tenant_id" in table.c)
    # The ids stand in the text: the driver looks through a statement of this length for its parameters longer than PostgreSQL answers it.
    asked = ", ".join(f"'{tenant.id}'" for tenant in tenants)
    statement = " union all ".join(
        f"select '{name}', {'x.id::text' if name in TOUCHED else 'x::text || x.xmin::text'} from {name} x where tenant_id in ({asked})"
        for name in tables
    )
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for table, row in connection.exec_driver_sql(statement):
            found.setdefault(table, []).append(row)
        found["users"] = [str(connection.execute(text("select count(*) from users")).scalar())]
    return {table: tuple(sorted(rows)) for table, rows in found.items()}


def uuid_places(schema: dict[str, Any], place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where a body can name a row: (path into the body, name of the field)."""
    schema = resolve(schema)
    if schema.get("type") == "object":
        for name, member in schema.get("properties", {}).items():
            yield from uuid_places(member, (*place, name))
    elif schema.get("type") == "array":
        yield from uuid_places(schema["items"], (*place, 0))
    elif schema.get("format") == "uuid" or (schema.get("type") == "string" and "enum" not in schema and _ends_like_an_id(place)):
        yield place, next(str(part) for part in reversed(place) if isinstance(part, str))


def _ends_like_an_id(place: tuple[str | int, ...]) -> bool:
    name = next((str(part) for part in reversed(place) if isinstance(part, str)), "")
    return name.endswith(("_id", "_ids")) and name not in EXTERNAL


def put(rows: Rows, schema: dict[str, Any], body: Any, place: tuple[str | int, ...], value: Any) -> Any:
    """The body with a value at a place; what has to stand around it is made from the schema."""
    if not place:
        return value
    schema, here = resolve(schema), place[0]
    if isinstance(here, int):
        items = list(body) if body else [rows.example(schema["items"])]
        return [put(rows, schema["items"], items[0], place[1:], value), *items[1:]]
    member = schema["properties"][here]
    inner = (body or {}).get(here)
    return {**(body or rows.example(schema)), here: put(rows, member, inner, place[1:], value)}


def source(route: Route) -> str:
    """The text of a route's handler module."""
    return (ROOT / "functions" / f"{route.handler.rpartition('.')[0].replace('.', '/')}.py").read_text()


def needs_a_credential(route: Route) -> bool:
    """Whether a route refuses whoever does not say who they are."""
    return "needs=" in source(route) or "personal(" in source(route)
