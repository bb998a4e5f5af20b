"""Reads `template.yaml`: routes, queues, consumers and schedules run locally exactly as they are deployed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

try:
    from yaml import CSafeLoader as SafeLoader  # a tenth of the time, where PyYAML was built with libyaml
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

DEFAULT_VISIBILITY_SECONDS = 30
DEFAULT_TIMEOUT_SECONDS = 3


class TemplateError(ValueError):
    """The template says something that cannot be run locally; the message names the place."""


@dataclass(frozen=True)
class Route:
    """One method and path of the HTTP API; `path` is None for the `$default` route."""

    function: str
    handler: str
    method: str
    path: str | None
    authorizer: str | None = None


@dataclass(frozen=True)
class QueueConsumer:
    """One queue feeding one function; `queue` is the logical id of the queue."""

    function: str
    handler: str
    queue: str
    batch_size: int = 10
    report_batch_item_failures: bool = False


@dataclass(frozen=True)
class Schedule:
    """One schedule starting one function; `payload` replaces the usual event when the template gives an Input."""

    function: str
    handler: str
    expression: str
    timezone: str = "UTC"
    payload: str | None = None


@dataclass(frozen=True)
class Queue:
    """A queue by its logical id; after `max_receive_count` deliveries a message moves to the queue `dead_letter`."""

    name: str
    visibility_timeout: int = DEFAULT_VISIBILITY_SECONDS
    dead_letter: str | None = None
    max_receive_count: int | None = None
    fifo: bool = False


@dataclass(frozen=True)
class Function:
    """A function with its own and the Globals' environment, intrinsics unresolved, and its time limit in seconds."""

    name: str
    handler: str
    timeout: int
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """All that the local stack needs of a SAM template."""

    functions: tuple[Function, ...] = ()
    routes: tuple[Route, ...] = ()
    consumers: tuple[QueueConsumer, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    queues: tuple[Queue, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    def named(self, kind: str) -> list[str]:
        """Return the logical ids of the resources of one CloudFormation type."""
        return [name for name, type_ in self.resources.items() if type_ == kind]

    def environment(self, function: Function, known: Mapping[str, str]) -> dict[str, str]:
        """Resolve a function's environment with the attributes of local resources ("Queue" for a Ref, "Queue.Arn" for an attribute).

        A variable that names something with no local counterpart (a cluster, a secret of the account) is left out.
        """
        values = {**self.parameters, **known}
        resolved = {name: _resolve(value, values) for name, value in function.environment.items()}
        return {name: value for name, value in resolved.items() if value is not None}


def read(path: Path) -> Template:
    """Read a template file. Raises TemplateError when it is not a template or uses an event type that is not supported."""
    return parse(path.read_text())


def parse(text: str) -> Template:
    """Read the text of a template; see `read`."""
    document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader that also knows CloudFormation's tags
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise TemplateError("The template has no Resources.")
    resources: dict[str, dict[str, Any]] = document["Resources"]
    defaults = document.get("Globals", {}).get("Function", {})
    parameters = {name: str(spec["Default"]) for name, spec in document.get("Parameters", {}).items() if "Default" in spec}
    # Conditions stand among the values, under a name that no parameter has: `!If` looks there.
    for name, condition in document.get("Conditions", {}).items():
        parameters[f"?{name}"] = str(_holds(condition, parameters, document["Conditions"])).lower()
    functions: list[Function] = []
    events: list[QueueConsumer | Schedule | None] = []
    for name, resource in resources.items():
        if resource.get("Type") != "AWS::Serverless::Function":
            continue
        properties = resource.get("Properties", {})
        function = _function(name, properties, defaults, parameters)
        functions.append(function)
        for event_name, event in properties.get("Events", {}).items():
            place, kind, details = f"{name}.Events.{event_name}", event["Type"], event.get("Properties", {})
            if kind == "SQS":
                events.append(_consumer(place, function, details, parameters))
            elif kind in {"ScheduleV2", "Schedule"}:
                events.append(_schedule(place, function, details, parameters))
            elif kind == "CloudWatchLogs":
                # Nothing keeps logs here: what lines in them would start is started every now and then.
                every_now_and_then = Schedule(function.name, function.handler, "rate(1 minute)")
                events += [every_now_and_then] if every_now_and_then not in events else []
            else:
                raise TemplateError(f"{place}: events of type {kind} do not run locally.")
    return Template(
        functions=tuple(functions),
        routes=tuple(_routes(resources, {function.name: function.handler for function in functions})),
        consumers=tuple(event for event in events if isinstance(event, QueueConsumer)),
        schedules=tuple(event for event in events if isinstance(event, Schedule)),
        queues=tuple(_queues(resources, parameters)),
        resources={name: str(resource.get("Type")) for name, resource in resources.items()},
        parameters=parameters,
    )


class _Loader(SafeLoader):
    """SafeLoader with CloudFormation's short forms: `!Ref X` becomes {"Ref": "X"}, `!Name v` becomes {"Fn::Name": v}."""


def _construct_tag(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TemplateError(f"Unreadable !{suffix}.")
    if suffix in {"Ref", "Condition"}:
        return {suffix: value}
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _construct_tag)


def _function(name: str, properties: Mapping[str, Any], defaults: Mapping[str, Any], parameters: Mapping[str, str]) -> Function:
    handler = _resolve(properties.get("Handler", defaults.get("Handler")), parameters)
    if not handler:
        raise TemplateError(f"{name} has no Handler.")
    timeout = _resolve(properties.get("Timeout", defaults.get("Timeout", DEFAULT_TIMEOUT_SECONDS)), parameters)
    environment = {**defaults.get("Environment", {}).get("Variables", {}), **properties.get("Environment", {}).get("Variables", {})}
    return Function(name, handler, int(timeout or DEFAULT_TIMEOUT_SECONDS), environment)


def _routes(resources: Mapping[str, Mapping[str, Any]], handlers: Mapping[str, str]) -> Iterator[Route]:
    """Read the paths of the APIs' definitions: which function an operation goes to is in its integration's URI."""
    for name, resource in resources.items():
        if resource.get("Type") != "AWS::Serverless::HttpApi":
            continue
        body = resource.get("Properties", {}).get("DefinitionBody", {})
        for path, operations in body.get("paths", {}).items():
            for method, operation in operations.items():
                place = f"{name}: {method} {path}"
                match operation:
                    case {"x-amazon-apigateway-integration": {"uri": {"Fn::Sub": str(uri)}}}:
                        function = uri.rpartition("/functions/${")[2].removesuffix(".Arn}/invocations")
                    case _:
                        raise TemplateError(f"{place} has no integration with a function.")
                if function not in handlers:
                    raise TemplateError(f"{place} goes to {function}, which is no function here.")
                # An empty list says that the default does not hold.
                security = operation.get("security", body.get("security", []))
                yield Route(
                    function,
                    handlers[function],
                    "ANY" if method == "x-amazon-apigateway-any-method" else method.upper(),
                    None if path.strip("/") == "$default" else path,
                    next((str(scheme) for requirement in security for scheme in requirement), None),
                )


def _consumer(place: str, function: Function, details: Mapping[str, Any], parameters: Mapping[str, str]) -> QueueConsumer:
    return QueueConsumer(
        function.name,
        function.handler,
        _logical_id(place, details.get("Queue")),
        int(_resolve(details.get("BatchSize", 10), parameters) or 10),
        "ReportBatchItemFailures" in details.get("FunctionResponseTypes", []),
    )


def _schedule(place: str, function: Function, details: Mapping[str, Any], parameters: Mapping[str, str]) -> Schedule | None:
    expression = _resolve(details.get("ScheduleExpression", details.get("Schedule")), parameters)
    if not expression:
        raise TemplateError(f"{place} has no schedule expression.")
    if details.get("State") == "DISABLED" or details.get("Enabled") is False:
        return None
    timezone = _resolve(details.get("ScheduleExpressionTimezone", "UTC"), parameters) or "UTC"
    return Schedule(function.name, function.handler, expression, timezone, _resolve(details.get("Input"), parameters))


def _queues(resources: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, str]) -> Iterator[Queue]:
    for name, resource in resources.items():
        if resource.get("Type") != "AWS::SQS::Queue":
            continue
        properties = resource.get("Properties", {})
        visibility = _resolve(properties.get("VisibilityTimeout"), parameters)
        redrive = properties.get("RedrivePolicy")
        yield Queue(
            name,
            DEFAULT_VISIBILITY_SECONDS if visibility is None else int(visibility),
            _logical_id(f"{name}.RedrivePolicy", redrive.get("deadLetterTargetArn")) if redrive else None,
            int(_resolve(redrive.get("maxReceiveCount"), parameters) or 1) if redrive else None,
            fifo=bool(properties.get("FifoQueue", False)),
        )


def _logical_id(place: str, value: object) -> str:
    if isinstance(value, dict) and isinstance(value.get("Fn::GetAtt"), list):
        return str(value["Fn::GetAtt"][0])
    raise TemplateError(f"{place}: expected !GetAtt <queue>.Arn, found {value!r}.")


def _resolve(value: Any, values: Mapping[str, str]) -> str | None:  # noqa: PLR0911  one line for each form
    """Return the text of a scalar, or of a Ref, GetAtt, Sub, Join or If of known names; None when something in it is unknown."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case str() | int() | float():
            return str(value)
        case {"Ref": str(name)}:
            return values.get(name)
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return values.get(f"{name}.{attribute}")
        case {"Fn::Sub": str(pattern)}:
            return _substitute(pattern, values)
        case {"Fn::If": [str(name), yes, no]}:
            return _resolve(yes if values.get(f"?{name}") == "true" else no, values)
        case {"Fn::Join": [str(separator), {"Ref": str(name)}]}:
            return separator.join(values[name].split(",")) if name in values else None
        case {"Fn::Join": [str(separator), list(parts)]}:
            resolved = [_resolve(part, values) for part in parts]
            return None if None in resolved else separator.join(str(part) for part in resolved)
        case _:
            return None


def _holds(condition: Any, values: Mapping[str, str], conditions: Mapping[str, Any]) -> bool:
    """Whether a condition holds for the parameters' defaults."""
    match condition:
        case {"Fn::Equals": [one, other]}:
            return _resolve(one, values) == _resolve(other, values)
        case {"Fn::Not": [inner]}:
            return not _holds(inner, values, conditions)
        case {"Fn::And": list(parts)}:
            return all(_holds(part, values, conditions) for part in parts)
        case {"Fn::Or": list(parts)}:
            return any(_holds(part, values, conditions) for part in parts)
        case {"Condition": str(name)} if name in conditions:
            return _holds(conditions[name], values, conditions)
        case _:
            raise TemplateError(f"A condition that is not understood: {condition!r}.")


def _substitute(pattern: str, values: Mapping[str, str]) -> str | None:
    text, rest = "", pattern
    while "${" in rest:
        before, _, rest = rest.partition("${")
        name, _, rest = rest.partition("}")
        if name.startswith("!"):
            value: str | None = f"${{{name[1:]}}}"
        else:
            value = values.get(name)
        if value is None:
            return None
        text += before + value
    return text + rest
