"""What was agreed for all of the code, executed."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import BaseModel

from clientway.access import PERMISSIONS
from clientway.local import openapi, template

ROOT = Path(__file__).parents[1]
TEMPLATE = template.read(ROOT / "template.yaml")
FUNCTIONS = sorted(function.handler.removesuffix(".handler") for function in TEMPLATE.functions)
API = sorted({route.handler.removesuffix(".handler") for route in TEMPLATE.routes})
# What a request never needs at its start: each costs 0.1 s and more of a cold start.
# (Powertools itself looks for the bare package botocore, which is empty: 0.4 ms.)
HEAVY = ("boto3", "botocore.client", "stripe", "sqlalchemy.orm", "phonenumbers", "requests", "clientway.local")


def test_every_module_is_deployed_and_every_function_has_a_module():
    modules = sorted(
        str(path.relative_to(ROOT / "functions").with_suffix("")).replace("/", ".") for path in (ROOT / "functions").rglob("*.py")
    )

    assert modules == FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_its_sample_event(function):
    event = json.loads((ROOT / "events" / f"{function.replace('.', '/')}.json").read_text())
    routes = [f"{route.method.upper()} {route.path}" for route in TEMPLATE.routes if route.handler == f"{function}.handler"]

    assert not routes or event["routeKey"] in routes


def test_every_sample_event_belongs_to_a_function():
    events = sorted(str(path.relative_to(ROOT / "events").with_suffix("")).replace("/", ".") for path in (ROOT / "events").rglob("*.json"))

    assert set(events) <= set(FUNCTIONS)


def test_no_handler_loads_what_it_does_not_need():
    # One process for all: what any of them loads, shows.
    program = "import importlib, json, sys\n" + "".join(f"importlib.import_module({name!r})\n" for name in API)
    program += f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": f"{ROOT / 'functions'}:{ROOT / 'shared'}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_contract_is_current():
    assert openapi.build(ROOT / "template.yaml") == openapi.DOCUMENT.read_text(), "run make openapi"


def test_the_contract_has_every_route_and_no_other():
    document = json.loads(openapi.DOCUMENT.read_text())
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    routed = {(route.method.upper(), route.path) for route in TEMPLATE.routes}

    pages = {("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/sign-in"), ("GET", "/u/{token}"), ("POST", "/u/{token}")}
    assert routed - described == pages
    assert described <= routed


def test_every_operation_is_described_and_named_once():
    document = json.loads(openapi.DOCUMENT.read_text())
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]

    assert sorted(set(ids)) == sorted(ids)
    assert [one["operationId"] for one in operations if not (one.get("summary") and one.get("description") and one.get("tags"))] == []
    assert [one["operationId"] for one in operations if any(not said.get("description") for said in one.get("parameters", ()))] == []


def test_the_contract_says_that_no_other_keys_are_taken_where_they_follow_a_pattern():
    found = []

    def look(schema):
        found.extend([schema] if "patternProperties" in schema else [])
        return schema

    json.loads(openapi.DOCUMENT.read_text(), object_hook=look)

    assert len(found) >= 4
    assert [one for one in found if one.get("additionalProperties") is not False] == []


def test_the_example_of_every_body_is_one_that_its_handler_takes():
    examples = json.loads(openapi.EXAMPLES.read_text())
    for module in API:
        app = importlib.import_module(module).app
        for route in (*app._static_routes, *app._dynamic_routes):
            hints = get_type_hints(route.func)
            hints.pop("return")
            for model in (one for one in hints.values() if isinstance(one, type) and issubclass(one, BaseModel)):
                model.model_validate_json(json.dumps(examples.pop(route.operation_id)))

    assert examples == {}


def test_what_handlers_ask_for_is_in_the_role_matrix():
    asked = {part.split('"')[1] for path in (ROOT / "functions").rglob("*.py") for part in path.read_text().split("needs=")[1:]}

    assert asked <= set(PERMISSIONS)


def test_the_package_initialisers_are_empty():
    assert [str(path) for path in (ROOT / "shared").rglob("__init__.py") if path.read_text().strip()] == []


def test_no_module_is_longer_than_can_be_read():
    lengths = {path: len(path.read_text().splitlines()) for folder in ("shared", "functions") for path in (ROOT / folder).rglob("*.py")}

    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > 400} == {}


def test_nothing_tracked_names_a_machine_or_a_registry():
    # Locks carry hashes and no index; paths are relative to the checkout.
    told = re.compile(
        r"(?<![\w.:/-])/(?:work|root|Users|home/\w+)/|pypi\.[o]rg|python[h]osted|--(?:extra-)?index-url\b(?<!no-emit-index-url)"
    )
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    found = {str(path.relative_to(ROOT)): hit[0] for path in files if (hit := told.search(path.read_bytes().decode("utf-8", "replace")))}

    assert found == {}


def test_the_database_is_told_no_time_zone():
    # What somebody chose would decide there (design 2, decision 14): local times are worked out in Python, the database has UTC.
    told = re.compile(
        r"(?i)at\s+time\s+zone\s++(?!'UTC')[^\n]*|\btimezone\s*\([^\n]*|\bset\s+(?:local\s+)?time\s?zone[\s=]++(?!'+UTC)[^\n]*"
    )
    files = [path for kind in ("*.sql", "*.py") for path in (ROOT / "shared").rglob(kind)]
    found = {path.name: hits for path in files if (hits := told.findall(path.read_text()))}

    assert len(files) > 300
    assert found == {}


def test_choices_are_named_in_one_order():
    # To Python, Literals of the same choices are one and the same, in the order of whichever was imported first: so would the contract be.
    orders: dict[frozenset[str], set[tuple[str, ...]]] = {}
    for file in [*(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal" and isinstance(node.slice, ast.Tuple):
                choices = tuple(ast.unparse(one) for one in node.slice.elts)
                orders.setdefault(frozenset(choices), set()).add(choices)
    assert len(orders) > 30
    assert [found for found in orders.values() if len(found) > 1] == []
