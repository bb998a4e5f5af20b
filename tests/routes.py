"""Every route of template.yaml, and how to feed it: what the tests of bad input and of other tenants' ids walk over.

A new route needs nothing here as long as its path parameters are called after their tables (`ticket_id` -> tickets) and
its body can be made from its schema. Otherwise the tests fail and name the table below that wants a line.
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
from clientway.local.server import Answer, Gateway, Request
from clientway.local.template import Route, read
from clientway.messaging import links
from clientway.tables import metadata
from tests.everything import ROWS, one_of_everything
from tests.fixtures import LambdaContext, Tenant

ROOT = Path(__file__).parents[1]
for one in (ROOT / "shared" / "clientway").glob("*/*tables.py"):
    importlib.import_module(f"clientway.{one.parent.name}.{one.stem}")  # fills metadata
ROUTES = [route for route in read(ROOT / "template.yaml").routes if route.path and route.path.startswith("/api/")]

# Path parameters whose name does not say the table: route prefix or parameter -> table whose slug or id it is.
PARAMETERS = {
    "/api/rep/{slug}": "reps",
    "/api/portal/{slug}": "contacts",
    "proposal_id": "contact_update_proposals",
    "endpoint": "endpoint",
    "email_id": "contact_emails",
    "phone_id": "contact_phones",
    "note_id": "contact_notes",
    "field_id": "custom_fields",
    "token": "contacts",
}
# Fields and filters that name a row by another word than its table's.
NAMES = {
    "person_id": "contacts",
    "mapping_id": "import_mappings",
    "rep": "reps",
    "owner": "reps",
    "referred_organization_id": "second",
    "merge_id": "contact_merges",
    "merged_id": "second_contact",
    "suggestion_id": "duplicate_suggestions",
    "address_id": "contact_addresses",
    "default_address_id": "contact_addresses",
    "assignee_id": "reps",
    "org_client_id": "contacts",
    "series_id": "job_series",
    "template_id": "message_templates",
}
# Fields that end in _id and are not ours: another system's ids.
EXTERNAL = {"source_id", "hubspot_company_id", "hubspot_contact_id", "stripe_customer_id", "square_customer_id", "pos_account_id"}
# Bodies that a schema alone does not give: `:table` stands for the id of our row, `:tenant` for our slug, `:staff` for our address.
BODIES: dict[str, Any] = {
    "POST /api/create-job-with-client": {"org_client_id": ":contacts", "start_at": "2030-01-07T10:00:00Z"},
    "POST /api/job-series": {"contact_id": ":contacts", "rrule": "FREQ=WEEKLY", "starts_local": "2030-01-07T10:00:00"},
    "POST /api/recurring-invoices": {
        "contact_id": ":contacts",
        "name": "Care plan",
        "rrule": "FREQ=MONTHLY",
        "starts_on": "2030-01-01",
        "lines": [{"description": "Care", "unit_price_cents": 100}],
    },
    "POST /api/segments": {"name": "sample", "kind": "manual", "contact_ids": [":contacts"]},
    "POST /api/segments/preview": {"segment_id": ":segments"},
    "POST /api/campaigns": {"name": "Spring", "channel": "email", "segment_id": ":segments", "template_id": ":message_templates"},
    "POST /api/campaigns/{campaign_id}/launch": {"dry_run_hash": "0" * 64},
    "POST /api/campaigns/{campaign_id}/test": {"to": [":staff"]},
    "POST /api/contacts/{contact_id}/merge-preview": {"merged_id": ":second_contact"},
    "POST /api/contacts/{contact_id}/merge": {"merged_id": ":second_contact"},
    "POST /api/imports": {"source": "list", "rows": [{"name": "Blue Bistro"}]},
    "POST /api/organizations/{organization_id}/payments": {"amount_cents": 100},
    "POST /api/payments": {"amount_cents": 100, "contact_id": ":contacts"},
    "POST /api/invoices": {"contact_id": ":contacts", "lines": [{"description": "x", "unit_price_cents": 1}]},
    "PATCH /api/invoices/{invoice_id}": {"lines": [{"description": "x", "unit_price_cents": 1}]},
    "POST /api/import-mappings": {"name": "ours", "mapping": {"nick": "organization.dba_name"}},
    "PATCH /api/imports/{import_id}": {"mapping": {}},
    "POST /api/organizations/{organization_id}/contacts": {"first_name": "Ana"},
    "POST /api/clients": {"first_name": "Ana"},
    "POST /api/upsert-person": {"email": "ana@bistro.example"},
    "POST /api/email-messages": {"contact_id": ":contacts", "template": "assessment_results"},
    "POST /api/message-templates": {"key": "spring", "channel": "email", "name": "Spring", "subject": "x", "body_text": "x"},
    "POST /api/message-templates/preview": {"template_id": ":message_templates"},
    "POST /api/contacts/{contact_id}/phones": {"phone": "305 555 0199"},
    "POST /api/integrations/stripe/key": {"ticket": "no.ticket", "restricted_key": "rk_test_sampleSample"},
    "POST /api/person/sign-up": {"email": "ana@bistro.example"},
    "POST /api/person/verify": {"code": "123456"},
    "POST /api/propagate-contact-update": {"person_id": ":contacts", "first_name": "Ann"},
    "POST /api/portal/{slug}/sign-in": {"tenant": ":tenant", "email": "ana@bistro.example"},
    "POST /api/portal/{slug}/sign-in/verify": {"code": "123456"},
    "POST /api/sign-in/email/verify": {"code": "123456"},
}
# What a right request answers when it is neither a 2xx nor a 409 (the row was found, its state does not allow it).
ANSWERS = {
    # Its organization_id is the caller's own tenant, never one of its organizations.
    "POST /api/create-job-with-client": {404},
    "POST /api/person/verify": {401},
    # Its ticket is nobody's.
    "POST /api/integrations/stripe/key": {401},
    # Nobody has signed it.
    "POST /api/webhooks/stripe/{endpoint}": {400},
    "POST /api/portal/{slug}/sign-in/verify": {401},
    "POST /api/sign-in/email/verify": {401},
    "POST /api/sign-in/oidc": {401, 403, 404},
}
CLAIMS = {"iss": "https://id.example", "sub": "nobody", "email": "nobody@staff.example", "email_verified": "true"}


def key(route: Route) -> str:
    """How a route is called in the tables above."""
    return f"{route.method} {route.path}"


def routes(*methods: str) -> list[Any]:
    """The routes with one of these methods, as pytest parameters."""
    import pytest

    return [pytest.param(route, id=key(route)) for route in ROUTES if not methods or route.method in methods]


@dataclass(frozen=True)
class Reply:
    """An answer of the API."""

    status: int
    headers: dict[str, str]
    content: bytes
    cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


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


def reply(answer: Answer) -> Reply:
    cookies = tuple(value for name, value in answer.headers if name == "set-cookie")
    return Reply(answer.status, {name: value for name, value in answer.headers if name != "set-cookie"}, answer.body, cookies)


@functools.cache
def contract() -> dict[str, Any]:
    """The contract as the handlers of this moment have it."""
    return json.loads(openapi.build(ROOT / "template.yaml"))


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
                raise LookupError(f"{key(route)}: tests/routes.py, PARAMETERS does not say whose row {{{name}}} names")
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
                    raise LookupError(f"tests/routes.py, NAMES does not say whose row the field {name} names")
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


def is_problem(answer: Reply) -> bool:
    """Whether an answer is a refusal in the agreed form."""
    if not 400 <= answer.status < 500 or answer.headers.get("content-type") != "application/problem+json":
        return False
    document = answer.json
    faults = document.get("errors", [])
    return (
        document["status"] == answer.status
        and bool(document["code"])
        and all(one["pointer"].startswith("#") and one["code"] for one in faults)
    )


def refused_in_form(answer: Reply) -> bool:
    """Whether an answer is a refusal in the agreed form that also says which field it is about, when it is about one."""
    return is_problem(answer) and (answer.status != 422 or bool(answer.json.get("errors")))


def held_out(answer: Reply) -> bool:
    """Nothing broke: an answer, or a refusal in the agreed form; what the gateway finds no route for, it refuses itself."""
    if answer.status == 404 and answer.content == b'{"message": "Not Found"}':
        return True
    return 200 <= answer.status < 300 or is_problem(answer)


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
