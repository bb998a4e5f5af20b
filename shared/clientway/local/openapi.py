"""`make openapi`: the contract, merged from every handler of template.yaml and checked in beside the code.

Powertools' own merge lets one model overwrite another of the same name; here that is an error.
"""

import importlib
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from clientway.http import ETAG, IDEMPOTENCY_KEY, Api
from clientway.local.openapi_texts import CREDENTIALS, DESCRIPTION, GATEWAY_ANSWER, GROUPS, PROBLEM, REFUSALS, VALUES, parameter_description
from clientway.local.template import read

DOCUMENT = Path(__file__).parents[1] / "operations" / "openapi.json"
EXAMPLES = Path(__file__).with_name("examples.json")
_IF_MATCH = {
    "name": "If-Match", "in": "header", "required": True, "description": "The ETag that was read.", "example": '"1"',
    "schema": {"type": "string", "pattern": ETAG.pattern},
}  # fmt: skip
# Without an example: the page to try things on would send it each time, and be answered as the first time.
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key", "in": "header",
    "description": "Any text of your own, a UUID say: with the same key the request has its effect once in 72 hours.",
    "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY.pattern},
}  # fmt: skip
_REF = re.compile(r"#/components/schemas/(\w+)")
_TYPES = {str: "string", int: "integer"}
_SUCCESS = {"200": "Done", "201": "Created", "202": "Accepted, and goes on in the background", "204": "Done; there is nothing to return"}


def build(template: Path) -> str:
    """The OpenAPI 3.1 document of all functions of a template, as JSON text. Raises ValueError for two models of one name."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Clientway",
            "version": "1",
            "description": DESCRIPTION,
        },
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": description} for name, description in GROUPS.items()],
        "paths": {},
        "components": {
            "schemas": {"Problem": PROBLEM},
            "responses": {refusal.name: refusal.response() for refusal in REFUSALS.values()},
            "securitySchemes": CREDENTIALS,
        },
    }
    bodies: dict[str, Any] = {}
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
                if "requestBody" in operation:
                    bodies[operation["operationId"]] = operation["requestBody"]
                if name in verified:
                    operation["security"] = [{"identityProvider": []}]
                    refusal = REFUSALS["401"].response()
                    operation["responses"]["401"] = {**refusal, "content": {**refusal["content"], "application/json": GATEWAY_ANSWER}}
                document["paths"].setdefault(path.replace("<", "{").replace(">", "}"), {})[method] = operation
                unknown = set(operation["tags"]) - set(GROUPS)
                if unknown:
                    message = f"{name} is in a group that has no description: {', '.join(sorted(unknown))}"
                    raise ValueError(message)
        _add_schemas(document["components"]["schemas"], part.get("components", {}).get("schemas", {}), name)
    _show_examples(bodies)
    _show_values(document["components"]["schemas"], bodies)
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _add_schemas(known: dict[str, Any], more: dict[str, Any], module: str) -> None:
    for name, schema in more.items():
        if name in ("HTTPValidationError", "ValidationError"):
            continue
        _close(schema)
        if known.setdefault(name, schema) != schema:
            message = f"two different models are called {name}; the second is in {module}"
            raise ValueError(message)


def _close(schema: Any) -> None:
    """Say that keys which follow a pattern are all the keys there are: pydantic refuses others and does not write it down."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema.setdefault("additionalProperties", False)
        for member in schema.values():
            _close(member)
    elif isinstance(schema, list):
        for member in schema:
            _close(member)


def _show_examples(bodies: dict[str, Any]) -> None:
    """Give each body what a reader can send as it is: what a page makes up from a pattern is noise."""
    examples = json.loads(EXAMPLES.read_text())
    if lacking := bodies.keys() ^ examples.keys():
        message = f"{EXAMPLES.name} has one body for each operation that takes one; not so: {', '.join(sorted(lacking))}"
        raise ValueError(message)
    for name, body in bodies.items():
        for content in body["content"].values():
            content["example"] = examples[name]


def _show_values(schemas: dict[str, Any], bodies: dict[str, Any]) -> None:
    """Give members of answers values as they are met with. Requests have whole bodies for examples."""
    asked, left = set[str](), [bodies]
    while left:
        named = set(_REF.findall(json.dumps(left.pop()))) - asked
        asked |= named
        left += [schemas[name] for name in named]
    for name in schemas.keys() - asked:
        for member, schema in schemas[name].get("properties", {}).items():
            if member in VALUES and any(one.get("type") == _TYPES[type(VALUES[member])] for one in (schema, *schema.get("anyOf", ()))):
                schema["examples"] = [VALUES[member]]


def _complete(operation: dict[str, Any], method: str, module: ModuleType) -> None:
    """Add what a handler has from the edge; which of it, its imports say."""
    matches = method in ("patch", "put", "delete") and hasattr(module, "if_match")
    responses = operation["responses"]
    responses.get("204", {}).pop("content", None)
    for status, response in responses.items():
        if response["description"] == "Successful Response":
            response["description"] = _SUCCESS[status]
    for status, refusal in REFUSALS.items():
        if refusal.given(matches=matches, body="requestBody" in operation):
            responses[status] = {"$ref": f"#/components/responses/{refusal.name}"}
    open_to_all = not (hasattr(module, "transaction") or hasattr(module, "personal"))
    if open_to_all:
        operation["security"] = []
    elif method == "post" and not hasattr(module, "personal"):
        key = {**_IDEMPOTENCY_KEY, "required": hasattr(module, "require_idempotency_key")}
        operation.setdefault("parameters", []).append(key)
    if matches:
        operation.setdefault("parameters", []).append(_IF_MATCH)
    for parameter in operation.get("parameters", []):
        _describe(parameter, operation["tags"][0])


def _describe(parameter: dict[str, Any], group: str) -> None:
    if not parameter.get("description"):
        parameter["description"] = parameter_description(parameter["name"], parameter["in"], group)
    if parameter["in"] == "query":
        forms = (parameter["schema"], *parameter["schema"].get("anyOf", ()))
        for schema in (*forms, *(one["items"] for one in forms if "items" in one)):
            if schema.get("type") == "string" and not {"enum", "format", "pattern"} & schema.keys():
                # The edge takes no NUL in a query, as no text in a body has one.
                schema["pattern"] = "^[^\\x00]*$"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(build(Path("template.yaml")))


if __name__ == "__main__":
    main()
