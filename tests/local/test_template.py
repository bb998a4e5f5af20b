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
  Organization:
    Type: AWS::Serverless::Function
    Properties:
      Handler: lifecycle.organization.handler
      Role: !GetAtt ApiRole.Arn
      Environment: {Variables: {OWN: !Sub "${AWS::Region}-${!literal}"}}
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: get, Path: "/api/organizations/{id}"}}
        Any: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: "*", Path: "/api/oidc", Auth: {Authorizer: Oidc}}}
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
        Route("Organization", "lifecycle.organization.handler", "ANY", "/api/oidc", "Oidc"),
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


def test_an_event_that_cannot_run_here_is_named() -> None:
    broken = TEMPLATE.replace("Type: ScheduleV2, Properties: {ScheduleExpression: !Ref RelayRate}", "Type: S3, Properties: {}")
    with pytest.raises(TemplateError, match=r"Sender_\.Events\.Every"):
        parse(broken)
