"""`make openapi`: the contract, merged from every handler of template.yaml and checked in beside the code.

Powertools' own merge lets one model overwrite another of the same name; here that is an error.
"""

import importlib
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from clientway.http import ETAG, IDEMPOTENCY_KEY, Api
from clientway.local.template import read

DOCUMENT = Path(__file__).parents[1] / "operations" / "openapi.json"
_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "The request's id."},
        "code": {"type": "string", "description": "Stable and machine-readable."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
    "additionalProperties": True,
}
_REFUSALS = {
    "400": "Malformed: JSON, path or query",
    "401": "No credential, or none that is valid",
    "403": "Known, but not allowed",
    "404": "Absent, or another tenant's",
    "409": "The state does not allow it; says what would be legal",
    "422": "The body breaks a rule; every error has a pointer",
    "429": "Too many requests",
    "503": "The database is away; see Retry-After",
}
_WITH_MATCH = {"412": "Stale If-Match; carries the current ETag", "428": "If-Match is missing"}
_WITH_BODY = {"413": "The body is too large", "415": "The body is not application/json"}
_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "description": "The ETag that was read.",
    "schema": {"type": "string", "pattern": ETAG.pattern},
}  # fmt: skip
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header", "description": "Makes a retry safe for 72 h.",
    "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY.pattern},
}  # fmt: skip
_BEARER = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, a session, a contact's in the portal, or a person's own."},
    "identityProvider": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An ID token, which the gateway verifies.",
    },
}
# What API Gateway itself answers.
_GATEWAY = {"schema": {"type": "object", "required": ["message"], "properties": {"message": {"type": "string"}}}}

# In the order in which a client travels; a group that is not named here is an error.
_GROUPS = {
    "Imports": "Bring lists in: upload, preview, commit, undo.",
    "Organizations": "The companies you sell to.",
    "Locations": "Where they are, and what is known of each place.",
    "Contacts": "The people there.",
    "Clients": "Those contacts as clients: all of them in numbers, one by what happened, any by what is known.",
    "Custom fields": "What you want to know of contacts beyond what everybody has.",
    "Households": "Who lives together.",
    "Merges": "Two contacts that are one person, made one, and two again.",
    "Lifecycle": "From lead to client, with every step on record.",
    "Timeline": "What happened, newest first, never changed.",
    "Deals": "Expected revenue, and the quotes for it.",
    "Client accounts": "Who pays: plan, hours, revenue, and a health score that explains itself.",
    "Services": "What you do for clients, how long it takes and what it costs.",
    "Jobs": "Work at a time and a place: booked, moved, done, repeated.",
    "Invoices": "What clients owe, and by when.",
    "Payments": "What is due and what came in.",
    "Disputes": "Money that somebody wants back through their bank.",
    "Reminders": "What clients are told of jobs to come and invoices that are due: planned, sent, called off.",
    "Segments": "Groups of people: listed by hand, by what is known of them, or as they stood at a time.",
    "Campaigns": "One message to many: looked at first, sent to each once, and stopped where it does harm.",
    "Messages": "Templates, single mails, and how you write to clients.",
    "Suppressions": "Addresses that nothing is sent to.",
    "Tickets": "What clients ask for, and how satisfied they were with the answer.",
    "Surveys": "How likely they are to recommend you.",
    "Referrals": "Whom they have sent to you.",
    "Reps": "Who looks after whom.",
    "Portal": "What a contact sees.",
    "Persons": "What people see of themselves over all who serve them.",
    "Sign-in": "One-time links, codes and OIDC.",
    "Stripe": "Your account there, and what comes from it.",
    "Members": "Your colleagues and their roles.",
    "API keys": "Machines that act for you.",
    "Operations": "Whether all is up.",
}


def build(template: Path) -> str:
    """The OpenAPI 3.1 document of all functions of a template, as JSON text. Raises ValueError for two models of one name."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Clientway",
            "version": "1",
            "description": "From raw lead to paying, healthy, returning client. Send `Authorization: Bearer <API key or session>`.",
        },
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": description} for name, description in _GROUPS.items()],
        "paths": {},
        "components": {"schemas": {"Problem": _PROBLEM}, "securitySchemes": _BEARER},
    }
    routes = read(template).routes
    verified = {route.handler.rsplit(".", 1)[0] for route in routes if route.authorizer}
    for name in sorted({route.handler.rsplit(".", 1)[0] for route in routes}):
        module = importlib.import_module(name)
        app: Api = module.app
        for route in (*app._static_routes, *app._dynamic_routes):  # noqa: SLF001  (Powertools does not look at docstrings)
            route.description = inspect.getdoc(route.func)
        part = json.loads(app.get_openapi_json_schema(title="Clientway", version="1"))
        for path, operations in part.get("paths", {}).items():
            for method, operation in operations.items():
                _complete(operation, method, module)
                if name in verified:
                    operation["security"] = [{"identityProvider": []}]
                    operation["responses"]["401"]["content"]["application/json"] = _GATEWAY
                document["paths"].setdefault(path.replace("<", "{").replace(">", "}"), {})[method] = operation
                unknown = set(operation["tags"]) - set(_GROUPS)
                if unknown:
                    message = f"{name} is in a group that has no description: {', '.join(sorted(unknown))}"
                    raise ValueError(message)
        _add_schemas(document["components"]["schemas"], part.get("components", {}).get("schemas", {}), name)
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _add_schemas(known: dict[str, Any], more: dict[str, Any], module: str) -> None:
    for name, schema in more.items():
        if name in ("HTTPValidationError", "ValidationError"):
            continue
        if known.setdefault(name, schema) != schema:
            message = f"two different models are called {name}; the second is in {module}"
            raise ValueError(message)


def _complete(operation: dict[str, Any], method: str, module: ModuleType) -> None:
    """Add what a handler has from the edge; which of it, its imports say."""
    matches = method in ("patch", "put", "delete") and hasattr(module, "if_match")
    responses = operation["responses"]
    responses.get("204", {}).pop("content", None)
    refusals = {**_REFUSALS, **(_WITH_MATCH if matches else {}), **(_WITH_BODY if "requestBody" in operation else {})}
    for status, meaning in refusals.items():
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        responses[status] = {"description": meaning, "content": content}
    open_to_all = not (hasattr(module, "transaction") or hasattr(module, "personal"))
    if open_to_all:
        operation["security"] = []
    elif method == "post" and not hasattr(module, "personal"):
        key = {**_IDEMPOTENCY_KEY, "required": hasattr(module, "require_idempotency_key")}
        operation.setdefault("parameters", []).append(key)
    if matches:
        operation.setdefault("parameters", []).append(_IF_MATCH)
    for parameter in operation.get("parameters", []):
        for schema in (parameter["schema"], *parameter["schema"].get("anyOf", ())):
            if parameter["in"] == "query" and schema.get("type") == "string" and not {"enum", "format", "pattern"} & schema.keys():
                # The edge takes no NUL in a query, as no text in a body has one.
                schema["pattern"] = "^[^\\x00]*$"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(build(Path("template.yaml")))


if __name__ == "__main__":
    main()
