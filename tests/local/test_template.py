"""What the local stack reads from a SAM template."""

import pytest

from clientway.local.template import (
    Queue,
    QueueConsumer,
    Route,
    Schedule,
    TemplateError,
    parse,
)

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  RelayRate: {Type: String, Default: rate(1 minute)}
  Sender: {Type: String, Default: hello@mail.example.org}
  Capacity: {Type: Number, Default: 0}
  Subnets: {Type: CommaDelimitedList, Default: ""}
Conditions:
  Placed: !Not [!Equals [!Join ["", !Ref Subnets], ""]]
  Pauses: !And [!Equals [!Ref Capacity, 0], !Not [!Condition Placed]]
  Either: !Or [!Condition Placed, !Condition Pauses]
Globals:
  Function:
    Timeout: 25
    Environment:
      Variables:
        SENDER: !Ref Sender
        QUEUE: !Ref OutboxQueue
        CLUSTER: !GetAtt Cluster.Endpoint.Address
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        paths:
          /api/organizations/{id}:
            get: &Organization {x-amazon-apigateway-integration: {uri: !Sub "arn:aws:apigateway:r:lambda:path/v/functions/${Organization.Arn}/invocations"}}
            patch: *Organization
          /api/oidc:
            x-amazon-apigateway-any-method: {<<: *Organization, security: [{Oidc: []}]}
          $default:
            x-amazon-apigateway-any-method: *Organization
  Organization:
    Type: AWS::Serverless::Function
    Properties:
      Handler: lifecycle.organization.handler
      Role: !GetAtt ApiRole.Arn
      Environment: {Variables: {OWN: !Sub "${AWS::Region}-${!literal}"}}
  Sender_:
    Type: AWS::Serverless::Function
    Properties:
      Handler: messaging.send.handler
      Timeout: 60
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt OutboxQueue.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures]}}
        Every: {Type: ScheduleV2, Properties: {ScheduleExpression: !Ref RelayRate}}
        Off: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), State: DISABLED}}
        Daily: {Type: Schedule, Properties: {Schedule: "cron(0 6 * * ? *)", Input: '{"job": 1}'}}
  OutboxQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 360
      RedrivePolicy: {deadLetterTargetArn: !GetAtt OutboxDeadLetters.Arn, maxReceiveCount: 5}
  OutboxDeadLetters: {Type: AWS::SQS::Queue}
"""


def test_routes_consumers_schedules_and_queues() -> None:
    template = parse(TEMPLATE)
    assert template.routes == (
        Route("Organization", "lifecycle.organization.handler", "GET", "/api/organizations/{id}"),
        Route("Organization", "lifecycle.organization.handler", "PATCH", "/api/organizations/{id}"),
        Route("Organization", "lifecycle.organization.handler", "ANY", "/api/oidc", "Oidc"),
        Route("Organization", "lifecycle.organization.handler", "ANY", None),
    )
    assert template.consumers == (QueueConsumer("Sender_", "messaging.send.handler", "OutboxQueue", 5, report_batch_item_failures=True),)
    assert template.schedules == (
        Schedule("Sender_", "messaging.send.handler", "rate(1 minute)"),
        Schedule("Sender_", "messaging.send.handler", "cron(0 6 * * ? *)", payload='{"job": 1}'),
    )
    assert template.queues == (Queue("OutboxQueue", 360, "OutboxDeadLetters", 5), Queue("OutboxDeadLetters"))
    assert [function.timeout for function in template.functions] == [25, 60]


def test_variables_are_resolved_and_unknown_ones_left_out() -> None:
    template = parse(TEMPLATE)
    known = {"OutboxQueue": "http://queue", "AWS::Region": "eu-central-1"}
    assert template.environment(template.functions[0], known) == {
        "SENDER": "hello@mail.example.org",
        "QUEUE": "http://queue",
        "OWN": "eu-central-1-${literal}",
    }


@pytest.mark.parametrize("text", ["", "Resources: 3", "a: 1"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


# A route of a function's own events would need a permission of its own: routes stand in the API's definition.
@pytest.mark.parametrize("kind", ["S3", "HttpApi"])
def test_an_event_that_cannot_run_here_is_named(kind: str) -> None:
    broken = TEMPLATE.replace("Type: ScheduleV2, Properties: {ScheduleExpression: !Ref RelayRate}", f"Type: {kind}, Properties: {{}}")
    with pytest.raises(TemplateError, match=r"Sender_\.Events\.Every"):
        parse(broken)


def test_a_route_without_a_function_is_named() -> None:
    with pytest.raises(TemplateError, match=r"Api: get /api/organizations/\{id\} goes to Absent"):
        parse(TEMPLATE.replace("${Organization.Arn}", "${Absent.Arn}"))
    with pytest.raises(TemplateError, match=r"Api: patch /api/organizations/\{id\} has no integration"):
        parse(TEMPLATE.replace("patch: *Organization", "patch: {responses: {}}"))


def test_a_route_may_be_open_where_the_others_ask_for_a_token() -> None:
    asking = TEMPLATE.replace("        paths:\n", "        security: [{Oidc: []}]\n        paths:\n")
    opened = asking.replace("patch: *Organization", "patch: {<<: *Organization, security: []}")
    assert {route.method: route.authorizer for route in parse(opened).routes} == {"GET": "Oidc", "PATCH": None, "ANY": "Oidc"}


def test_what_depends_on_a_condition_goes_by_the_defaults() -> None:
    asks = TEMPLATE.replace("ScheduleExpression: !Ref RelayRate", "ScheduleExpression: !If [Pauses, rate(6 hours), rate(1 minute)]")
    assert parse(asks).schedules[0].expression == "rate(6 hours)"
    assert parse(asks.replace("Default: 0}", "Default: 0.5}")).schedules[0].expression == "rate(1 minute)"
    assert parse(asks.replace('CommaDelimitedList, Default: ""', 'CommaDelimitedList, Default: "a,b"')).parameters["?Either"] == "true"


def test_a_condition_that_is_not_understood_is_refused() -> None:
    with pytest.raises(TemplateError, match="FindInMap"):
        parse(TEMPLATE.replace("!Not [!Condition Placed]", "!FindInMap [A, b, c]"))


def test_what_a_line_in_a_log_starts_runs_every_now_and_then() -> None:
    logged = TEMPLATE.replace(
        "Type: ScheduleV2, Properties: {ScheduleExpression: !Ref RelayRate}", "Type: CloudWatchLogs, Properties: {LogGroupName: logs}"
    )
    twice = logged.replace(
        "Off: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), State: DISABLED}}", "Other: {Type: CloudWatchLogs}"
    )
    for text in (logged, twice):
        assert [one.expression for one in parse(text).schedules] == ["rate(1 minute)", "cron(0 6 * * ? *)"]
