"""template.yaml as the infrastructure's tests read it: the file itself, and what SAM makes of it."""

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from clientway.local import template

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "template.yaml").read_text()
DOCUMENT = yaml.load(TEXT, Loader=template._Loader)
TEMPLATE = template.parse(TEXT)
RESOURCES: dict[str, dict[str, Any]] = DOCUMENT["Resources"]
FUNCTIONS = {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == "AWS::Serverless::Function"}
GLOBALS = DOCUMENT["Globals"]["Function"]
NONE = {"Ref": "AWS::NoValue"}
DATABASE_ROLES = {"ApiRole", "ConsumerRole", "MessengerRole", "SchedulerRole", "MigratorRole"}


def of_type(*types: str) -> dict[str, dict[str, Any]]:
    """The resources of these types by their names."""
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] in types}


def role(function: str) -> str:
    """The role that a function acts in."""
    return str(FUNCTIONS[function]["Role"]["Fn::GetAtt"][0])


def environment(function: str) -> dict[str, Any]:
    """The variables that a function gets, its own before the Globals'."""
    own = FUNCTIONS[function].get("Environment", {}).get("Variables", {})
    return {name: value for name, value in {**GLOBALS["Environment"]["Variables"], **own}.items() if value != NONE}


def statements(value: Any) -> Iterator[dict[str, Any]]:
    """The policy statements anywhere in a value, those behind a condition too."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for inner in value.values():
            yield from statements(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from statements(inner)


def references(value: Any) -> set[str]:
    """The names that a value refers to."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            match key, inner:
                case "Ref", str():
                    found.add(inner)
                case "Fn::GetAtt", [str(name), _]:
                    found.add(name)
                case "Fn::Sub", str():
                    found |= {part.partition(".")[0] for part in re.findall(r"\$\{(\w[\w.:]*)\}", inner)}
                case "Fn::Sub", [str(pattern), dict()]:
                    found |= references({"Fn::Sub": pattern}) | references(inner[1])
                case _:
                    found |= references(inner)
    elif isinstance(value, list):
        for inner in value:
            found |= references(inner)
    return found


@cache
def expanded() -> dict[str, Any]:
    """What SAM makes of the template, computed by the SAM CLI's own translator in its own environment."""
    python = ROOT / ".venv-sam" / "bin" / "python"
    if not python.exists():
        pytest.skip("the SAM CLI is not installed; make test installs it")
    program = """
import json, os, sys
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
document = yaml_parse(sys.stdin.read())
document["Globals"]["Function"]["CodeUri"] = "s3://bucket/functions"
for resource in document["Resources"].values():
    if resource["Type"] == "AWS::Serverless::LayerVersion":
        resource["Properties"]["ContentUri"] = "s3://bucket/layer"
print(json.dumps(Translator({}, Parser()).translate(document, {})))
"""
    done = subprocess.run([str(python), "-c", program], input=TEXT, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def listed(value: Any) -> list[Any]:
    """What may stand alone, as a list."""
    return value if isinstance(value, list) else [value]


def deployed(**parameters: str) -> dict[str, Any]:
    """What CloudFormation makes of the expanded template with these parameters: conditions and `If`s resolved."""
    document = expanded()
    values = {name: str(one["Default"]) for name, one in document["Parameters"].items()} | parameters
    for name, condition in document["Conditions"].items():
        values[f"?{name}"] = str(template._holds(condition, values, document["Conditions"])).lower()

    def pruned(value: Any) -> Any:
        match value:
            case {"Fn::If": [name, yes, no]}:
                return pruned(yes if values[f"?{name}"] == "true" else no)
            case dict():
                return {key: kept for key, inner in value.items() if (kept := pruned(inner)) != NONE}
            case list():
                return [kept for inner in value if (kept := pruned(inner)) != NONE]
            case _:
                return value

    def made(resource: Any) -> bool:
        return "Condition" not in resource or values[f"?{resource['Condition']}"] == "true"

    return {part: {name: pruned(one) for name, one in document[part].items() if made(one)} for part in ("Resources", "Outputs")}
