"""What was agreed for template.yaml, executed: its functions, queues, schedules and alarms."""

import ast
import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from clientway.config import TIMEOUTS
from clientway.engines import PATCHED
from tests.sam import (
    DATABASE_ROLES,
    DOCUMENT,
    FUNCTIONS,
    GLOBALS,
    NONE,
    RESOURCES,
    ROOT,
    TEMPLATE,
    environment,
    expanded,
    listed,
    of_type,
    references,
    role,
)

MOST_RESOURCES = 450
"""Of AWS's 500; SAM makes a role of each schedule, and would make a permission of each route that is a function's event."""


# ---- The whole


def test_the_template_is_valid_for_sam():
    sam = ROOT / ".venv-sam" / "bin" / "sam"
    if not sam.exists():
        pytest.skip("the SAM CLI is not installed; make test installs it")
    done = subprocess.run([str(sam), "validate", "--lint"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_what_sam_makes_of_it_stays_within_the_budget():
    made = expanded()

    assert 150 < len(made["Resources"]) <= MOST_RESOURCES
    assert len(made["Outputs"]) <= 200
    assert len(made["Parameters"]) <= 200
    # CloudFormation's limit on a template is 1 MB.
    assert len(json.dumps(made)) < 800_000
    assert made["Rules"] == DOCUMENT["Rules"]


def test_nothing_waits_for_itself():
    made = expanded()["Resources"]
    waits = {
        name: (references(resource.get("Properties", {})) | set(listed(resource.get("DependsOn", [])))) & set(made)
        for name, resource in made.items()
    }
    while free := [name for name, needs in waits.items() if not needs]:
        for name in free:
            del waits[name]
        waits = {name: needs - set(free) for name, needs in waits.items()}

    assert waits == {}


def test_two_stacks_fit_into_one_account():
    names = {
        "Name",
        "Domain",
        "DBProxyName",
        "FunctionName",
        "RoleName",
        "QueueName",
        "TopicName",
        "BucketName",
        "AlarmName",
        "LogGroupName",
    }
    constant = {
        name
        for name, resource in expanded()["Resources"].items()
        for key, value in resource.get("Properties", {}).items()
        if key in names and not references(value)
    }

    assert constant == set()


def test_the_server_is_not_below_the_patched_floor():
    for version in DOCUMENT["Parameters"]["DatabaseEngineVersion"]["AllowedValues"]:
        major, minor = map(int, version.split("."))
        assert major * 10_000 + minor >= PATCHED[major]


# ---- Routes


def test_the_gateway_calls_a_function_as_the_role_that_may_and_tells_it_all():
    paths = expanded()["Resources"]["Api"]["Properties"]["Body"]["paths"]
    integrations = {
        (path, method): operation["x-amazon-apigateway-integration"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    uri = "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${%s.Arn}/invocations"

    assert integrations == {
        (route.path, route.method.lower()): {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            # Without them a call ends as 500: no function has a permission of its own that lets the gateway in.
            "credentials": {"Fn::GetAtt": ["ApiInvokeRole", "Arn"]},
            "uri": {"Fn::Sub": uri % route.function},
        }
        for route in TEMPLATE.routes
    }
    assert len(integrations) == len(TEMPLATE.routes)


def test_a_path_declares_what_stands_in_braces_in_it():
    paths = expanded()["Resources"]["Api"]["Properties"]["Body"]["paths"]
    for path, operations in paths.items():
        for operation in operations.values():
            declared = [(one["name"], one["in"], one["required"]) for one in operation.get("parameters", [])]
            assert declared == [(name, "path", True) for name in re.findall(r"\{(\w+)\}", path)], path


def test_a_route_that_asks_for_a_token_has_an_authorizer_that_there_is():
    body = expanded()["Resources"]["Api"]["Properties"]["Body"]

    assert {(route.path, route.authorizer) for route in TEMPLATE.routes if route.authorizer} == {("/api/sign-in/oidc", "Oidc")}
    assert body["paths"]["/api/sign-in/oidc"]["post"]["security"] == [{"Oidc": []}]
    scheme = body["components"]["securitySchemes"]["Oidc"]["x-amazon-apigateway-authorizer"]
    assert (scheme["type"], set(scheme["jwtConfiguration"])) == ("jwt", {"issuer", "audience"})


# ---- Functions


def test_every_function_is_reached_and_acts_in_the_role_of_its_kind():
    # A route outside the network takes in what the database must not see, or what has to come in while it sleeps.
    outside = {"StripeKey", "StripeWebhook"}
    kinds = {one.function: {"SenderRole" if one.function in outside else "ApiRole"} for one in TEMPLATE.routes}
    # Whoever unsubscribes has no session: their link, which is signed, names the tenant that the function enters.
    kinds |= {"Unsubscribe": {"ConsumerRole"}}
    kinds |= {one.function: {"ConsumerRole", "MessengerRole", "SenderRole"} for one in TEMPLATE.consumers}
    kinds |= {one.function: {"SchedulerRole"} for one in TEMPLATE.schedules}
    kinds |= {"DispatchReminders": {"MessengerRole"}, "SetWake": {"WakerRole"}}
    # By CloudFormation, and by hand.
    kinds |= {"Migrate": {"MigratorRole"}, "Administer": {"MigratorRole"}}

    assert set(kinds) == set(FUNCTIONS)
    assert {name: role(name) for name in FUNCTIONS if role(name) not in kinds[name]} == {}
    assert {role(name) for name in FUNCTIONS} == DATABASE_ROLES | {"SenderRole", "WakerRole"}
    assert set(of_type("AWS::IAM::Role")) == DATABASE_ROLES | {"SenderRole", "ProxyRole", "ApiInvokeRole", "WakerRole", "WakeRole"}


def test_every_function_logs_to_a_group_that_forgets_and_is_traced():
    assert GLOBALS["LoggingConfig"] == {"LogFormat": "JSON", "LogGroup": {"Ref": "LogGroup"}}
    assert GLOBALS["Tracing"] == "Active"
    assert [name for name, one in FUNCTIONS.items() if {"LoggingConfig", "Tracing"} & set(one)] == []
    assert {name: "RetentionInDays" in one["Properties"] for name, one in of_type("AWS::Logs::LogGroup").items()} == {
        "LogGroup": True,
        "AccessLogs": True,
    }


def test_a_request_ends_before_the_gateway_gives_up():
    limits = {function.name: function.timeout for function in TEMPLATE.functions}

    assert {limits[route.function] for route in TEMPLATE.routes} == {TIMEOUTS["handler"]}
    assert all(seconds <= 900 for seconds in limits.values())


def test_functions_of_the_database_are_in_its_network_and_others_are_neither():
    for name, properties in FUNCTIONS.items():
        outside = role(name) not in DATABASE_ROLES
        assert ("VpcConfig" in properties) == outside, name
        assert not outside or properties["VpcConfig"] == NONE
        secret = {key for key in environment(name) if "DATABASE" in key or key.endswith("_KEY")}
        # One that was made for nothing else: it opens neither the database nor a cursor.
        tickets = {"STRIPE_TICKET_KEY"} if name in {"StripeKey", "StripeAccount"} else set()
        assert secret & {"STRIPE_TICKET_KEY"} == tickets, name
        assert secret == tickets if outside else secret >= {"DATABASE_URL", "JOB_DATABASE_URL", "CLIENTWAY_IDENTITY_KEY"}, name
        assert ("ADMIN_DATABASE_URL" in secret) == (role(name) == "MigratorRole")


def test_no_function_in_the_network_needs_a_way_out_of_it():
    # S3 and SQS have theirs. A client of anything else, or HTTP, would hang until its time is up.
    for name, properties in FUNCTIONS.items():
        if role(name) not in DATABASE_ROLES:
            continue
        modules = _modules(properties["Handler"].removesuffix(".handler"))
        clients = {client for path in modules for client in re.findall(r"boto3\.client\(\s*\"(\w+)\"", path.read_text())}
        assert clients <= {"s3", "sqs"}, name
        callers = {path.name for path in modules if _imported(path) & {"urllib.request", "http.client", "requests", "httpx", "smtplib"}}
        # CloudFormation waits at an S3 URL.
        assert callers == ({"schema.py"} if name == "Migrate" else set()), name


@cache
def _modules(handler: str) -> frozenset[Path]:
    """The files of ours that a handler comes to import."""
    found: set[Path] = set()
    due = [ROOT / "functions" / f"{handler.replace('.', '/')}.py"]
    while due:
        path = due.pop()
        if path in found or not path.is_file():
            continue
        found.add(path)
        due += [ROOT / "shared" / f"{module.replace('.', '/')}.py" for module in _imported(path) if module.startswith("clientway.")]
    return frozenset(found)


@cache
def _imported(path: Path) -> set[str]:
    """What a file imports, wherever in it: modules, and what is taken from them, which may be modules too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_function_runs_before_the_schema_is_migrated():
    # A reference makes CloudFormation wait; the migrator alone has none.
    assert [name for name in FUNCTIONS if "Schema" not in references(environment(name))] == ["Migrate"]
    schema = RESOURCES["Schema"]["Properties"]
    assert schema["ServiceToken"] == {"Fn::GetAtt": ["Migrate", "Arn"]}
    # A new version of the package is a new layer, and a change of this property is what calls the migrator.
    assert schema["Package"] == {"Ref": "ClientwayLayer"}
    layers = expanded()["Resources"]
    assert layers[layers["Schema"]["Properties"]["Package"]["Ref"]]["Type"] == "AWS::Lambda::LayerVersion"
    assert FUNCTIONS["Migrate"]["Timeout"] < schema["ServiceTimeout"] <= 3600
    needs = references(schema["Needs"])
    assert {"Writer", "SubnetARoutes", "SubnetBRoutes", "S3Endpoint"} <= needs


# ---- Queues, schedules, alarms


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
    assert {queue.name for queue in TEMPLATE.queues} == {consumer.queue for consumer in TEMPLATE.consumers} | (dead - {None})


def test_consumers_take_a_bounded_share_of_the_connections():
    mappings = [event["Properties"] for one in FUNCTIONS.values() for event in one.get("Events", {}).values() if event["Type"] == "SQS"]
    most = sum(mapping["ScalingConfig"]["MaximumConcurrency"] for mapping in mappings)

    assert most <= 50
    # max_connections of Aurora at the default of four capacity units.
    assert DOCUMENT["Parameters"]["DatabaseMaxCapacity"]["Default"] == 4
    assert DOCUMENT["Parameters"]["ThrottlingBurstLimit"]["Default"] + most < 823


def test_dead_letters_and_background_errors_set_off_an_alarm():
    alarms = of_type("AWS::CloudWatch::Alarm")
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms.values()
        for dimension in alarm["Properties"].get("Dimensions", [])
        if dimension["Name"] == "QueueName"
    }
    assert watched == {queue.dead_letter for queue in TEMPLATE.queues} - {None}

    requested = {route.function for route in TEMPLATE.routes}
    found = [alarms[name]["Properties"]["Metrics"] for name in ("BackgroundErrorsAlarm", "MessageErrorsAlarm", "ScheduleErrorsAlarm")]
    assert set().union(*map(references, found)) == set(FUNCTIONS) - requested
    # CloudWatch takes ten metrics in an alarm, besides their sum.
    assert all(len(metrics) <= 11 for metrics in found)

    metrics = {alarm["Properties"].get("MetricName") for alarm in alarms.values()}
    assert {"5xx", "Throttles", "OldestOutboxSeconds", "ACUUtilization", "DatabaseConnections"} < metrics
    assert alarms["PinnedSessionsAlarm"]["Condition"] == "Proxied"
    telling = [alarm["Properties"]["AlarmActions"] for alarm in alarms.values()]
    assert all(one == telling[0] for one in telling)


def test_the_relay_is_started_by_what_the_access_log_says():
    changed = FUNCTIONS["RelayOutbox"]["Events"]["Changed"]["Properties"]
    line = json.loads(RESOURCES["Api"]["Properties"]["AccessLogSettings"]["Format"])

    assert changed["LogGroupName"] == {"Ref": "AccessLogs"}
    assert set(re.findall(r"\$\.(\w+)", changed["FilterPattern"])) <= set(line)
    said = FUNCTIONS["RelayOutbox"]["Events"]["Said"]["Properties"]
    assert said == {"LogGroupName": {"Ref": "LogGroup"}, "FilterPattern": '{ $.message = "effects wait" }'}
    # Whatever the gateway puts in stays within its quotes, so that the line is JSON.
    assert all(isinstance(value, str) for value in line.values())
    assert not re.search(r"identity|\.path|\bip\b|authorizer", json.dumps(line))


def test_the_dashboard_is_json_and_shows_what_there_is():
    body, values = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(re.sub(r"\$\{[\w.:]+\}", "x", body))["widgets"]

    assert len(widgets) >= 6
    assert references(RESOURCES["Dashboard"]) - set(values) <= {*RESOURCES, "AWS::Region", "AWS::StackName"}


def test_schedules_wake_a_database_that_pauses_seldom_and_together():
    expressions = {
        name: event["Properties"]["ScheduleExpression"]
        for name, one in FUNCTIONS.items()
        for event in one.get("Events", {}).values()
        if event["Type"] == "ScheduleV2"
    }
    conditional = [one["Fn::If"] for one in expressions.values() if isinstance(one, dict)]

    # What asks to be woken needs no regular look, whether the database pauses or not.
    assert {(name, paused) for name, paused, _ in conditional} == {("Pauses", "rate(6 hours)"), ("NextDue", "rate(6 hours)")}
    assert {name for name, one in expressions.items() if isinstance(one, dict) and one["Fn::If"][0] == "NextDue"} == {
        "DispatchReminders",
        "TendMessages",
    }
    assert {one for one in expressions.values() if isinstance(one, str)} == {"cron(20 3 * * ? *)"}
