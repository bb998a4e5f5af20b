"""What was agreed for all of the code, executed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clientway.access import PERMISSIONS
from clientway.local import openapi
from clientway.local.template import read

ROOT = Path(__file__).parents[1]
TEMPLATE = read(ROOT / "template.yaml")
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

    assert routed - described == {("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/sign-in")}
    assert described <= routed


def test_operation_ids_are_unique():
    document = json.loads(openapi.DOCUMENT.read_text())
    ids = [operation["operationId"] for operations in document["paths"].values() for operation in operations.values()]

    assert sorted(set(ids)) == sorted(ids)


def test_every_queue_has_a_dead_letter_queue_and_outlasts_its_consumer():
    dead = {queue.dead_letter for queue in TEMPLATE.queues}
    timeouts = {function.handler: function.timeout for function in TEMPLATE.functions}
    for consumer in TEMPLATE.consumers:
        queue = next(queue for queue in TEMPLATE.queues if queue.name == consumer.queue)
        assert queue.dead_letter
        assert queue.max_receive_count == 5
        assert queue.visibility_timeout >= 6 * timeouts[consumer.handler]
        assert consumer.report_batch_item_failures
    assert {queue.name for queue in TEMPLATE.queues if not queue.dead_letter} <= dead


def test_what_handlers_ask_for_is_in_the_role_matrix():
    asked = {part.split('"')[1] for path in (ROOT / "functions").rglob("*.py") for part in path.read_text().split("needs=")[1:]}

    assert asked <= set(PERMISSIONS)


def test_the_package_initialisers_are_empty():
    assert [str(path) for path in (ROOT / "shared").rglob("__init__.py") if path.read_text().strip()] == []


def test_the_template_is_valid_for_sam():
    sam = ROOT / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        pytest.skip("the SAM CLI is not installed; make test installs it")
    done = subprocess.run([str(sam), "validate", "--lint"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
