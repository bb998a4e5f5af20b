"""Real Lambda handlers, called with their sample events as a tenant's admin."""

import importlib
import json
from typing import Any
from urllib.parse import urlencode

from tests.fixtures import EVENTS, LambdaContext, Tenant


def event(function: str, tenant: Tenant, **path: object) -> dict[str, Any]:
    """The sample event of a function, with the tenant's credential and these parameters in its path."""
    found: dict[str, Any] = json.loads((EVENTS / f"{function}.json").read_text())
    found["headers"]["authorization"] = f"Bearer {tenant.admin}"
    template = found["routeKey"].split(" ", 1)[1]
    for name, value in path.items():
        template = template.replace("{" + name + "}", str(value))
    found["pathParameters"] = {name: str(value) for name, value in path.items()} or None
    found["rawPath"] = found["requestContext"]["http"]["path"] = template
    return found


def asking(sample: dict[str, Any], method: str, *, query: dict[str, object] | None = None, body: object = None) -> dict[str, Any]:
    """The event with another method, query and body."""
    found = {**sample, "requestContext": {**sample["requestContext"], "http": {**sample["requestContext"]["http"], "method": method}}}
    found["queryStringParameters"] = {name: str(value) for name, value in (query or {}).items()}
    found["rawQueryString"] = urlencode(found["queryStringParameters"])
    found["body"] = None if body is None else json.dumps(body)
    return found


def call(function: str, given: dict[str, Any]) -> str:
    """What the function answers. Raises RuntimeError when it refuses."""
    answer = importlib.import_module(function.replace("/", ".")).handler(given, LambdaContext())
    if answer["statusCode"] >= 400:  # noqa: PLR2004
        raise RuntimeError(answer["body"])
    return str(answer["body"])
